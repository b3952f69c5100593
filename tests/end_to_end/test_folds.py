"""A grid in folds from its file to its report, and one of its cells in mmsegmentation's own tools."""

import csv
import re
from pathlib import Path

import pytest
from mmengine.config import Config


@pytest.fixture(scope='module')
def folded(project, write_grid, tmp_path_factory):
    """The grid after its run, and what the run said."""
    grid = write_grid(tmp_path_factory.mktemp('folded'), ['tta_flips'])
    grid.path.write_text(grid.path.read_text() + '\nfolds = 2\n')
    return project.run(grid, '--cfg-options', 'train_cfg.max_iters=4'), grid


def trained_on(grid, cell):
    """The names of the images that the dumped config of a cell trains on."""
    dataset = Config.fromfile(grid.out / 'configs' / f'{cell}.py').train_dataloader.dataset
    while 'ann_file' not in dataset:
        dataset = dataset.dataset
    with open(dataset.ann_file, newline='') as stream:
        return [row['image'] for row in csv.DictReader(stream)]


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


def test_each_group_is_tested_by_networks_that_have_not_seen_it(project, write_grid, tmp_path):
    grid = write_grid(tmp_path, ['tta_flips'])
    grid.path.write_text(grid.path.read_text() + "\nfolds = 'leave_one_group_out'\n")
    # The first digit of a name; of 8 groups, 6 have an image in either split.
    baseline = grid.path.parent / 'baseline.py'
    baseline.write_text(baseline.read_text().replace('background=0)', "background=0, group=r'(\\d)')"))
    done = project.run(grid, '--cfg-options', 'train_cfg.max_iters=2')
    assert done.status == 0, done.said
    assert '16 cells, 8 trainings' in done.stdout

    tested: dict[str, set[str]] = {}
    for row in grid.counts():
        if row['cell'].startswith('baseline__'):
            tested.setdefault(row['cell'], set()).add(row['image'])
    assert sorted(len(images) for images in tested.values()) == [1, 1, 2, 2, 2, 2, 2, 2]
    groups = {cell: {Path(image).name[0] for image in images} for cell, images in tested.items()}
    assert sorted(groups.values(), key=min) == [{str(digit)} for digit in range(8)]
    for cell, held_out in groups.items():
        trained = {Path(image).name[0] for image in trained_on(grid, cell)}
        assert trained == set('01234567') - held_out
    assert [(row['stack'], row['n_images'], row['n_groups']) for row in grid.table()] == [
        ('baseline', '14', '8'),
        ('tta_flips', '14', '8'),
    ]
