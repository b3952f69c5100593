"""The README's section 'Add a technique', executed word for word in a copy of the checkout."""

import json
import os
import re
import shlex
from pathlib import Path

import pytest
from project_copy import copy_project

ROOT = Path(__file__).resolve().parents[1]
SHORT_PROFILES = ROOT / 'tests' / 'short_profiles'
pytestmark = pytest.mark.slow
LONGEST_PLUGIN = 30
# A training of two steps instead of 250: what is computed does not depend on how long it takes.
QUICKLY = ['--device', 'cpu', '--cfg-options', 'train_cfg.max_iters=2']


def section():
    """The section's text."""
    text = (ROOT / 'README.md').read_text()
    found = re.search(r'^## Add a technique\n(.*?)(?=^## |\Z)', text, re.MULTILINE | re.DOTALL)
    assert found, "README.md has no section 'Add a technique'"
    return found[1]


def blocks(text):
    """(language, content) of each code block."""
    return re.findall(r'^```(\w+)\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)


def files(text):
    """Content by path: the blocks whose first line is a comment that names a file."""
    return {match[1]: content for _, content in blocks(text) if (match := re.match(r'# (\S+\.py)\n', content))}


def commands(text):
    return [line for language, content in blocks(text) if language == 'bash' for line in content.splitlines()]


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    """A copy of the project."""
    root = tmp_path_factory.mktemp('readme')
    copy_project(ROOT, root)
    for path in files(section()):  # who follows the README has them already
        (root / path).unlink(missing_ok=True)
    return root


@pytest.fixture
def run(warm_python, checkout):
    """Runs a command of the README; gives what it printed."""
    return lambda command, *flags: _run(warm_python, checkout, command, *flags)


def _run(warm_python, checkout, command, *flags):
    words = shlex.split(command, comments=True)
    assert words[0] == 'python'
    environment = {name: value for name, value in os.environ.items() if name != 'ABLATION_WORK_DIR'}
    environment |= dict(PYTHONPATH=os.pathsep.join([str(checkout), str(SHORT_PROFILES)]), CUDA_VISIBLE_DEVICES='')
    process = warm_python.start([checkout / words[1], *words[2:], *flags], environment, checkout)
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stdout + stderr
    return stdout


def test_the_section_is_short_and_complete():
    written = files(section())
    (plugin,) = [content for path, content in written.items() if path.startswith('plugins/')]
    (row,) = [Path(path).stem for path in written if path.startswith('configs/techniques/')]
    (grid,) = [content for path, content in written.items() if path.startswith('configs/grids/')]
    assert len(plugin.splitlines()) - 1 <= LONGEST_PLUGIN  # its first line says where it belongs
    assert f"'{row}'" in grid
    assert [f'--check {row}' in line for line in commands(section())] == [True, False]


def test_it_works_and_only_what_is_new_is_computed(run, checkout):
    written = files(section())
    (row,) = [Path(path).stem for path in written if path.startswith('configs/techniques/')]
    check, compare = commands(section())
    (grid,) = [path for path in written if path.startswith('configs/grids/')]
    before = re.sub(rf",? *'{row}'", '', written[grid])
    assert before != written[grid]
    (checkout / grid).write_text(before)
    run(compare, *QUICKLY)
    known = stored(checkout)

    for path, content in written.items():
        assert path == grid or not (checkout / path).exists()
        (checkout / path).write_text(content)
    assert re.search(rf'^{row} +good ', run(check, '--device', 'cpu'), re.MULTILINE)
    run(compare, *QUICKLY)
    now = stored(checkout)
    assert {path: now[path] for path in known} == known  # nothing was computed again
    assert sorted(path.split('/')[0] for path in now.keys() - known.keys()) == [
        'predict',
        'train',
    ]  # a loss costs inference nothing
    (record,) = (checkout / 'work_dirs').glob(f'*/records/{row}__seed0.json')
    assert json.loads(record.read_text())['status'] == 'ok'


def stored(checkout):
    """Identity of each stored result by ``<stage>/<key>``."""
    found = (checkout / 'work_dirs' / 'store').glob('*/*/manifest.json')
    return {f'{path.parents[1].name}/{path.parent.name}': path.stat().st_mtime_ns for path in found}
