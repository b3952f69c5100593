"""Parts of a training split: disjoint, complete, by whole groups, the same for all who carve alike."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.dataset import BaseDataset
from mmengine.registry import DefaultScope
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS
from PIL import Image

from plugins.datasets import paired  # noqa: F401 (registers PairedDataset)
from plugins.datasets.carved import LabelledPart, PseudoLabelled, UnlabelledPart, carve

CLASSES = ('background', 'disc')


@DATASETS.register_module()
class InPairs(BaseSegDataset):
    """Two images each are of one group."""

    def load_data_list(self):
        return [{**info, 'group': f'pair{n // 2}'} for n, info in enumerate(super().load_data_list())]


@DATASETS.register_module()
class FourImages(BaseDataset):
    """Images that are in no group."""

    def load_data_list(self):
        return [dict(img_path=f'{n}.png') for n in range(4)]


@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=12), fraction=st.floats(0.05, 0.95), seed=st.integers(0, 9)
)
@settings(max_examples=60, deadline=None)
def test_carving_takes_whole_groups_and_comes_near_the_fraction(sizes, fraction, seed):
    groups = [f'g{number}' for number, size in enumerate(sizes) for _ in range(size)]
    groups = [groups[n] for n in np.random.default_rng(seed + 1).permutation(len(groups))]
    chosen = carve(groups, fraction, seed)
    assert chosen.dtype == bool and chosen.any() and not chosen.all()
    inside = {group for group, one in zip(groups, chosen) if one}
    assert not inside & {group for group, one in zip(groups, chosen) if not one}
    nearest = abs(chosen.sum() - fraction * len(groups))
    # One group more or less would miss by more, unless it would leave a part empty.
    assert nearest <= max(sizes) / 2 or len(inside) in (1, len(sizes) - 1)
    renamed = carve([f'/elsewhere/{group}' for group in groups], fraction, seed)
    assert np.array_equal(chosen, renamed)


def test_another_seed_carves_another_part():
    parts = {tuple(carve([str(n) for n in range(10)], 0.5, seed)) for seed in range(5)}
    assert len(parts) == 5 and all(sum(part) == 5 for part in parts)


@pytest.mark.parametrize(
    'groups, fraction, said',
    [
        (['a', 'a'], 0.5, 'two groups'),
        ([], 0.5, 'two groups'),
        (['a', 'b'], 0, 'fraction'),
        (['a', 'b'], 1.0, 'fraction'),
    ],
)
def test_what_cannot_be_carved_is_refused(groups, fraction, said):
    with pytest.raises(ValueError, match=said):
        carve(groups, fraction, 0)


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """Ten pictures; mask n holds the class n % 2."""
    folder = tmp_path_factory.mktemp('carved')
    for kind in ('img', 'ann'):
        (folder / kind).mkdir()
    for n in range(10):
        Image.fromarray(np.full((6, 8, 3), 20 * n, np.uint8)).save(folder / 'img' / f'{n}.png')
        Image.fromarray(np.full((6, 8), n % 2, np.uint8)).save(folder / 'ann' / f'{n}.png')
    return folder


LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]


def config(root, kind='InPairs', serialize_data=False, **more):
    """Without packing its list, for which mmengine collects the whole process's garbage each time."""
    return dict(
        type=kind,
        data_root=str(root),
        img_suffix='.png',
        seg_map_suffix='.png',
        pipeline=LOAD,
        metainfo=dict(classes=CLASSES, palette=[[0, 0, 0], [9, 9, 9]]),
        data_prefix=dict(img_path='img', seg_map_path='ann'),
        serialize_data=serialize_data,
        **more,
    )


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield


def images(dataset):
    return [dataset.get_data_info(n)['img_path'].rpartition('/')[2] for n in range(len(dataset))]


def write_labels(dataset, value=1):
    for n in range(len(dataset)):
        path = dataset.get_data_info(n)['seg_map_path']
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((6, 8), value, np.uint8)).save(path)


def test_the_parts_are_disjoint_and_complete(root, tmp_path):
    options = dict(fraction=0.4, dataset=config(root))
    labelled, rest = LabelledPart(**options), UnlabelledPart(**options, label_dir=str(tmp_path / 'labels'))
    assert len(labelled) == 4 and len(rest) == 6
    assert sorted(images(labelled) + images(rest)) == [f'{n}.png' for n in range(10)]
    assert {int(name[0]) // 2 for name in images(labelled)}.isdisjoint(int(name[0]) // 2 for name in images(rest))
    write_labels(rest, 1)
    both = PseudoLabelled(**options, label_dir=str(tmp_path / 'labels'))
    assert images(both) == images(labelled) + images(rest)
    truth = [int(name[0]) % 2 for name in images(labelled)]
    found = [np.unique(both[n]['data_samples'].gt_sem_seg.data.numpy()).tolist() for n in range(10)]
    assert found == [[label] for label in truth] + [[1]] * 6
    assert [np.unique(labelled[n]['data_samples'].gt_sem_seg.data).tolist() for n in range(4)] == found[:4]


def test_no_true_mask_of_an_unlabelled_image_is_named(root, tmp_path):
    rest = UnlabelledPart(dataset=config(root), fraction=0.5, label_dir=str(tmp_path))
    assert all(rest.get_data_info(n)['seg_map_path'].startswith(str(tmp_path)) for n in range(len(rest)))
    nowhere = UnlabelledPart(dataset=config(root), fraction=0.5)
    assert {nowhere.get_data_info(n)['seg_map_path'] for n in range(len(nowhere))} == {''}


def test_a_student_without_labels_lists_the_labelled_part_and_gives_nothing(root):
    options = dict(fraction=0.5, dataset=config(root))
    student = PseudoLabelled(**options)
    assert images(student) == images(LabelledPart(**options))
    with pytest.raises(RuntimeError, match='no label_dir'):
        student[0]


def test_missing_label_files_are_named(root, tmp_path):
    options = dict(fraction=0.5, dataset=config(root), label_dir=str(tmp_path))
    rest = UnlabelledPart(**options)
    write_labels(rest)
    lost = rest.get_data_info(1)['seg_map_path']
    os.unlink(lost)
    with pytest.raises(FileNotFoundError, match=f'1 of {len(rest)} label files.*{lost}'):
        PseudoLabelled(**options)


@pytest.mark.parametrize(
    'wrapped, length',
    [
        (lambda one: dict(type='RepeatDataset', times=3, dataset=one), 15),
        (lambda one: dict(type='ConcatDataset', datasets=[one, one]), 10),
        (lambda one: dict(type='RepeatDataset', times=2, dataset=dict(type='ConcatDataset', datasets=[one, one])), 20),
        (lambda one: dict(type='MultiImageMixDataset', dataset=one, pipeline=[]), 5),
    ],
)
def test_wrappers_see_their_part_alone(root, tmp_path, wrapped, length):
    plain = config(root, 'BaseSegDataset')
    options = dict(dataset=wrapped(plain), fraction=0.5)
    chosen = set(images(LabelledPart(dataset=plain, fraction=0.5)))
    part = DATASETS.build(dict(type='LabelledPart', **options))
    assert len(part) == length
    seen = {part[n]['data_samples'].img_path.rpartition('/')[2] for n in range(len(part))}
    assert seen == chosen and len(seen) == 5
    assert part.metainfo['classes'] == CLASSES


def test_label_files_of_concatenated_data_sets_do_not_meet(root, tmp_path):
    twice = dict(type='ConcatDataset', datasets=[config(root)] * 2)
    options = dict(dataset=twice, fraction=0.5, label_dir=str(tmp_path))
    rest = UnlabelledPart(**options)
    files = [rest.get_data_info(n)['seg_map_path'] for n in range(len(rest))]
    assert len(set(files)) == len(files)
    write_labels(rest)
    assert len(PseudoLabelled(**options)) == 20


def test_labels_are_read_as_the_model_means_them(root, tmp_path):
    """A data set that drops label 0 takes 1 off a label file, too; one that uses some classes maps its masks alone."""
    dropped = config(root, reduce_zero_label=True)
    dropped['metainfo'] = dict(classes=('disc', 'other'), palette=[[0, 0, 0], [9, 9, 9]])
    rest = UnlabelledPart(dataset=dropped, fraction=0.5, label_dir=str(tmp_path / 'a'))
    assert rest.get_data_info(0)['reduce_zero_label'] is True
    write_labels(rest, 2)
    student = PseudoLabelled(dataset=dropped, fraction=0.5, label_dir=str(tmp_path / 'a'))
    assert np.unique(student[len(student) - 1]['data_samples'].gt_sem_seg.data).tolist() == [1]

    @DATASETS.register_module(force=True)
    class Swapped(BaseSegDataset):
        METAINFO = dict(classes=('disc', 'background'), palette=[[0, 0, 0], [9, 9, 9]])

    some = config(root, 'Swapped')
    write_labels(UnlabelledPart(dataset=some, fraction=0.5, label_dir=str(tmp_path / 'b')), 1)
    student = PseudoLabelled(dataset=some, fraction=0.5, label_dir=str(tmp_path / 'b'))
    assert np.unique(student[9]['data_samples'].gt_sem_seg.data).tolist() == [1]
    first = student.get_data_info(0)
    assert first['label_map'] == {0: 1, 1: 0} and student.get_data_info(9)['label_map'] is None


def test_parts_are_picklable_and_paired_data_sets_look_through_them(root):
    part = LabelledPart(dataset=config(root, serialize_data=True), fraction=0.5)
    assert images(part) == images(LabelledPart(dataset=config(root), fraction=0.5))
    assert images(pickle.loads(pickle.dumps(part))) == images(part)
    in_pairs = DATASETS.build(
        dict(type='PairedDataset', dataset=dict(type='LabelledPart', fraction=0.5, dataset=config(root)))
    )
    assert len(in_pairs) == len(part)
    assert type(part.dataset.pipeline.transforms[0]) is not type(in_pairs.dataset.dataset.pipeline.transforms[0])


def test_what_lists_no_images_is_refused(root):
    @DATASETS.register_module(force=True)
    class Bare:
        def __init__(self):
            pass

    with pytest.raises(TypeError, match='cannot carve Bare'):
        LabelledPart(dataset=dict(type='Bare'), fraction=0.5)


def test_groups_of_the_metainfo_alone_are_refused_instead_of_left_unread():
    dataset = dict(type='FourImages', metainfo=dict(group='(.)'), pipeline=[])
    with pytest.raises(ValueError, match="does not read those of metainfo's 'group'"):
        LabelledPart(dataset, fraction=0.5)
    assert len(LabelledPart(dict(type='FourImages', pipeline=[]), fraction=0.5)) == 2
