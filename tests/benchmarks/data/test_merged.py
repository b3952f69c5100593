"""Training and test images as one list: each file once, and only of splits that are read alike."""

from dataclasses import replace

import pytest

from benchmarks.data.file_facts import FileStore
from benchmarks.data.merged import labels_of, lone_leaf, merged, refuse_unlike, table_of
from benchmarks.errors import BadInput

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
AUGMENT = [dict(type='RandomCrop', crop_size=(4, 4)), dict(type='OwnAugmentation'), dict(type='PackSegInputs')]
CFG = dict(type='BaseSegDataset', pipeline=[*LOAD, *AUGMENT])
TEST_CFG = dict(type='BaseSegDataset', pipeline=[LOAD[0], dict(type='Resize', scale=(9, 9)), LOAD[1], AUGMENT[-1]])


@pytest.fixture
def splits(make_split):
    train = make_split('one', n=3, grouped=True, groups=['a', 'a', 'b'])
    return train, make_split('two', n=2, seed=1, name='test', grouped=True, groups=['b', 'c'])


def test_images_of_both_splits_keep_their_groups(splits):
    images = merged(*splits)
    assert [(one.source, one.place, one.group, one.unit) for one in images] == [
        (0, 0, 'a', 'a'),
        (0, 1, 'a', 'a'),
        (0, 2, 'b', 'b'),
        (1, 0, 'b', 'b'),
        (1, 1, 'c', 'c'),
    ]
    assert table_of(images).splitlines()[:2] == ['source,index,image,group', '0,0,0.png,a']


def test_images_without_groups_of_one_name_stay_two(splits):
    images = merged(*(replace(split, grouped=False) for split in splits))
    assert [one.unit for one in images] == ['train 0', 'train 1', 'train 2', 'test 0', 'test 1']
    assert {one.group for one in images} == {''}


def test_an_image_in_both_splits_counts_once(splits):
    train, test = splits
    assert len(merged(train, replace(train, name='test'))) == 3
    assert len(merged(train, test)) == 5


def test_two_files_of_one_name_are_refused(splits):
    train, test = splits
    twin = replace(test, images=[train.images[0].replace('.png', '.jpg'), test.images[1]])
    with pytest.raises(BadInput, match=r'2 images have the name of another one but for the suffix \(.*0\.jpg'):
        merged(train, twin)


def test_classes_are_those_that_the_loader_makes_of_the_masks(make_split):
    split = make_split(labels=((0, 1), (0, 255), (0, 2)), each=True, n=3, label_map={2: 1})
    assert labels_of(merged(split, split), (split, split), FileStore()) == [{0, 1}, {0}, {0, 1}]


def test_augmentation_and_sizes_may_differ(splits):
    refuse_unlike(*splits, CFG, TEST_CFG)


@pytest.mark.parametrize(
    ('change', 'culprit'),
    [
        (dict(classes=('a', 'c')), "classes is ('a', 'b') in training and ('a', 'c') in the test"),
        (dict(ignore_index=7), 'ignore_index is 255 in training and 7 in the test'),
        (dict(label_map={1: 0}), 'label_map is None in training and {1: 0} in the test'),
        (dict(reduce_zero_label=True), 'reduce_zero_label is False'),
        (dict(background=1), 'background is None in training and 1 in the test'),
        (dict(grouped=False), "the training data declare groups and the test data do not (metainfo's 'group')"),
    ],
)
def test_splits_that_are_read_otherwise_are_refused(splits, change, culprit):
    train, test = splits
    with pytest.raises(BadInput) as error:
        refuse_unlike(train, replace(test, **change), CFG, TEST_CFG)
    assert culprit in str(error.value) and 'take folds out of the grid' in str(error.value)


@pytest.mark.parametrize(
    ('cfg', 'culprit'),
    [
        (dict(TEST_CFG, type='Ponds'), 'the type is BaseSegDataset in training and Ponds in the test'),
        (
            dict(TEST_CFG, pipeline=[dict(type='LoadImageFromFile', to_float32=True), LOAD[1]]),
            "{'type': 'LoadImageFromFile'} stands in the pipeline of the training alone",
        ),
        (
            dict(TEST_CFG, pipeline=[*LOAD, dict(type='HalveLabels')]),
            "{'type': 'HalveLabels'} stands in the pipeline of the test alone",
        ),
    ],
)
def test_other_classes_of_data_sets_and_loading_steps_are_refused(splits, cfg, culprit):
    with pytest.raises(BadInput) as error:
        refuse_unlike(*splits, CFG, cfg)
    assert culprit in str(error.value)


def test_several_data_sets_are_refused():
    assert lone_leaf('train', dict(type='RepeatDataset', dataset=CFG)) == CFG
    with pytest.raises(BadInput, match='the train data are 2 data sets'):
        lone_leaf('train', dict(type='ConcatDataset', datasets=[CFG, CFG]))
