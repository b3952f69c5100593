"""Which stages a change reruns: exactly those that it can change."""

import os
import re
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

STEP = re.compile(r'^  (train|predict|refine|profile) +(\d+) × (.*)$', re.MULTILINE)
FOUND = re.compile(r'^  (?:train|predict|refine|profile) +(\d+) found: ', re.MULTILINE)
ALL = 25
EXPECTED = {
    'the data lies elsewhere': ({}, ''),
    'one train image': (dict(train=8, predict=10, refine=2), 'data train'),
    'one test image': (dict(predict=10, refine=2, profile=5), 'data predict'),
    'how often to log': ({}, ''),
    'one line that the loss calls': (dict(train=4, predict=6, refine=2), 'code plugins.losses.dice'),
    'one line of a refinement': (dict(refine=2, profile=1), 'code plugins.refine.morphology'),
    'comments and docstrings': ({}, ''),
}


@pytest.fixture(scope='module')
def plans(project, finished, pictures, driving, tmp_path_factory):
    """What a dry run says after each change."""
    folder = tmp_path_factory.mktemp('changed')

    def data(name, change=None):
        root = folder / name
        shutil.copytree(pictures, root)
        if change:
            pixels = np.array(Image.open(root / change))
            pixels[5, 7] ^= 1
            Image.fromarray(pixels).save(root / change)
        driving.age(root)
        return project, ('--data-root', str(root))

    def code(name, *edits):
        (folder / name).mkdir()
        copy = project.copy(folder / name)
        for edit in edits:
            copy.edit(*edit)
        return copy, ()

    cases = {
        'the data lies elsewhere': data('moved'),
        'one train image': data('train', f'img/train/{driving.stem(3)}.png'),
        'one test image': data('test', f'img/test/{driving.stem(2)}.png'),
        'how often to log': (project, ('--cfg-options', 'default_hooks.logger.interval=1', 'log_level=WARNING')),
        'one line that the loss calls': code('loss', LOSS_LINE),
        'one line of a refinement': code('refinement', REFINEMENT_LINE),
        'comments and docstrings': code('comments', *COMMENTS),
    }
    with ThreadPoolExecutor(2) as pool:
        runs = {
            name: pool.submit(checkout.run, finished, '--dry-run', *flags) for name, (checkout, flags) in cases.items()
        }
    return {name: run.result() for name, run in runs.items()}


LOSS_LINE = ('plugins/losses/dice.py', '\ndef weighted_dice_loss(', '\nEXTRA = 1\n\n\ndef weighted_dice_loss(')
REFINEMENT_LINE = ('plugins/refine/morphology.py', 'margin = len(disk)', 'margin = 1 + len(disk)')
COMMENTS = (
    ('plugins/losses/dice.py', '\ndef weighted_dice_loss(', '\n# A remark.\n\n\ndef weighted_dice_loss('),
    ('plugins/refine/morphology.py', '"""Binary opening or closing', '"""Opening or closing'),
)


@pytest.mark.parametrize('change', EXPECTED)
def test_a_change_reruns_what_depends_on_it(plans, change):
    expected, reason = EXPECTED[change]
    plan = plans[change]
    assert plan.status == 0, plan.said
    planned, reasons = Counter(), []
    for kind, number, why in STEP.findall(plan.stdout):
        planned[kind] += int(number)
        reasons.append(why)
    assert planned == expected
    total = sum(expected.values())
    assert f'{ALL - total} cached, {total} to run' in plan.stdout
    assert reason in ' '.join(reasons)
    found = sum(int(number) for number in FOUND.findall(plan.stdout))
    assert found == ALL - total


@pytest.fixture(scope='module')
def again(project, uninterrupted, tmp_path_factory):
    """A finished grid in a place of its own, whose records and report were made there."""
    grid = uninterrupted.moved(tmp_path_factory.mktemp('again') / 'work')
    assert project.run(grid).status == 0
    return grid


def stamps(grid):
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in grid.out.rglob('*') if path.is_file()}


@pytest.fixture
def watched(project, tmp_path):
    """A checkout whose commands say at their end what they have imported."""
    watched = type(project)(project.root)
    watched.environment['PYTHONPATH'] = os.pathsep.join([str(tmp_path), watched.environment['PYTHONPATH']])
    (tmp_path / 'sitecustomize.py').write_text(
        'import atexit, sys\n'
        'if "-c" not in sys.orig_argv:\n'  # the server that stages are forked from imports them on purpose
        '    atexit.register(lambda: print("imported:", *sorted({"torch", "mmseg", "pandas", "matplotlib", "scipy"} & '
        '{*sys.modules}), file=sys.stderr))\n'
    )
    return watched


def test_a_finished_grid_run_again_writes_nothing_and_imports_no_framework(watched, again):
    before = stamps(again)
    done = watched.run(again)
    assert done.status == 0 and '# Discs' in done.stdout and f'report: {again.out}/report/README.md' in done.stdout
    assert f'page: {again.out}/report/index.html' in done.stdout
    assert done.stderr.splitlines()[-1] == 'imported:'
    assert stamps(again) == before


def test_checking_a_new_grid_imports_frameworks_beside_the_command_only(watched, again, write_grid, tmp_path):
    new = write_grid(tmp_path / 'grids', ('cbam', 'fill_holes'), name='new')._replace(work_dir=again.work_dir)
    done = watched.run(new, '--dry-run')
    # What the seeds can show is computed from earlier records.
    assert done.status == 0 and done.stderr.splitlines()[-1] == 'imported: pandas scipy', done.said
    done = watched.run(new, '--dry-run', '--cfg-options', 'model.backbone.base_chanels=3')
    assert done.status == 2 and 'base_channels' in done.stderr, done.said
    assert done.stderr.splitlines()[-1] == 'imported:'
    # What cannot be planned either is told by the check.
    done = watched.run(new, '--dry-run', '--cfg-options', 'model.decode_head=FCNHead')
    assert done.status == 2 and '\nerror: ' in f'\n{done.stderr}' and 'Traceback' not in done.stderr, done.said


@pytest.mark.parametrize('file', ['report/table.csv', 'report/README.md', 'records/baseline__seed0.json', 'grid.json'])
def test_what_was_spoilt_of_a_finished_grid_is_made_anew(project, again, file):
    before = {path: path.read_bytes() for path in stamps(again)}
    (again.out / file).write_text('spoilt')
    assert project.run(again).status == 0
    assert {path: path.read_bytes() for path in stamps(again)} == before


def test_another_grid_of_the_work_dir_finds_the_stages_that_it_shares(project, again, write_grid, tmp_path):
    second = write_grid(tmp_path, ('cbam', 'flips_rot90'), name='second', design='each_alone')
    said = project.run(second._replace(work_dir=again.work_dir), '--dry-run').stdout
    assert '\n3 cells, 2 trainings, 2 inference passes; by hand: 3 trainings, 3 tests\n' in said
    assert '6 cached, 2 to run' in said and '  train     2 found: baseline__seed0, cbam__seed0\n' in said
    assert '  predict   1 × not run yet: flips_rot90__seed0\n' in said and '  profile   1 × not run yet' in said


def test_garbage_is_what_no_record_refers_to_even_where_the_work_dir_was_moved(project, again):
    number = len(again.manifests())
    assert f'{number} results, ' in project.run(again, '--collect-garbage').stdout
    assert len(again.manifests()) == number
    shutil.rmtree(again.out)
    said = project.run(again, '--collect-garbage', '--dry-run').stdout
    assert '0 results would be left, 0 B' in said and len(again.manifests()) == number
    assert '0 results left, 0 B' in project.run(again, '--collect-garbage').stdout and again.manifests() == {}


def test_looking_changes_nothing(plans, finished):
    assert len(finished.manifests()) == ALL
    assert list((finished.store / 'running').iterdir()) == []
