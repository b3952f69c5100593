"""A step of one's own that converts labels decides what the masks hold."""

import likeness
import numpy as np
import pytest
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS
from PIL import Image

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


@TRANSFORMS.register_module()
class LoadStoredArray(BaseTransform):
    """A loader of one's own: the array beside the image file."""

    def transform(self, results):
        image = np.load(results['img_path'] + '.npy')
        return dict(results, img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])


@pytest.fixture(scope='module')
def photographs(tmp_path_factory):
    """Images of 30×50 pixels whose EXIF tag turns them, masks of 30×50, and the images as arrays beside them."""
    root = tmp_path_factory.mktemp('photographs')
    turned = Image.Exif()
    turned[0x0112] = 6
    for kind in ('img_dir', 'ann_dir'):
        (root / kind / 'train').mkdir(parents=True)
    for number in range(3):
        image = np.full((30, 50, 3), 60 * number, np.uint8)
        Image.fromarray(image).save(root / 'img_dir' / 'train' / f'{number}.jpg', exif=turned)
        np.save(root / 'img_dir' / 'train' / f'{number}.jpg.npy', image)
        Image.fromarray(image[..., 0] * 0 + (np.arange(50) > 25).astype(np.uint8)).save(
            root / 'ann_dir' / 'train' / f'{number}.gif'
        )
    return root


@pytest.mark.parametrize(
    'loader, fits',
    [
        (dict(type='LoadImageFromFile'), False),
        (dict(type='LoadImageFromFile', color_type='color_ignore_orientation'), True),
        (dict(type='LoadImageFromFile', color_type='unchanged'), True),
        (dict(type='LoadStoredArray'), True),
    ],
)
def test_the_size_of_an_image_is_that_which_its_own_loader_gives(photographs, loader, fits):
    config = {**_config(photographs), 'img_suffix': '.jpg', 'pipeline': [loader, LOAD[1], PACK]}
    assert bool(own_steps(config)) == fits
    if not fits:
        found = findings(list_split('train', config), 2, FileStore())
        assert 'another size than their image' in found.errors[0]
    else:
        assert not _loaded(config, FileStore()).errors
