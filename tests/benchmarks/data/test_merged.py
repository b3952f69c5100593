"""Training and test images as one list: each file once, and only of splits that are read alike."""

from dataclasses import replace

import pytest

from benchmarks.data.file_facts import FileStore
from benchmarks.data.merged import CARVING, FOLDS, Source, labels_of, leaves_to_merge, merged, refuse_unlike, table_of
from benchmarks.errors import BadInput

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
AUGMENT = [dict(type='RandomCrop', crop_size=(4, 4)), dict(type='OwnAugmentation'), dict(type='PackSegInputs')]
CFG = dict(type='BaseSegDataset', pipeline=[*LOAD, *AUGMENT])
TEST_CFG = dict(type='BaseSegDataset', pipeline=[LOAD[0], dict(type='Resize', scale=(9, 9)), LOAD[1], AUGMENT[-1]])


def sources(splits, test_cfg=TEST_CFG):
    return [Source(*pair) for pair in zip(splits, (CFG, test_cfg))]


@pytest.fixture
def splits(make_split):
    train = make_split('one', n=3, grouped=True, groups=['a', 'a', 'b'])
    return train, make_split('two', n=2, seed=1, name='test', grouped=True, groups=['b', 'c'])


def test_images_of_both_splits_keep_their_groups(splits):
    images = merged(FOLDS, splits)
    assert [(one.source, one.place, one.group, one.unit) for one in images] == [
        (0, 0, 'a', 'a'),
        (0, 1, 'a', 'a'),
        (0, 2, 'b', 'b'),
        (1, 0, 'b', 'b'),
        (1, 1, 'c', 'c'),
    ]
    assert table_of(images).splitlines()[:2] == ['source,index,image,group', '0,0,0.png,a']


def test_images_without_groups_of_one_name_stay_two(splits):
    images = merged(FOLDS, [replace(split, grouped=False) for split in splits])
    assert [one.unit for one in images] == ['train 0', 'train 1', 'train 2', 'test 0', 'test 1']
    assert {one.group for one in images} == {''}


def test_an_image_in_both_splits_counts_once(splits):
    train, test = splits
    assert len(merged(FOLDS, [train, replace(train, name='test')])) == 3
    assert len(merged(FOLDS, [train, test])) == 5


def test_two_files_of_one_name_are_refused(splits):
    train, test = splits
    twin = replace(test, images=[train.images[0].replace('.png', '.jpg'), test.images[1]])
    with pytest.raises(BadInput, match=r'2 images have the name of another one but for the suffix \(.*0\.jpg'):
        merged(FOLDS, [train, twin])


def test_classes_are_those_that_the_loader_makes_of_the_masks(make_split):
    split = make_split(labels=((0, 1), (0, 255), (0, 2)), each=True, n=3, label_map={2: 1})
    assert labels_of(merged(FOLDS, [split]), [split], FileStore()) == [{0, 1}, {0}, {0, 1}]


def test_augmentation_and_sizes_may_differ(splits):
    refuse_unlike(FOLDS, sources(splits))


@pytest.mark.parametrize(
    ('change', 'culprit'),
    [
        (dict(classes=('a', 'c')), "classes is ('a', 'b') in training and ('a', 'c') in the test"),
        (dict(ignore_index=7), 'ignore_index is 255 in training and 7 in the test'),
        (dict(label_map={1: 0}), 'label_map is None in training and {1: 0} in the test'),
        (dict(reduce_zero_label=True), 'reduce_zero_label is False'),
        (dict(background=1), 'background is None in training and 1 in the test'),
        (dict(grouped=False), "groups are declared in training and not in the test (metainfo's 'group')"),
    ],
)
def test_splits_that_are_read_otherwise_are_refused(splits, change, culprit):
    train, test = splits
    with pytest.raises(BadInput) as error:
        refuse_unlike(FOLDS, sources((train, replace(test, **change))))
    assert culprit in str(error.value) and 'take folds out of the grid' in str(error.value)


@pytest.mark.parametrize(
    ('cfg', 'culprit'),
    [
        (dict(TEST_CFG, type='Ponds'), 'the type is BaseSegDataset in training and Ponds in the test'),
        (
            dict(TEST_CFG, pipeline=[dict(type='LoadImageFromFile', to_float32=True), LOAD[1]]),
            "{'type': 'LoadImageFromFile'} stands in the pipeline of training alone",
        ),
        (
            dict(TEST_CFG, pipeline=[*LOAD, dict(type='HalveLabels')]),
            "{'type': 'HalveLabels'} stands in the pipeline of the test alone",
        ),
    ],
)
def test_other_classes_of_data_sets_and_loading_steps_are_refused(splits, cfg, culprit):
    with pytest.raises(BadInput) as error:
        refuse_unlike(FOLDS, sources(splits, cfg))
    assert culprit in str(error.value)


# ---- concatenations


def concatenated(*leaves, **changes):
    return dict(type='ConcatDataset', datasets=list(leaves)) | changes


def test_the_data_sets_of_a_concatenation_are_merged():
    other = dict(CFG, data_root='elsewhere')
    assert leaves_to_merge(FOLDS, 'train', dict(type='RepeatDataset', dataset=CFG)) == [CFG]
    assert leaves_to_merge(FOLDS, 'train', concatenated(dict(type='RepeatDataset', dataset=CFG))) == [CFG]
    assert leaves_to_merge(FOLDS, 'train', dict(type='RepeatDataset', dataset=concatenated(CFG, other))) == [CFG, other]


@pytest.mark.parametrize(
    ('dataset', 'culprit'),
    [
        (concatenated(CFG, dict(type='RepeatDataset', dataset=CFG)), 'RepeatDataset stands around one of them alone'),
        (concatenated(CFG, CFG, type='Weighted'), 'Weighted joins them in a way of its own'),
        (
            concatenated(CFG, dict(CFG, pipeline=[*LOAD, dict(type='RandomFlip')])),
            "pipeline of data set 2 is not that of data set 1 (step 2: {'type': 'RandomFlip'}, not {'type': 'Random",
        ),
        (concatenated(CFG, dict(CFG, test_mode=True)), 'test_mode of data set 2 is not that of data set 1, so'),
        (concatenated(), 'ConcatDataset names none'),
    ],
)
def test_what_a_list_of_images_would_lose_is_refused(dataset, culprit):
    with pytest.raises(BadInput) as error:
        leaves_to_merge(CARVING, 'train', dataset)
    assert culprit in str(error.value) and str(error.value).startswith('validation_share: the train data are ')
    assert 'a ConcatDataset of data sets with one pipeline, or give val_dataloader' in str(error.value)


def test_images_of_one_name_in_two_data_sets_of_a_loader_are_two(make_split):
    one, two, test = (
        replace(make_split(name, n=2, seed=seed), name=loader)
        for seed, (name, loader) in enumerate([('a', 'train'), ('b', 'train'), ('c', 'test')])
    )
    images = merged(FOLDS, [one, two, test])
    assert [(image.source, image.place) for image in images] == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]
    assert len({image.unit for image in images}) == 6


def test_groups_of_one_name_in_two_data_sets_are_one(splits):
    images = merged(FOLDS, [splits[0], replace(splits[1], name='train')])
    assert [image.unit for image in images] == ['a', 'a', 'b', 'b', 'c']


def test_an_image_that_a_loader_repeats_is_refused(splits):
    train, test = splits
    again = replace(train, images=[train.images[0], *test.images], **{k: getattr(train, k) for k in ('masks', 'names')})
    for listed in ([train, train, test], [replace(train, images=[train.images[0]] * 3), test], [train, again]):
        with pytest.raises(BadInput, match=r'folds: the train data list .*0\.png more than once.*list each image once'):
            merged(FOLDS, listed)


def test_a_data_set_of_a_concatenation_that_is_read_otherwise_is_named(splits):
    train, test = splits
    parts = [Source(train, CFG, 1), Source(replace(train, ignore_index=7), CFG, 2), Source(test, TEST_CFG)]
    with pytest.raises(BadInput) as error:
        refuse_unlike(FOLDS, parts)
    assert 'ignore_index is 255 in data set 1 of training and 7 in data set 2 of training.' in str(error.value)
    with pytest.raises(BadInput, match=r'validation_share: .* Make them equal in train_dataloader.dataset, or give'):
        refuse_unlike(CARVING, parts[:2])
