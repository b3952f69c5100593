"""The worked examples of plugins/README.md, executed in a copy of the checkout."""

import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from project_copy import copy_project

ROOT = Path(__file__).resolve().parents[1]
KINDS = ('A loss', 'A refinement', 'A view', 'A hook', 'A data set')
LONGEST_PLUGIN = 45

pytestmark = pytest.mark.slow


def sections():
    """The text of each worked example, by its heading."""
    page = (ROOT / 'plugins' / 'README.md').read_text()
    text = re.search(r'^## Worked examples\n(.*?)(?=^## )', page, re.MULTILINE | re.DOTALL)[1]
    found = re.findall(r'^### (.*?)\n(.*?)(?=^### |\Z)', text, re.MULTILINE | re.DOTALL)
    return dict(found)


def blocks(text, language):
    return re.findall(rf'^```{language}\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)


def files(text):
    """Content by path: the blocks whose first line is a comment that names a file."""
    return {re.match(r'# (\S+\.py)\n', block)[1]: block for block in blocks(text, 'python')}


def command(text):
    """The one command of a section, as words behind ``python``."""
    ((line,),) = [block.splitlines() for block in blocks(text, 'bash')]
    python, *words = shlex.split(line)
    assert python == 'python'
    return words


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    """A copy of the project with the files of all examples."""
    root = tmp_path_factory.mktemp('plugins')
    copy_project(ROOT, root)
    for text in sections().values():
        for path, content in files(text).items():
            (root / path).write_text(content)
    return root


def run(warm_python, root, words):
    environment = {name: value for name, value in os.environ.items() if name != 'ABLATION_WORK_DIR'}
    environment |= dict(PYTHONPATH=str(root), CUDA_VISIBLE_DEVICES='')
    process = warm_python.start([root / words[0], *words[1:], '--device', 'cpu'], environment, root)
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stdout + stderr
    return stdout


def test_each_kind_of_plugin_has_a_short_and_complete_example():
    assert tuple(sections()) == KINDS
    for kind, text in sections().items():
        (plugin,) = [content for path, content in files(text).items() if path.startswith('plugins/')]
        assert len(plugin.splitlines()) - 1 <= LONGEST_PLUGIN, kind
        rows = [Path(path).stem for path in files(text) if path.startswith('configs/techniques/')]
        if rows:
            assert command(text) == ['run_ablation.py', '--check', *rows]
        else:
            (grid,) = [path for path in files(text) if path.startswith('configs/grids/')]
            assert command(text) == ['run_ablation.py', grid, '--dry-run']


def test_the_techniques_are_good(warm_python, checkout):
    """The checks of all of them at once: the baselines are prepared once."""
    commands = [command(text) for text in sections().values()]
    names = [name for words in commands if '--check' in words for name in words[2:]]
    assert len(names) == 4
    printed = run(warm_python, checkout, ['run_ablation.py', '--check', *names])
    for name in names:
        assert re.search(rf'^{name} +good ', printed, re.MULTILINE)


def test_the_data_set_gives_its_groups(warm_python, checkout):
    rng = np.random.default_rng(0)
    for split, patients in (('train', ('p01', 'p02')), ('val', ('p03',)), ('test', ('p02', 'p04'))):
        for folder, shape, top in (('img_dir', (64, 64, 3), 256), ('ann_dir', (64, 64), 2)):
            (checkout / 'data' / 'patients' / folder / split).mkdir(parents=True)
            for patient in patients:
                pixels = rng.integers(top, size=shape, dtype=np.uint8)
                name = f'{patient}_slice001_{split}.png'
                Image.fromarray(pixels).save(checkout / 'data' / 'patients' / folder / split / name)
    printed = run(warm_python, checkout, command(sections()['A data set']))
    assert '9 cells' in printed
    # A patient in both splits is only seen because the class names it.
    assert re.search(r'train and test share 1 group\(s\) \(p02\)', printed)
