"""A step of one's own that converts labels decides what the masks hold."""

import likeness
import numpy as np
import pytest
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from benchmarks.data.file_facts import FileStore
from benchmarks.data.findings import findings
from benchmarks.data.own_loading import LoadedMasks, own_steps
from benchmarks.data.split import list_split
from benchmarks.stacks.plugin_code import PluginCode

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
PACK = dict(type='PackSegInputs')


@TRANSFORMS.register_module()
class FullScaleMask(BaseTransform):
    """255 becomes class 1."""

    def transform(self, results):
        mask = results['gt_seg_map']
        results['gt_seg_map'] = np.where(mask == 255, 1, mask)
        return results


@TRANSFORMS.register_module()
class BrokenStep(BaseTransform):
    def transform(self, results):
        raise ValueError('no such lesion')


def _config(root, *own):
    return dict(
        type='BaseSegDataset',
        data_root=str(root),
        data_prefix=dict(img_path='img_dir/train', seg_map_path='ann_dir/train'),
        img_suffix='.png',
        seg_map_suffix='.gif',
        metainfo=dict(classes=('background', 'vessel'), background=0),
        pipeline=[*LOAD, *own, PACK],
    )


@pytest.fixture(scope='module')
def retina(tmp_path_factory):
    nuclei = likeness.small_nuclei(tmp_path_factory.mktemp('nuclei'))
    root = tmp_path_factory.mktemp('retina')
    likeness.masks_of_0_and_255(nuclei, root)
    return root


def _loaded(config, files):
    split = list_split('train', config)
    loaded = LoadedMasks(split, config, files, (), PluginCode(()))
    return findings(loaded.split(), 2, loaded)


def test_masks_of_0_and_255_are_right_after_a_step_that_converts_them(retina, tmp_path):
    plain, converting = _config(retina), _config(retina, dict(type='FullScaleMask'))
    assert own_steps(plain) == []
    (error,) = findings(list_split('train', plain), 2, FileStore()).errors
    assert "class 1 'vessel' occurs in none of the 6 masks" in error
    found = _loaded(converting, FileStore(tmp_path))
    assert found.errors == [] and found.warnings == []
    assert found.card.classes[1].images == 6 and found.card.void_pixels == 0


def test_a_step_that_fails_is_named(retina):
    (error,) = _loaded(_config(retina, dict(type='BrokenStep')), FileStore()).errors
    assert '6 mask(s) cannot be used' in error and 'ValueError: no such lesion' in error


def test_steps_after_the_loading_are_left_out():
    crop, flip, convert = dict(type='RandomCrop'), dict(type='RandomFlip'), dict(type='mine.Convert')
    for before, kept in (
        ([*LOAD, crop, flip], []),
        ([*LOAD, convert, crop, dict(type='MyAugmentation')], [*LOAD, convert]),
        ([LOAD[0], dict(type='Resize'), LOAD[1], convert], [*LOAD, convert]),
        ([LOAD[0], dict(type='LoadMyMasks'), flip], [LOAD[0], dict(type='LoadMyMasks')]),
        ([dict(type='LoadMyImages'), LOAD[1], crop], [dict(type='LoadMyImages'), LOAD[1]]),
    ):
        wrapped = dict(type='RepeatDataset', times=2, dataset=dict(type='BaseSegDataset', pipeline=[*before, PACK]))
        assert own_steps(wrapped) == kept
