"""Validation images carved out of the training images: whole groups, and no row trains on them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.data.split import list_split
from benchmarks.errors import BadInput
from benchmarks.plan.grid import read_grid
from benchmarks.session.baseline import Baseline
from benchmarks.session.carving import with_carved_validation
from benchmarks.session.settings import Settings

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
GRID = "title = 'T'\nbaseline = 'b.py'\ndesigns = [dict(type='cumulative', techniques=[])]\n"


@pytest.fixture(scope='module')
def leaf(tmp_path_factory):
    """Six videos of two frames; those with an odd number show a pond."""
    root, rng = tmp_path_factory.mktemp('ponds'), np.random.default_rng(0)
    for number in range(12):
        mask = np.zeros((12, 16), np.uint8)
        mask[3:9, 4:12] = number // 2 % 2
        for kind, pixels in (('img', rng.integers(0, 256, (12, 16, 3), np.uint8)), ('ann', mask)):
            path = root / kind / f'v{number // 2}_{number % 2}.png'
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(pixels).save(path)
    return dict(
        type='BaseSegDataset',
        data_root=str(root),
        data_prefix=dict(img_path='img', seg_map_path='ann'),
        metainfo=dict(classes=('land', 'pond'), palette=[[0, 0, 0], [9, 9, 9]], background=0, group='(v.)_'),
        img_suffix='.png',
        seg_map_suffix='.png',
        pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')],
    )


def carved(dataset, share, folder):
    config = dict(custom_imports=dict(imports=[]), train_dataloader=dict(batch_size=2, dataset=dataset))
    return with_carved_validation(share, Baseline({}, {}, config, {}), Settings(folder, CONFIGS, 'cpu'))


def split(name, config, made):
    return list_split(name, config, imports=made.with_protocol['custom_imports']['imports'])


@pytest.mark.parametrize('share, videos', [(0.5, 3), (1 / 3, 2), (0.17, 1)])
def test_the_training_is_left_without_the_carved_groups(leaf, tmp_path, share, videos):
    made = carved(leaf, share, tmp_path)
    loader = made.with_protocol['train_dataloader']
    train, val = split('train', loader['dataset'], made), split('val', made.validation, made)
    assert len(val.images) == 2 * videos and len(set(val.groups)) == videos
    assert not set(train.groups) & set(val.groups) and len(train.images) + len(val.images) == 12
    assert (train.classes, train.background, val.grouped) == (('land', 'pond'), 0, True)
    assert loader['batch_size'] == 2 and loader['dataset']['pipeline'] == leaf['pipeline']
    assert f'{2 * videos} of 12 training images are carved out for validation' in made.notes[0]


def test_a_wrapper_around_the_training_data_stays(leaf, tmp_path):
    made = carved(dict(type='RepeatDataset', times=3, dataset=leaf), 0.5, tmp_path)
    dataset = made.with_protocol['train_dataloader']['dataset']
    assert (dataset['type'], dataset['times'], dataset['dataset']['type']) == ('RepeatDataset', 3, 'MergedSplits')


def test_the_same_images_are_carved_every_time(leaf, tmp_path):
    assert carved(leaf, 0.5, tmp_path).validation == carved(leaf, 0.5, tmp_path).validation


def test_images_are_carved_out_of_several_data_sets(leaf, tmp_path):
    """Each video is one data set of a concatenation."""
    parts = [
        dict(leaf, ann_file=str(tmp_path / f'{number}.txt'), metainfo=dict(leaf['metainfo'])) for number in range(6)
    ]
    for number, part in enumerate(parts):
        Path(part['ann_file']).write_text(f'v{number}_0\nv{number}_1\n')
    made = carved(
        dict(type='RepeatDataset', times=3, dataset=dict(type='ConcatDataset', datasets=parts)), 0.5, tmp_path
    )
    dataset = made.with_protocol['train_dataloader']['dataset']
    assert (dataset['type'], dataset['dataset']['type'], len(dataset['dataset']['sources'])) == (
        'RepeatDataset',
        'MergedSplits',
        6,
    )
    train, val = split('train', dataset, made), split('val', made.validation, made)
    whole = carved(leaf, 0.5, tmp_path)
    assert (train.names, val.names) == (
        split('train', whole.with_protocol['train_dataloader']['dataset'], whole).names,
        split('val', whole.validation, whole).names,
    )


def test_too_few_groups_and_repeated_data_sets_are_refused(leaf, tmp_path):
    with pytest.raises(BadInput, match=r'validation_share=0.1 takes one of 10 parts, but .* are 6 groups'):
        carved(leaf, 0.1, tmp_path)
    with pytest.raises(BadInput, match='validation_share: the train data list .* more than once'):
        carved(dict(type='ConcatDataset', datasets=[leaf, leaf]), 0.5, tmp_path)


@pytest.mark.parametrize(
    'field, message',
    [
        ('validation_share = 0', "'validation_share' is 0; give a share above 0 and up to 0.5"),
        ('validation_share = 0.9', "'validation_share' is 0.9; give a share"),
        ("validation_share = 'a fifth'", "'validation_share' is 'a fifth'; give a share of the training images"),
        ('validation_share = 0.2\nfolds = 5', "'validation_share' and 'folds' do not go together"),
    ],
)
def test_a_grid_asks_for_a_share_that_can_be_carved(tmp_path, field, message):
    path = tmp_path / 'grid.py'
    path.write_text(GRID + field + '\n')
    with pytest.raises(BadInput, match=message):
        read_grid(path)
