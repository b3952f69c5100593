"""16-bit images that the default loader turns nearly black are pointed out, with the loader that reads them."""

import cv2
import likeness
import numpy as np
import pytest
from mmseg.registry import TRANSFORMS

from benchmarks.data.dark_images import dark_warnings
from benchmarks.data.file_facts import FileStore
from benchmarks.data.split import list_split

DEEP = dict(type='LoadImageFromFile', color_type='unchanged', to_float32=True)


@pytest.fixture(scope='module')
def deep(tmp_path_factory):
    """Images of 16 bits that use twelve."""
    nuclei = likeness.small_nuclei(tmp_path_factory.mktemp('nuclei'))
    root = tmp_path_factory.mktemp('deep')
    likeness.sixteen_bits(nuclei, root)
    return nuclei, root


def warnings(root, loader):
    config = dict(
        type='BaseSegDataset',
        data_root=str(root),
        data_prefix=dict(img_path='img_dir/train', seg_map_path='ann_dir/train'),
        img_suffix='.png',
        seg_map_suffix='.png',
        metainfo=dict(classes=('background', 'nucleus')),
        pipeline=[loader, dict(type='LoadAnnotations')],
    )
    return dark_warnings(list_split('train', config), config, FileStore())


def test_nearly_black_images_are_pointed_out_with_the_loader_that_reads_them(deep):
    nuclei, root = deep
    (text,) = warnings(root, dict(type='LoadImageFromFile'))
    path = sorted((root / 'img_dir' / 'train').glob('*.png'))[0]
    peak = max(cv2.imread(str(one), cv2.IMREAD_UNCHANGED).max() for one in (root / 'img_dir' / 'train').glob('*.png'))
    assert 'train data: 6 image(s) have 16 bits' in text and f'{peak}, becomes {peak >> 8} of 255' in text
    assert str(path) in text and "color_type='unchanged', to_float32=True" in text
    assert cv2.imread(str(path)).max() <= peak >> 8  # what the default loader makes of them


def test_the_recommended_loader_keeps_every_bit_and_is_not_warned_of(deep):
    _, root = deep
    path = str(sorted((root / 'img_dir' / 'train').glob('*.png'))[0])
    image = TRANSFORMS.build(DEEP)(dict(img_path=path))['img']
    np.testing.assert_array_equal(image, cv2.imread(path, cv2.IMREAD_UNCHANGED))
    assert warnings(root, DEEP) == []


def test_images_of_8_bits_and_of_full_range_are_not_warned_of(deep, tmp_path):
    nuclei, _ = deep
    assert warnings(nuclei, dict(type='LoadImageFromFile')) == []
    likeness.sixteen_bits(nuclei, tmp_path, factor=200)
    assert warnings(tmp_path, dict(type='LoadImageFromFile')) == []
