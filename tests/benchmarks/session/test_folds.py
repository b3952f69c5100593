"""Folds in the place of a baseline's data: tables, configs, and the data of every fold."""

import csv
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from benchmarks.data.folds import LEAVE_ONE_GROUP_OUT
from benchmarks.errors import BadInput
from benchmarks.session.baseline import Baseline
from benchmarks.session.data_summary import show_data
from benchmarks.session.fold_data import fold_lines, list_folds, with_numbers
from benchmarks.session.folds import with_folds
from benchmarks.session.settings import Settings
from benchmarks.session.stacks import Stacks
from benchmarks.stacks.plugin_code import PluginCode

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]


def draw(root, dry=(5, 8), train=6, test=3):
    """Videos of two frames, six for training and three for the test; dry ones show no pond."""
    rng = np.random.default_rng(0)
    for split, videos in (('train', range(train)), ('test', range(train, train + test))):
        for video in videos:
            for frame in range(2):
                mask = np.zeros((12, 16), np.uint8)
                mask[3:9, 4:12] = video not in dry
                image = rng.integers(0, 256, (12, 16, 3), np.uint8)
                for kind, pixels in (('img', image), ('ann', mask)):
                    path = root / kind / split / f'v{video}_{frame}.png'
                    path.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(pixels).save(path)
    return root


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    return draw(tmp_path_factory.mktemp('ponds'))


def config_of(root, test=None, group='(v.)_'):
    leaf = dict(
        type='BaseSegDataset',
        data_root=str(root),
        metainfo=dict(classes=('land', 'pond'), palette=[[0, 0, 0], [9, 9, 9]], background=0),
        img_suffix='.png',
        seg_map_suffix='.png',
    )
    if group:
        leaf['metainfo']['group'] = group
    loaders = {
        f'{split}_dataloader': dict(
            batch_size=1,
            dataset=dict(
                **leaf,
                data_prefix=dict(img_path=f'img/{split}', seg_map_path=f'ann/{split}'),
                pipeline=[*LOAD, dict(type='PackSegInputs')],
            ),
        )
        for split in ('train', 'test')
    }
    loaders['test_dataloader']['dataset'].update(test or {})
    return dict(custom_imports=dict(imports=[]), model=dict(decode_head=dict(num_classes=2)), **loaders)


@pytest.fixture
def fold(pictures, tmp_path):
    """The first fold's config, and all folds."""

    def fold(folds, work_dir=tmp_path, **changes):
        settings = Settings(work_dir, CONFIGS, 'cpu')
        baseline = Baseline({}, {}, config_of(pictures, **changes), {})
        made, folds = with_folds(folds, baseline, settings)
        return made, folds

    return fold


def tables(config):
    return [config[f'{name}_dataloader']['dataset']['ann_file'] for name in ('train', 'test')]


def rows(path):
    with open(path, newline='') as stream:
        return [(row['image'], row['group']) for row in csv.DictReader(stream)]


def listed(baseline, folds, cache):
    config = baseline.with_protocol
    stacks = Stacks(SimpleNamespace(stacks=[()]), {}, {}, {(): config}, {(): config}, PluginCode(()), None, None)
    return list_folds(folds, stacks, baseline, cache)


def test_each_image_is_tested_once_and_never_trained_on_where_it_is_tested(fold):
    baseline, folds = fold(3)
    tested = []
    for one in folds:
        train, test = map(rows, tables(one.config(baseline.with_protocol)))
        assert not {group for _, group in train} & {group for _, group in test}
        assert len(train) + len(test) == 18
        tested += test
    assert len(tested) == len(set(tested)) == 18


def test_the_config_holds_merged_data_sets_and_nothing_else_changes(fold, pictures):
    baseline, folds = fold(3)
    before, after = config_of(pictures), baseline.with_protocol
    for name in ('train', 'test'):
        dataset = after[f'{name}_dataloader']['dataset']
        assert dataset['type'] == 'MergedSplits'
        assert dataset['pipeline'] == before[f'{name}_dataloader']['dataset']['pipeline']
        assert [source['data_prefix']['img_path'] for source in dataset['sources']] == ['img/train', 'img/test']
        assert after[f'{name}_dataloader']['batch_size'] == 1
    assert after['custom_imports']['imports'] == ['plugins.datasets.merged_splits']
    assert folds[0].config(after) == after and folds[1].config(after) != after


def test_a_wrapper_of_the_training_data_stays(fold, pictures, tmp_path):
    config = config_of(pictures)
    config['train_dataloader']['dataset'] = dict(
        type='RepeatDataset', times=2, dataset=config['train_dataloader']['dataset']
    )
    made, _ = with_folds(3, Baseline({}, {}, config, {}), Settings(tmp_path, CONFIGS, 'cpu'))
    dataset = made.with_protocol['train_dataloader']['dataset']
    assert (dataset['type'], dataset['times'], dataset['dataset']['type']) == ('RepeatDataset', 2, 'MergedSplits')


def test_a_concatenation_is_merged_as_the_data_set_that_holds_its_images(fold, pictures, tmp_path):
    """Two data sets for training and two for the test: the images of each fold are those of one data set of each."""
    config = config_of(pictures)
    for name, videos in (('train', (range(4), range(4, 6))), ('test', (range(6, 7), range(7, 9)))):
        loader = config[f'{name}_dataloader']
        parts = []
        for number, part in enumerate(videos):
            names = tmp_path / f'{name}{number}.txt'
            names.write_text(''.join(f'v{video}_{frame}\n' for video in part for frame in range(2)))
            parts.append(dict(loader['dataset'], ann_file=str(names)))
        loader['dataset'] = dict(type='ConcatDataset', datasets=parts)
    made, folds = with_folds(3, Baseline({}, {}, config, {}), Settings(tmp_path, CONFIGS, 'cpu'))
    whole, same_folds = fold(3)
    for one, same in zip(folds, same_folds, strict=True):
        ours, theirs = one.config(made.with_protocol), same.config(whole.with_protocol)
        assert [rows(path) for path in tables(ours)] == [rows(path) for path in tables(theirs)]
        assert [len(ours[f'{name}_dataloader']['dataset']['sources']) for name in ('train', 'test')] == [4, 4]
    found, wanted = (listed(baseline, of, tmp_path / 'cache') for baseline, of in ((made, folds), (whole, same_folds)))
    for (train, test), (same_train, same_test) in zip(found.folds, wanted.folds, strict=True):
        assert (train.split.images, test.split.images) == (same_train.split.images, same_test.split.images)
        assert (train.fingerprint, test.fingerprint) == (same_train.fingerprint, same_test.fingerprint)


def test_tables_are_named_by_content(fold, tmp_path):
    one, other = (fold(3, work_dir=tmp_path / name)[0].with_protocol for name in 'ab')
    assert [Path(path).name for path in tables(one)] == [Path(path).name for path in tables(other)]
    assert tables(one) != tables(other)


def test_the_data_of_every_fold_are_checked_and_told(fold, tmp_path, capsys):
    baseline, folds = fold(3)
    data = listed(baseline, folds, tmp_path / 'cache')
    assert [(len(train.split.images), len(test.split.images)) for train, test in data.folds] == [(12, 6)] * 3
    names = [name for _, test in data.folds for name in test.split.names]
    assert len(set(names)) == 18 and 'train/v0_0' in names and 'test/v6_1' in names
    for one in folds:
        for loader in ('train', 'test'):
            data.of(one.config(baseline.with_protocol)[f'{loader}_dataloader']['dataset'])
    assert len({test.fingerprint for _, test in data.folds}) == 3
    line = fold_lines(data)[0]
    assert line.startswith('fold 0: trains on 12 images in 6 groups (rarest class: ')
    assert ', tests 6 images in 3 groups (rarest class: ' in line
    show_data(data)
    assert 'fold 0, train: 12 images, 6 groups' in capsys.readouterr().out


def test_a_test_without_a_class_is_no_fault_of_a_fold(tmp_path):
    root = draw(tmp_path / 'few', dry=(1,), train=2, test=1)
    baseline = Baseline({}, {}, config_of(root), {})
    made, folds = with_folds(LEAVE_ONE_GROUP_OUT, baseline, Settings(tmp_path, CONFIGS, 'cpu'))
    data = listed(made, folds, tmp_path / 'cache')
    assert len(data.folds) == 3 and fold_lines(data)[1].endswith('tests 2 images in 1 group (without pond)')
    assert not any('one group' in text or 'pond' in text for text in data.warnings)


def test_images_without_groups_are_dealt_out_alone(fold, tmp_path):
    baseline, folds = fold(2, group=None)
    data = listed(baseline, folds, tmp_path / 'cache')
    assert {len(test.split.images) for _, test in data.folds} == {9}
    assert not data.test.split.grouped


def test_a_fault_of_one_fold_names_it(tmp_path):
    root = draw(tmp_path / 'rare', dry=range(1, 9))
    made, folds = with_folds(3, Baseline({}, {}, config_of(root), {}), Settings(tmp_path, CONFIGS, 'cpu'))
    with pytest.raises(BadInput) as error:
        listed(made, folds, tmp_path / 'cache')
    (line,) = str(error.value).splitlines()
    assert re.match(r"fold \d: train data: class 1 'pond' occurs in none of the 12 masks", line)


def test_sentences_on_all_folds_stand_once():
    assert with_numbers([['a', 'b'], ['a'], ['a', 'c']]) == ['a', 'fold 0: b', 'fold 2: c']


def test_splits_that_cannot_be_merged_are_refused_before_anything_is_written(fold, tmp_path):
    with pytest.raises(BadInput, match='ignore_index is 255 in training and 7 in the test'):
        fold(3, test=dict(ignore_index=7))
    with pytest.raises(BadInput, match='folds=12, but the training and test images together are 9 groups'):
        fold(12)
    assert not (tmp_path / 'folds').exists()
