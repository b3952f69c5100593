"""A grid in folds from its file to its report, and one of its cells in mmsegmentation's own tools."""

import re

import pytest


@pytest.fixture(scope='module')
def folded(project, write_grid, tmp_path_factory):
    """The grid after its run, and what the run said."""
    grid = write_grid(tmp_path_factory.mktemp('folded'), ['tta_flips'])
    grid.path.write_text(grid.path.read_text() + '\nfolds = 2\n')
    return project.run(grid, '--cfg-options', 'train_cfg.max_iters=4'), grid


def test_each_image_is_tested_once_per_seed(folded):
    done, grid = folded
    assert done.status == 0, done.said
    assert 'fold 1: trains on 7 images' in done.stdout and '4 cells, 2 trainings' in done.stdout
    images = [row['image'] for row in grid.counts() if row['cell'].startswith('baseline__') and row['class'] == '0']
    assert len(images) == len(set(images)) == 14
    assert sorted(grid.records()) == [f'{stack}__seed0__fold{n}' for stack in ('baseline', 'tta_flips') for n in (0, 1)]
    assert [(row['stack'], row['status'], row['n_images']) for row in grid.table()] == [
        ('baseline', 'ok', '14'),
        ('tta_flips', 'ok', '14'),
    ]
    assert '## Folds and seeds' in (grid.out / 'report' / 'README.md').read_text()


def test_a_second_run_finds_all_of_it(folded, project):
    _, grid = folded
    said = project.run(grid, '--dry-run', '--cfg-options', 'train_cfg.max_iters=4').stdout
    assert '8 cached, 0 to run' in said


def test_its_dumped_config_runs_in_mmsegs_own_tool(folded, project, driving, tmp_path):
    _, grid = folded
    cell = 'baseline__seed0__fold1'
    checkpoint = grid.store / 'train' / grid.records()[cell]['keys']['train'] / 'checkpoint.pth'
    config = grid.out / 'configs' / f'{cell}.py'
    done = driving.finish(project.mmseg_tool('test.py', config, checkpoint, '--work-dir', tmp_path))
    assert done.status == 0, done.said
    of_cell = [row for row in grid.counts() if row['cell'] == cell]
    ious = []
    for label in ('0', '1'):
        tp, fp, fn = (sum(int(row[name]) for row in of_cell if row['class'] == label) for name in ('tp', 'fp', 'fn'))
        ious.append(100 * tp / (tp + fp + fn))
    assert float(re.findall(r'mIoU: +([\d.]+)', done.stdout)[-1]) == pytest.approx(sum(ious) / 2, abs=0.01)
