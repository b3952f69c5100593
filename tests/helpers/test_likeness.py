"""The likenesses hold what their names say."""

import likeness
import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope='module', params=['small_nuclei', 'real_nuclei'])
def source(request, tmp_path_factory):
    return getattr(likeness, request.param)(tmp_path_factory.mktemp('source'), per_split=4)


def masks(root, split='test'):
    return [np.array(Image.open(path)) for path in sorted((root / 'ann_dir' / split).iterdir())]


def images(root, split='test'):
    return [np.array(Image.open(path)) for path in sorted((root / 'img_dir' / split).iterdir())]


def test_gif_masks_hold_0_and_255(source, tmp_path):
    ours = masks(likeness.masks_of_0_and_255(source, tmp_path))
    assert all(set(np.unique(mask)) <= {0, 255} for mask in ours) and any(255 in mask for mask in ours)
    assert all(((mask == 255) == (before == 1)).all() for mask, before in zip(ours, masks(source)))
    assert {path.suffix for path in (tmp_path / 'ann_dir' / 'test').iterdir()} == {'.gif'}


def test_tiff_images_are_equal(source, tmp_path):
    likeness.tiff_images(source, tmp_path)
    assert {path.suffix for path in (tmp_path / 'img_dir' / 'test').iterdir()} == {'.tif'}
    assert all((one == two).all() for one, two in zip(images(tmp_path), images(source)))


def test_suffixes_take_turns(source, tmp_path):
    likeness.mixed_suffixes(source, tmp_path)
    for kind in ('img_dir', 'ann_dir'):
        assert [path.suffix for path in sorted((tmp_path / kind / 'train').iterdir())] == ['.png', '.PNG'] * 2


def test_a_void_rim_surrounds_objects(source, tmp_path):
    for ours, before in zip(masks(likeness.void_rim(source, tmp_path)), masks(source)):
        assert set(np.unique(ours)) <= {0, 1, 254}
        assert (ours == 254).any() == (before == 1).any()
        assert ((ours == before) | (ours == 254)).all()


def test_sixteen_bits_are_nearly_black_in_eight(source, tmp_path):
    for image in images(likeness.sixteen_bits(source, tmp_path)):
        assert image.dtype == np.uint16 and image.ndim == 2
        assert image.max() >> 8 < 16 and image.max() > 400


def test_frames_follow_each_other(source, tmp_path):
    likeness.video_frames(source, tmp_path)
    frames = images(tmp_path)
    assert len(frames) == 12
    assert 0 < abs(frames[0].astype(int) - frames[1]).mean() < 4  # grey levels
    another = images(source)[1]
    assert frames[0].shape != another.shape or abs(frames[0].astype(int) - another).mean() > 4


def test_a_split_lacks_a_class(source, tmp_path):
    likeness.class_that_a_split_lacks(source, tmp_path)
    assert any(2 in mask for mask in masks(tmp_path, 'train')) and not any(
        2 in mask for mask in masks(tmp_path, 'test')
    )
