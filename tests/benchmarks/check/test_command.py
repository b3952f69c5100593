"""The parts of ``--check``: what it runs on, how it isolates, and what it prints."""

import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from PIL import Image

from benchmarks.check.baselines import BATCH, STEPS, make_check_baseline, on_pictures, small_baselines
from benchmarks.check.checks import builds
from benchmarks.check.command import files_to_check
from benchmarks.check.examine import try_to_build
from benchmarks.check.global_state import global_state_restored, without_package
from benchmarks.check.gradient_probe import AllocationPeak
from benchmarks.check.isolated import Crash, Job, run_isolated, warm_up
from benchmarks.check.result import BROKEN, GOOD, MISFIT, NOT_CHECKED, OK, Cost, Finding, TechniqueResult
from benchmarks.check.table import make_console, show_details, show_table
from benchmarks.check.technique_run import TechniqueRun
from benchmarks.check.toy_data import CLASSES, SIZE_PX, draw_pictures, speckled_maps
from benchmarks.cli import main
from benchmarks.errors import BadInput
from benchmarks.files import read_json
from benchmarks.stacks.technique import Technique, read_technique, technique_files

ROOT = Path(__file__).resolve().parents[3]
CONFIGS = ROOT / 'configs'


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    root = tmp_path_factory.mktemp('pictures') / 'data'
    draw_pictures(root)
    return root


def test_the_pictures_hold_all_classes_and_void(pictures):
    found = set()
    for path in (pictures / 'ann' / 'train').iterdir():
        labels = np.asarray(Image.open(path))
        assert labels.shape == (SIZE_PX, SIZE_PX)
        found |= set(np.unique(labels))
    assert found == {*range(len(CLASSES)), 255}


def test_the_pictures_are_the_same_each_time(pictures, tmp_path):
    draw_pictures(tmp_path / 'again')
    for path in pictures.rglob('*.png'):
        assert path.read_bytes() == (tmp_path / 'again' / path.relative_to(pictures)).read_bytes()


def test_pictures_of_two_classes_have_no_third(tmp_path):
    draw_pictures(tmp_path / 'two', num_classes=2)
    found = {int(label) for path in (tmp_path / 'two' / 'ann').rglob('*.png') for label in np.unique(Image.open(path))}
    assert found == {0, 1, 255}


def test_speckled_maps_are_likely_predictions(pictures):
    maps = speckled_maps(pictures, num_classes=4)
    assert len(maps) == 4 and all(Path(path).is_file() for path, _ in maps)
    for path, q in maps:
        assert q.dtype == np.uint16 and q.shape == (4, SIZE_PX, SIZE_PX)
        assert abs(q.sum(0).astype(int) - 65535).max() <= 2
        truth = np.asarray(Image.open(path.replace('/img/', '/ann/')))
        assert 0.85 < (q.argmax(0) == truth)[truth != 255].mean() < 0.99


def test_the_named_baseline_comes_first():
    found = [path.stem for path in small_baselines(CONFIGS, 'unet_small_icbm152')]
    assert found[0] == 'unet_small_icbm152' and found[1:] == sorted(found[1:]) and len(found) >= 4


@pytest.mark.parametrize('baseline', small_baselines(CONFIGS, 'unet_small_icbm152'), ids=lambda path: path.stem)
def test_every_small_baseline_becomes_a_check_baseline(pictures, baseline):
    base = make_check_baseline(baseline, CONFIGS, pictures, 'cpu').config
    assert base['train_cfg']['max_iters'] == STEPS and base['train_dataloader']['batch_size'] == BATCH
    assert {base[f'{split}_dataloader']['dataset']['data_root'] for split in ('train', 'test')} == {str(pictures)}
    assert [one['end'] for one in base['param_scheduler'] if 'end' in one][-1] == STEPS
    assert base['model']['data_preprocessor']['size'] == (SIZE_PX, SIZE_PX)
    crops = [step['crop_size'] for step in base['train_dataloader']['dataset']['pipeline'] if 'crop_size' in step]
    assert set(crops) <= {(SIZE_PX, SIZE_PX)}


def test_a_baseline_keeps_its_pipelines(pictures):
    loader = dict(dataset=dict(type='X', pipeline=[dict(type='Load'), dict(type='RandomCrop', crop_size=(9, 9))]))
    config = dict(model=dict(data_preprocessor=dict(size=(9, 9))), train_dataloader=loader, test_dataloader=loader)
    changed = on_pictures(config, pictures, size_px=32, classes=('a', 'b'))
    assert changed['train_dataloader']['dataset']['pipeline'] == [
        dict(type='Load'),
        dict(type='RandomCrop', crop_size=(32, 32)),
    ]
    assert changed['test_dataloader']['dataset']['metainfo']['classes'] == ('a', 'b')
    assert config['train_dataloader'] is loader and loader['dataset']['type'] == 'X'  # the baseline's own stays


def test_a_block_leaves_no_trace():
    random.seed(3), np.random.seed(3), torch.manual_seed(3)
    MessageHub.get_instance('before')
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist(), sys.argv
    threads = torch.get_num_threads()
    with global_state_restored():
        assert not MessageHub.check_instance_created('before')
        MessageHub.get_instance('within')
        random.random(), np.random.rand(), torch.rand(1)
        torch.set_num_threads(threads + 1)
        sys.argv = ['another']
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist(), sys.argv) == before
    assert torch.get_num_threads() == threads
    assert MessageHub.check_instance_created('before') and not MessageHub.check_instance_created('within')


def test_a_block_leaves_no_trace_when_it_raises():
    argv = sys.argv
    with pytest.raises(RuntimeError), global_state_restored():
        sys.argv = ['another']
        raise RuntimeError
    assert sys.argv is argv


def test_a_package_is_hidden_for_a_block():
    import benchmarks.store.store as known

    with without_package('benchmarks'), pytest.raises(ImportError, match="no 'benchmarks'"):
        import benchmarks.store.store  # noqa: F401
    import benchmarks.store.store as again

    assert again is known


@pytest.mark.slow
def test_programs_that_are_started_later_have_the_environment_of_before(monkeypatch):
    monkeypatch.delenv('PYTHONSAFEPATH', raising=False)
    warm_up()
    assert 'PYTHONSAFEPATH' not in os.environ


@pytest.mark.slow
def test_functions_run_in_processes_of_their_own(tmp_path):
    # Functions of installed modules: a test module cannot be imported by its name in another process.
    jobs = [
        Job('absolute', abs, (-3,), tmp_path / 'a'),
        Job('process', os.getpid, (), tmp_path / 'b'),
        Job('leaves', os._exit, (5,), tmp_path / 'c'),
        Job('hangs', time.sleep, (600,), tmp_path / 'd'),
        Job('raises', int, ('x',), tmp_path / 'e'),
    ]
    found = dict(run_isolated(jobs, at_once=2, timeout_s=5))
    assert found['absolute'] == 3 and found['process'] != os.getpid()
    assert found['leaves'] == Crash('the process ended with exit status 5: it printed nothing')
    assert found['hangs'] == Crash('not finished after 5 s')
    assert isinstance(found['raises'], Crash)
    assert "invalid literal for int() with base 10: 'x'" in found['raises'].reason


def test_the_peak_is_what_tensors_hold_at_once():
    def work():
        first = torch.zeros(256, 1024)  # 1 MiB
        second = first + 1
        del first
        return second + 1

    work()
    with AllocationPeak() as peak:
        work()
    assert peak.mib == pytest.approx(2, abs=0.01)


def finding(check, baseline, status, note=''):
    return Finding(check, baseline, status, note)


def test_the_verdict_follows_from_the_findings():
    ok, broken, misfit = (finding('builds', 'a', status, 'why') for status in (OK, BROKEN, MISFIT))
    elsewhere = finding('builds', 'b', OK)
    assert TechniqueResult('x', [ok]).status == GOOD
    assert TechniqueResult('x', [ok, finding('acts', 'a', BROKEN)]).status == BROKEN
    assert TechniqueResult('x', [misfit, elsewhere]).status == GOOD
    assert TechniqueResult('x', [misfit, elsewhere]).fits == ['b']
    assert TechniqueResult('x', [misfit]).broken == [misfit]  # it fits nothing at all
    assert TechniqueResult('x', [broken]).status == BROKEN
    assert TechniqueResult('x', reason='crashed').status == BROKEN
    assert TechniqueResult('x', reason='needs a GPU', checked=False).status == NOT_CHECKED


def test_what_is_printed_names_the_cause_and_the_cost(capsys):
    base, own = Cost(1000, 2_000_000_000, 10.0, 20.0, 4.0, 5.0), Cost(1500, 4_000_000_000, 5.0, 30.0, 4.0, 5.0)
    results = [
        TechniqueResult(
            'fine',
            [
                finding('builds', 'a', OK),
                finding('acts', 'a', OK, 'Hook 3×'),
                finding('builds', 'b', MISFIT, 'only FCNHead'),
            ],
            dict(a=own),
        ),
        TechniqueResult('wrong', [finding('builds', 'a', OK), finding('trains', 'a', BROKEN, 'planted')]),
    ]
    console = make_console()
    show_table(console, results, dict(a=base, b=base))
    show_details(console, results)
    said = capsys.readouterr().out
    line = next(line for line in said.splitlines() if line.startswith('fine'))
    assert line.split() == [
        'fine',
        'good',
        '1',
        'of',
        '2',
        '+500',
        '×2.00',
        '×0.50',
        '×1.50',
        '×1.00',
        '×1.00',
        '0.0',
        's',
    ]
    assert next(line for line in said.splitlines() if line.startswith('wrong')).split()[:5] == [
        'wrong',
        'broken',
        '1',
        'of',
        '1',
    ]
    assert 'does not fit b: only FCNHead' in said and 'acts: Hook 3×' in said and 'trains on a: planted' in said


def test_an_unknown_name_is_refused_with_close_matches(tmp_path, capsys, monkeypatch):
    for name in ('focal', 'cbam'):
        (tmp_path / f'{name}.py').write_text('')
    with pytest.raises(BadInput, match="--check 'focl': there is no .*focl.py; did you mean 'focal'"):
        files_to_check(tmp_path, ['focl'])
    monkeypatch.chdir(tmp_path)
    for name in ('ABLATION_WORK_DIR', 'PYTHONPATH', 'CUDA_VISIBLE_DEVICES'):  # the command sets them for its children
        monkeypatch.setenv(name, os.environ.get(name, ''))
    assert main(['--check', 'ther_is_no_such', '--device', 'cpu'], ROOT) == 2
    assert 'there is no techniques/ther_is_no_such.py' in capsys.readouterr().err


def test_keys_of_ensemble_members_are_checked(pictures, tmp_path):
    baseline = make_check_baseline(CONFIGS / 'baselines' / 'unet_small_icbm152.py', CONFIGS, pictures, 'cpu')
    members = [dict(), dict(model=dict(decode_head=dict(drop_ratio=0.3)))]
    odd = Technique('odd', 'Odd', '', dict(ensemble=dict(members=members)), imports=['plugins.hooks.ensemble'])
    with pytest.raises(BadInput, match="technique 'odd', member 2: .* takes no 'drop_ratio'"):
        builds(TechniqueRun(baseline, tmp_path / 'run', odd))


def test_the_trials_of_a_search_are_checked(pictures, tmp_path):
    baseline = make_check_baseline(CONFIGS / 'baselines' / 'unet_small_icbm152.py', CONFIGS, pictures, 'cpu')
    small = read_technique(CONFIGS / 'techniques' / 'small_components.py')
    builds(TechniqueRun(baseline, tmp_path / 'run', small))
    for key, values, message in (
        ('min_size', [4, -1], r"'small_components\[min_size=-1\]' does not build"),
        ('small.min_sise', [4, 8], r"technique 'small_components\[min_sise=4\]': .*min_sise"),
    ):
        odd = replace(small, search=dict(space={key: values}, trials=3))
        with pytest.raises(BadInput, match=message):
            builds(TechniqueRun(baseline, tmp_path / 'run', odd))


def test_the_baselines_own_run_is_read_back_without_a_pickle(pictures, tmp_path):
    baseline = make_check_baseline(CONFIGS / 'baselines' / 'unet_small_icbm152.py', CONFIGS, pictures, 'cpu')
    run = TechniqueRun(baseline, tmp_path / 'reference')
    run.import_modules()
    run.keep()
    loaded = TechniqueRun.load(baseline, tmp_path / 'reference')
    assert loaded.results == run.results and loaded.cell == run.cell
    assert loaded.prediction.same_as(run.prediction) and loaded.effect_counts() == run.effect_counts()
    assert not list(tmp_path.rglob('*.pkl'))
    # Counted once in half the time of a capture, with the same result.
    breaks = read_json(tmp_path / 'reference' / 'breaks.json')
    assert loaded.breaks == breaks == run.capture.breaks


def test_all_checks_on_one_baseline_stand_among_those_that_were_only_built():
    built = TechniqueResult(
        'x', [finding('builds', 'a', MISFIT), finding('builds', 'b', OK), finding('builds', 'c', OK)]
    )
    checked = TechniqueResult('x', [finding('builds', 'b', OK), finding('trains', 'b', BROKEN)], took=dict(builds=1.0))
    apart = TechniqueResult('x', [finding('trains', 'b', OK), finding('captures', 'b', OK)], took=dict(captures=4.0))
    whole = replace(built, took=dict(builds=2.0), seconds=1.0).with_checks(replace(checked, seconds=2.0), apart)
    assert [(one.check, one.baseline) for one in whole.findings] == [
        ('builds', 'a'),
        ('builds', 'b'),
        ('trains', 'b'),
        ('captures', 'b'),
        ('builds', 'c'),
    ]
    assert whole.fits == ['b', 'c'] and whole.status == BROKEN
    assert (whole.took, whole.seconds) == (dict(builds=3.0, captures=4.0), 3.0)


def test_the_command_leaves_torch_to_the_server(tmp_path):
    code = (
        'import sys; from pathlib import Path; from benchmarks.check.command import CheckSettings, TechniqueChecker\n'
        f'TechniqueChecker(Path({str(tmp_path)!r}), CheckSettings(Path("configs")))\n'
        'print(sorted({"torch", "mmseg", "mmcv"} & sys.modules.keys()))'
    )
    run = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.stdout == '[]\n', run.stdout + run.stderr


def test_the_refusal_on_a_baseline_names_the_sibling_that_fits(pictures, tmp_path):
    baseline = make_check_baseline(CONFIGS / 'baselines' / 'segformer_small_icbm152.py', CONFIGS, pictures, 'cpu')
    cbam, neck = (read_technique(CONFIGS / 'techniques' / f'{name}.py') for name in ('cbam', 'cbam_neck'))
    with pytest.raises(BadInput, match="for the type 'FCNHead' only; 'cbam_neck' fits this baseline$"):
        builds(TechniqueRun(baseline, tmp_path / 'run', cbam, sibling=neck))
    with pytest.raises(BadInput, match="for the type 'FCNHead' only$"):
        builds(TechniqueRun(baseline, tmp_path / 'run', cbam, sibling=cbam))


def test_a_technique_that_is_only_built_needs_no_run_of_the_baselines(pictures, tmp_path):
    known = technique_files(CONFIGS / 'techniques')
    baselines = [
        make_check_baseline(CONFIGS / 'baselines' / f'{name}_icbm152.py', CONFIGS, pictures, 'cpu')
        for name in ('segformer_small', 'unet_small')
    ]
    result = try_to_build(known['cbam'], baselines, tmp_path, known)
    assert result.fits == ['unet_small_icbm152'] and len(result.findings) == 2
    assert result.findings[0].note.endswith("'cbam_neck' fits this baseline")
    row = tmp_path / 'odd.py'
    row.write_text("title, description, overlay, sibling = 'O', 'O.', dict(log_level='INFO'), 'cbma'\n")
    result = try_to_build(row, baselines, tmp_path, {**known, 'odd': row})
    assert "its sibling 'cbma' is no other technique; did you mean 'cbam'" in result.reason
