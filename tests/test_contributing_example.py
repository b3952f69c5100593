"""CONTRIBUTING's section 'A stage kind', executed word for word in a copy of the checkout."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project_copy import PARTS, copy_project

ROOT = Path(__file__).resolve().parents[1]
SHORT_PROFILES = ROOT / 'tests' / 'short_profiles'
GRID = """
title = 'Baseline'
baseline = 'baselines/unet_small_icbm152.py'
designs = [dict(type='cumulative', techniques=[])]
seeds = 1
"""

pytestmark = pytest.mark.slow


def section():
    text = (ROOT / 'CONTRIBUTING.md').read_text()
    return re.search(r'^## A stage kind\n(.*?)(?=^## )', text, re.MULTILINE | re.DOTALL)[1]


def edits():
    """(path, place, line, lines) of each Python block: the lines stand before or after the line, or are the file."""
    for block in re.findall(r'^```python\n(.*?)^```$', section(), re.MULTILINE | re.DOTALL):
        comment, _, lines = block.partition('\n')
        path, place, line = re.fullmatch(r'# (\S+\.py)(?:, (before|after): (.*))?', comment).groups()
        yield path, place, line, lines


@pytest.fixture(scope='module')
def finished(warm_python, tmp_path_factory):
    """A copy of the project in which the grid has been run, and its results' kinds by key."""
    root = tmp_path_factory.mktemp('contributing') / 'before'
    copy_project(ROOT, root, (*PARTS, 'tests/benchmarks/test_kinds.py'))
    (root / 'configs' / 'baseline_alone.py').write_text(GRID)
    return root, run_grid(warm_python, root)


@pytest.fixture
def checkout(finished, tmp_path):
    return shutil.copytree(finished[0], tmp_path / 'checkout')


def environment_of(checkout):
    environment = {name: value for name, value in os.environ.items() if name != 'ABLATION_WORK_DIR'}
    path = os.pathsep.join([str(checkout), str(SHORT_PROFILES)])
    return environment | dict(PYTHONPATH=path, CUDA_VISIBLE_DEVICES='')


def run(checkout, *words):
    command = [sys.executable, *words]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, env=environment_of(checkout))
    assert done.returncode == 0, done.stdout + done.stderr


def run_grid(warm_python, checkout):
    flags = ('--device', 'cpu', '--cfg-options', 'train_cfg.max_iters=2')
    command = [checkout / 'run_ablation.py', 'configs/baseline_alone.py', *flags]
    process = warm_python.start(command, environment_of(checkout), checkout)
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stdout + stderr
    return {path.parent.name: path.parents[1].name for path in checkout.glob('work_dirs/store/*/*/manifest.json')}


def apply(checkout, path, place, line, lines):
    target = checkout / path
    if place is None:
        assert not target.exists()
        target.write_text(lines)
        return
    text = target.read_text()
    (found,) = re.finditer(rf'^ *{re.escape(line)}.*\n', text, re.MULTILINE)
    at = found.start() if place == 'before' else found.end()
    target.write_text(text[:at] + lines + text[at:])


BEFORE_PREDICT = (
    ('benchmarks/kinds.py', 'before', "Kind('predict', "),
    ('benchmarks/plan/planner.py', 'before', "predict = make_stage('predict', owner, config, network, self"),
)


def at_another_place(change):
    """The same lines before the stage ``predict``, reading the checkpoint."""
    path, place, line, lines = change
    for other, side, neighbour in BEFORE_PREDICT:
        if path == other:
            return path, side, neighbour, lines.replace('(predict,)', 'network')
    return change


@pytest.mark.parametrize('place', ['as written', 'before predict'])
def test_a_stage_kind_is_added_by_the_steps_that_are_written_down(warm_python, finished, checkout, place):
    _, before = finished
    changes = list(edits())
    assert [path for path, *_ in changes] == [
        'benchmarks/kinds.py',
        'benchmarks/stages/audit.py',
        'benchmarks/plan/planner.py',
    ]
    for change in changes:
        apply(checkout, *(change if place == 'as written' else at_another_place(change)))
    (command,) = re.findall(r'^```bash\n(.*?)^```$', section(), re.MULTILINE | re.DOTALL)
    run(checkout, *command.split()[1:])
    run(checkout, '-m', 'pytest', '-q', '-n', '0', '-p', 'no:cacheprovider', 'tests/benchmarks/test_kinds.py')

    after = run_grid(warm_python, checkout)
    assert {key: after.get(key) for key in before} == before
    ((key, kind),) = after.items() - before.items()
    assert kind == 'audit'
    (record,) = checkout.glob('work_dirs/*/records/baseline__seed0.json')
    assert json.loads(record.read_text())['keys']['audit'] == key
    manifest = json.loads((checkout / 'work_dirs' / 'store' / kind / key / 'manifest.json').read_text())
    assert manifest['status'] == 'ok' and 'note.txt' in manifest['files']
