"""The exported folder: its files, its manifest, modules of one's own, and what cannot be exported."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from benchmarks.errors import BadInput
from benchmarks.session.export.folder import export
from benchmarks.store.store import Store

CELL = 'attention+loss__seed0'
CONFIG = 'model = dict(type="EncoderDecoder")\n'
LEFT_OUT = dict(status='left out', said='There is no network.onnx, because onnx is not installed')


@pytest.fixture
def finished(synthetic_out, tmp_path, monkeypatch):
    """A finished grid and a work dir with the weights of one of its cells."""
    out, work = shutil.copytree(synthetic_out, tmp_path / 'out'), tmp_path / 'work'
    (out / 'configs').mkdir()
    (out / 'configs' / f'{CELL}.py').write_text(CONFIG)
    store_weights(work, dict(state_dict=dict(w=torch.ones(2)), meta=dict(epoch=1)))
    monkeypatch.setattr('benchmarks.session.export.network.export_network', lambda *_: LEFT_OUT)
    return out, work


def store_weights(work, content, key='tattention+loss'):
    store = Store.in_work_dir(work)
    with store.writing(key) as folder:
        torch.save(content, folder / 'checkpoint.pth')
        store.commit('train', key, folder, status='ok', reason=None, facts={}, ingredients={}, label=CELL)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_config_and_weights_are_those_of_the_cell(finished, tmp_path, capsys):
    out, work = finished
    export(out, 'attention+loss', work, tmp_path / 'deep' / 'exported')
    folder = tmp_path / 'deep' / 'exported'
    assert sorted(path.name for path in folder.iterdir()) == [
        'README.md',
        'checkpoint.pth',
        'config.py',
        'manifest.json',
        'metafile.yaml',
    ]
    assert (folder / 'config.py').read_text() == CONFIG
    assert torch.load(folder / 'checkpoint.pth', weights_only=True)['state_dict']['w'].tolist() == [1, 1]
    assert capsys.readouterr().out.startswith(f'{CELL} → ')


def test_the_manifest_names_where_all_comes_from(finished, tmp_path):
    out, work = finished
    export(out, CELL, work, tmp_path / 'exported')
    manifest = json.loads((tmp_path / 'exported' / 'manifest.json').read_text())
    assert (manifest['cell'], manifest['seed'], manifest['techniques']) == (CELL, 0, ['attention', 'loss'])
    assert manifest['seeds'] == [0, 1, 2] and manifest['classes'] == ['background', 'grey', 'white']
    assert manifest['keys']['train'] == 'tattention+loss' and manifest['network'] == LEFT_OUT
    assert set(manifest['files']) == {'checkpoint.pth', 'config.py', 'metafile.yaml'}
    assert all(entry['sha256'] == sha256(tmp_path / 'exported' / name) for name, entry in manifest['files'].items())
    assert manifest['source']['record_sha256'] == sha256(out / 'records' / f'{CELL}.json')


def test_the_readme_has_the_commands_and_shows_names_as_they_are(finished, tmp_path):
    out, work = finished
    grid = json.loads((out / 'grid.json').read_text()) | dict(title='a *bold* <script> title')
    (out / 'grid.json').write_text(json.dumps(grid))
    folder = tmp_path / "it's here"
    export(out, CELL, work, folder)
    text = (folder / 'README.md').read_text()
    quoted = str(folder).replace("'", "'\"'\"'")
    assert f"python -m plugins.tools.segment_folder '{quoted}' IMAGES --out SEGMENTED" in text
    assert f"'{quoted}'/config.py '{quoted}'/checkpoint.pth --work-dir tested" in text
    assert r'a \*bold\* \<script\> title' in text and LEFT_OUT['said'] in text
    code = text.split('```python\n')[1].split('```')[0]
    compile(code, 'README', 'exec')


def test_an_earlier_export_is_replaced_and_anything_else_is_refused(finished, tmp_path):
    out, work = finished
    target = tmp_path / 'exported'
    export(out, CELL, work, target)
    (target / 'network.onnx').touch()
    export(out, CELL, work, target)
    assert not (target / 'network.onnx').exists()
    other = tmp_path / 'other'
    other.mkdir()
    (other / 'thesis.tex').touch()
    for place in (other, other / 'thesis.tex', out):
        with pytest.raises(BadInput, match='exists and is no export'):
            export(out, CELL, work, place)
    assert (other / 'thesis.tex').exists()
    (tmp_path / 'empty').mkdir()
    export(out, CELL, work, tmp_path / 'empty')


def test_the_current_folder_those_above_it_and_links_are_refused(finished, tmp_path, monkeypatch):
    out, work = finished
    here = tmp_path / 'a' / 'here'
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    for place in ('.', '..', 'new/..', str(here), '/'):
        with pytest.raises(BadInput, match='is the current folder or one above it.*--out exported'):
            export(out, CELL, work, Path(place))
    for name in ('there', 'nowhere'):
        (tmp_path / name).symlink_to(f'to_{name}')
    (tmp_path / 'to_there').mkdir()
    for name in ('there', 'nowhere'):
        with pytest.raises(BadInput, match=f'{name} is a symbolic link to to_{name}.*name that folder itself'):
            export(out, CELL, work, tmp_path / name)
    export(out, CELL, work, Path('../here/exported'))
    assert [path.name for path in here.iterdir()] == ['exported'] and (tmp_path / 'there').is_symlink()


def test_missing_and_damaged_weights_are_refused(finished, tmp_path):
    out, work = finished
    with pytest.raises(BadInput, match=f'are not in .*: python run_ablation.py GRID --work-dir .* --out {out}; or'):
        export(out, CELL, tmp_path / 'nowhere', tmp_path / 'exported')
    assert not (tmp_path / 'nowhere').exists()
    checkpoint = work / 'store' / 'train' / 'tattention+loss' / 'checkpoint.pth'
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1] + b'x')
    with pytest.raises(BadInput, match='are damaged: .*altered'):
        export(out, CELL, work, tmp_path / 'exported')
    assert not (tmp_path / 'exported').exists()


def test_weights_that_could_execute_code_are_refused(finished, tmp_path):
    out, work = finished
    store_weights(work, dict(state_dict={}, more=subprocess.Popen))
    with pytest.raises(BadInput, match='Popen'):
        export(out, CELL, work, tmp_path / 'exported')
    assert list(tmp_path.glob('*exported*')) == []


def test_a_missing_config_is_refused(finished, tmp_path):
    out, work = finished
    (out / 'configs' / f'{CELL}.py').unlink()
    with pytest.raises(BadInput, match=f'is missing; run the grid again: python run_ablation.py GRID --out {out}$'):
        export(out, CELL, work, tmp_path / 'exported')


def test_modules_beside_the_grid_go_with_it(finished, tmp_path):
    out, work = finished
    project = tmp_path / 'project'
    (project / 'own_of_export').mkdir(parents=True)
    (project / 'own_of_export' / '__init__.py').touch()
    (project / 'own_of_export' / 'loss.py').write_text('import helper_of_export\n')
    (project / 'helper_of_export.py').write_text('WIDTH = 3\n')
    (project / 'unused_of_export.py').touch()
    (project / 'grid.py').write_text("title = 'T'\nbaseline = 'b.py'\ndesigns = [dict(type='each_alone')]\n")
    grid = json.loads((out / 'grid.json').read_text()) | dict(source=dict(file='../project/grid.py', state='x'))
    (out / 'grid.json').write_text(json.dumps(grid))
    imports = "custom_imports = dict(imports=['own_of_export.loss', 'json'])\n"
    (out / 'configs' / f'{CELL}.py').write_text(CONFIG + imports)
    export(out, CELL, work, tmp_path / 'exported')
    modules = tmp_path / 'exported' / 'modules'
    found = {path.relative_to(modules).as_posix() for path in modules.rglob('*.py')}
    assert found == {'own_of_export/__init__.py', 'own_of_export/loss.py', 'helper_of_export.py'}
    text = (tmp_path / 'exported' / 'README.md').read_text()
    assert f'PYTHONPATH={modules}:$PYTHONPATH python' in text and '`modules/`' in text
    assert 'modules/helper_of_export.py' in json.loads((tmp_path / 'exported' / 'manifest.json').read_text())['files']
