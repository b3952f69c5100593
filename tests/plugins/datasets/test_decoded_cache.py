"""Decoded images kept in shared memory: the same samples, in one process and in several."""

import os
import pickle

import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS, TRANSFORMS
from PIL import Image
from torch.utils.data import DataLoader

from plugins.datasets import paired  # noqa: F401 (registers PairedDataset)
from plugins.datasets.decoded_cache import DecodedCache
from plugins.datasets.paired import PairedSampler

SIZE, COUNT = (40, 56), 6


@pytest.fixture(autouse=True)
def mmseg_scope():
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    for kind in ('img', 'ann'):
        (tmp_path / kind).mkdir()
    for n in range(COUNT):
        Image.fromarray(rng.integers(0, 256, (*SIZE, 3), np.uint8)).save(tmp_path / 'img' / f'{n}.png')
        Image.fromarray(rng.integers(0, 4, SIZE, np.uint8)).save(tmp_path / 'ann' / f'{n}.png')
    return tmp_path


PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='RandomCrop', crop_size=(24, 32)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]


def config(root, **more):
    return dict(
        type='BaseSegDataset',
        data_root=str(root),
        img_suffix='.png',
        seg_map_suffix='.png',
        pipeline=PIPELINE,
        metainfo=dict(classes=('a', 'b', 'c'), palette=[[0, 0, 0]] * 3),
        data_prefix=dict(img_path='img', seg_map_path='ann'),
        serialize_data=False,
        reduce_zero_label=True,
        **more,
    )


def samples(dataset, number, workers=0):
    loader = DataLoader(
        dataset, batch_size=2, num_workers=workers, sampler=PairedSampler(dataset, seed=3), collate_fn=pseudo_collate
    )
    rest = iter(loader)
    found = [next(rest) for _ in range(number // 2)]
    return [
        (image, sample.gt_sem_seg.data, sample.metainfo)
        for batch in found
        for image, sample in zip(batch['inputs'], batch['data_samples'])
    ]


def assert_equal(some, others):
    assert len(some) == len(others) > 0
    for (image, truth, meta), (other_image, other_truth, other_meta) in zip(some, others):
        assert torch.equal(image, other_image) and torch.equal(truth, other_truth)
        assert repr(meta) == repr(other_meta)


def paired_with(dataset):
    return DATASETS.build(dict(type='PairedDataset', dataset=dataset))


@pytest.mark.parametrize(
    'wrapped',
    [
        lambda one: one,
        lambda one: dict(type='RepeatDataset', times=2, dataset=one),
        lambda one: dict(type='ConcatDataset', datasets=[one, one]),
    ],
)
@pytest.mark.parametrize('workers', [0, 2])
def test_samples_are_the_same_and_images_are_decoded_once(root, wrapped, workers):
    plain = samples(paired_with(wrapped(config(root))), 8 * COUNT, workers)
    cached = paired_with(dict(type='DecodedCache', dataset=wrapped(config(root)), max_gib=0.01))
    assert_equal(samples(cached, 8 * COUNT, workers), plain)
    decoded = cached.dataset.acted
    assert decoded > 5 * COUNT
    for path in (root / 'img').iterdir():
        path.unlink()  # nothing is read again, in no process
    assert_equal(samples(cached, 8 * COUNT, workers), plain)
    assert cached.dataset.acted >= decoded + 8 * COUNT


def test_a_sample_that_is_changed_in_place_leaves_what_is_kept_alone(root):
    cached = DecodedCache(config(root), max_gib=0.01)
    load = cached.dataset.pipeline.transforms[0]
    info = cached.get_data_info(1)
    first, expected = load(dict(info)), None
    expected = first['img'].copy(), first['gt_seg_map'].copy()
    first['img'][:] = 0
    for _ in range(2):
        again = load(cached.get_data_info(1))
        np.testing.assert_array_equal(again['img'], expected[0])
        np.testing.assert_array_equal(again['gt_seg_map'], expected[1])
        assert again['seg_fields'] == ['gt_seg_map']
        again['img'][:], again['gt_seg_map'][:] = 7, 7


def test_what_does_not_fit_is_decoded_each_time(root):
    room = 2.5 * 4 * SIZE[0] * SIZE[1] / 2**30  # two images with their masks, and half of one
    cached = paired_with(dict(type='DecodedCache', dataset=config(root), max_gib=room))
    plain = samples(paired_with(config(root)), 4 * COUNT)
    assert_equal(samples(cached, 4 * COUNT), plain)
    assert cached.dataset.acted == 3 * 2


def test_nothing_is_left_behind(root):
    before = set(os.listdir('/dev/shm')) if os.path.isdir('/dev/shm') else set()
    cached = DecodedCache(config(root), max_gib=0.01)
    cached[0]
    assert not os.path.isdir('/dev/shm') or set(os.listdir('/dev/shm')) - before == set()


def test_another_process_begins_with_nothing(root):
    cached = DecodedCache(config(root), max_gib=0.01)
    cached[0], cached[0]
    copy = pickle.loads(pickle.dumps(cached.dataset.pipeline.transforms[0]))
    assert copy.memory.hits.value == 0 and cached.acted == 1
    np.testing.assert_array_equal(
        copy(cached.get_data_info(0))['img'], cached.dataset.pipeline.transforms[0](cached.get_data_info(0))['img']
    )


@pytest.mark.parametrize(
    'more, said',
    [(dict(max_gib=0), 'max_gib'), (dict(dataset=dict(pipeline=[dict(type='RandomFlip', prob=0.5)])), 'begins with')],
)
def test_what_cannot_be_cached_is_refused(root, more, said):
    dataset = {**config(root), **more.pop('dataset', {})}
    with pytest.raises(ValueError, match=said):
        DecodedCache(dataset, **more)


def test_a_data_set_that_is_only_listed_has_nothing_to_keep(root):
    assert len(DecodedCache({**config(root), 'pipeline': []})) == COUNT


@TRANSFORMS.register_module(force=True)
class LoadArrayForCache(BaseTransform):
    """A loader of one's own, which counts."""

    calls = 0

    def transform(self, results):
        LoadArrayForCache.calls += 1
        image = np.load(results['img_path'])
        return dict(results, img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])


def test_a_loader_of_ones_own_is_cached_too(root):
    for path in (root / 'img').glob('*.png'):
        np.save(path.with_suffix('.npy'), np.asarray(Image.open(path)))
    own = dict(config(root), img_suffix='.npy', pipeline=[dict(type='LoadArrayForCache'), *PIPELINE[1:2], PIPELINE[-1]])
    dataset = DecodedCache(own)
    first, second = ([dataset[n]['inputs'] for n in range(COUNT)] for _ in range(2))
    assert LoadArrayForCache.calls == COUNT == dataset.acted
    assert all(torch.equal(one, other) for one, other in zip(first, second))
