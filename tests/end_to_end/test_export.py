"""A chosen stack in a folder of its own: the folder command, and mmseg's own test, give the labels of the grid."""

import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.data.split import list_split
from benchmarks.stacks.compose import load_config
from benchmarks.stages.facts import FactsTable, read_facts

FULL_STACK = 'cbam+focal_dice_boundary+multi_scale_small+flips_rot90+crf_cleanup'
ASKED = {'baseline__seed1': 'baseline__seed1', FULL_STACK: f'{FULL_STACK}__seed0'}


def warm(project, script, *arguments, cwd):
    return project.warm.start([str(project.root / script), *map(str, arguments)], project.environment, cwd)


@pytest.fixture(scope='module')
def exported(project, finished, driving, tmp_path_factory):
    """Each stack in a folder, and what the program said."""
    folder = tmp_path_factory.mktemp('exported')
    said = {}
    for number, name in enumerate(ASKED):
        grid = finished.path if number else finished.out  # the grid's file, and the folder of its records
        flags = ('--work-dir', finished.work_dir, '--export', name, '--out', folder / str(number))
        done = driving.finish(warm(project, 'run_ablation.py', grid, *flags, cwd=finished.path.parent))
        assert done.status == 0, done.said
        said[name] = folder / str(number), done.stdout
    return said


@pytest.fixture(scope='module')
def segmented(project, pictures, exported, driving, tmp_path_factory):
    """The folder of what the folder command makes of the test images with each stack."""
    out = tmp_path_factory.mktemp('segmented')
    for name, (folder, _) in exported.items():
        arguments = (folder, pictures / 'img' / 'test', '--out', out / folder.name, '--probabilities')
        done = driving.finish(warm(project, 'plugins/tools/segment_folder.py', *arguments, cwd=out))
        assert done.status == 0, done.said
        assert 'Traceback' not in done.said, name
    return {name: out / folder.name for name, (folder, _) in exported.items()}


@pytest.mark.parametrize('name', ASKED)
def test_config_and_weights_are_those_of_the_cell(exported, finished, name):
    folder, said = exported[name]
    cell = ASKED[name]
    manifest = json.loads((folder / 'manifest.json').read_text())
    assert said.startswith(f'{cell} → {folder}') and manifest['cell'] == cell
    assert (folder / 'config.py').read_bytes() == (finished.out / 'configs' / f'{cell}.py').read_bytes()
    weights, stored = (
        torch.load(path, weights_only=True)['state_dict']
        for path in (folder / 'checkpoint.pth', finished.store / 'train' / manifest['keys']['train'] / 'checkpoint.pth')
    )
    assert weights.keys() == stored.keys() and all(torch.equal(weights[key], stored[key]) for key in weights)
    assert manifest['network']['said'] in said


@pytest.mark.parametrize('name', ASKED)
def test_probabilities_are_the_stored_maps_bit_for_bit(segmented, finished, driving, name):
    stored = finished.store / 'predict' / finished.records()[ASKED[name]]['keys']['predict'] / 'maps'
    paths = sorted(stored.glob('*.npz'))
    assert len(paths) == 6
    for number, path in enumerate(paths):
        q = np.load(segmented[name] / 'probabilities' / f'{driving.stem(number)}.npz')['q']
        assert q.dtype == np.uint16 and np.array_equal(q, np.load(path)['q'])


def labels_of(folder, split):
    return [
        np.asarray(Image.open(folder / 'labels' / f'{name.rpartition("/")[2].partition(".")[0]}.png')) for name in split
    ]


@pytest.mark.parametrize('name', ASKED)
def test_label_maps_are_those_that_the_grid_has_scored(segmented, finished, driving, tmp_path, name):
    """Views, merge, refinements: the counts of the labels are those of the cell, of each image and class."""
    config, keys = load_config(finished.out / 'configs' / f'{ASKED[name]}.py'), finished.records()[ASKED[name]]['keys']
    split = list_split('test', config['test_dataloader']['dataset'])
    table = FactsTable(split, len(split.classes))
    labels = labels_of(segmented[name], split.images)
    for image, mask, predicted in zip(split.images, split.masks, labels):
        table.add(image, predicted, np.asarray(Image.open(mask)))
    table.write(tmp_path)
    kind = 'refine' if keys['refine'] else 'predict'
    assert list(read_facts(tmp_path)) == list(read_facts(finished.store / kind / keys[kind]))
    probabilities = [segmented[name] / 'probabilities' / f'{driving.stem(number)}.npz' for number in range(6)]
    unrefined = [np.load(path)['q'].argmax(axis=0) for path in probabilities]
    changed = sum(int((one != other).sum()) for one, other in zip(labels, unrefined))
    assert changed == (finished.records()[ASKED[name]]['changed_pixels'] or 0)
    assert bool(keys['refine']) == (changed > 0)


def test_mmsegs_own_test_gives_the_score_of_the_grid(project, exported, finished, driving, tmp_path):
    folder, _ = exported[FULL_STACK]
    done = driving.finish(
        project.mmseg_tool('test.py', folder / 'config.py', folder / 'checkpoint.pth', '--work-dir', tmp_path)
    )
    assert done.status == 0, done.said
    scores = []
    for label in ('0', '1'):
        rows = [row for row in finished.counts() if row['cell'] == ASKED[FULL_STACK] and row['class'] == label]
        tp, fp, fn = (sum(int(row[name]) for row in rows) for name in ('tp', 'fp', 'fn'))
        scores.append(100 * tp / (tp + fp + fn))
    assert float(re.findall(r'mIoU: +([\d.]+)', done.stdout)[-1]) == pytest.approx(sum(scores) / 2, abs=0.01)


def test_a_stack_that_is_not_there_is_refused(project, finished, driving, tmp_path):
    flags = ('--work-dir', finished.work_dir, '--export', 'cbm', '--out', tmp_path / 'x')
    done = driving.finish(warm(project, 'run_ablation.py', finished.path, *flags, cwd=tmp_path))
    assert done.status == 2 and "no row 'cbm'; did you mean 'cbam'" in done.stderr and not (tmp_path / 'x').exists()
