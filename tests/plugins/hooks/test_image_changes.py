"""Which transforms change the image file, and what they make of it."""

import cv2
import numpy as np
import pytest
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

import plugins.transforms.corrupt  # noqa: F401
from plugins.hooks.image_changes import changed_image, image_changes


@TRANSFORMS.register_module(force=True)
class AddToBlue(BaseTransform):
    """Adds to the first channel, which is blue in mmcv's order."""

    changes_image_file = True

    def __init__(self, amount):
        self.amount = amount

    def transform(self, results):
        assert results['img_path'].endswith('.png') and results['img'].dtype == np.uint8
        assert results['img_shape'] == results['ori_shape'] == results['img'].shape[:2]
        image = results['img'].copy()
        image[..., 0] += self.amount
        return dict(results, img=image)


@TRANSFORMS.register_module(force=True)
class Shrink(AddToBlue):
    """Says that it changes pixels, but changes the size."""

    def transform(self, results):
        return dict(results, img=results['img'][::2])


@TRANSFORMS.register_module(force=True)
class NoteImage(BaseTransform):
    """Keeps what it gets."""

    changes_image_file = True
    got = None

    def transform(self, results):
        NoteImage.got = results['img']
        return results


@TRANSFORMS.register_module(force=True)
class LoadOddImage(BaseTransform):
    """Loads an image without being mmcv's transform."""

    def transform(self, results):
        return dict(results, img=np.zeros((6, 9, 2), np.uint8))


LOAD, PACK = dict(type='LoadImageFromFile'), dict(type='PackSegInputs')
BLUE, MORE = dict(type='AddToBlue', amount=5), dict(type='AddToBlue', amount=7)
GREY = dict(type='LoadImageFromFile', color_type='grayscale')


@pytest.mark.parametrize(
    'dataset, expected',
    [
        (dict(type='D', pipeline=[LOAD, PACK]), []),
        (dict(type='D', pipeline=[LOAD, BLUE, dict(type='Resize', scale=(4, 4)), MORE, PACK]), [LOAD, BLUE, MORE]),
        (dict(type='D', pipeline=[dict(type='LoadAnnotations'), GREY, BLUE]), [GREY, BLUE]),
        (dict(type='D', pipeline=[dict(type='LoadOddImage'), BLUE]), [dict(type='LoadOddImage'), BLUE]),
        (
            dict(type='Wrapper', dataset=dict(type='D', pipeline=[GREY, BLUE]), pipeline=[MORE, PACK]),
            [GREY, BLUE, MORE],
        ),
        (
            dict(type='A', dataset=dict(type='B', dataset=dict(type='D', pipeline=[GREY])), pipeline=[MORE]),
            [GREY, MORE],
        ),
        (dict(type='A', dataset=dict(type='B', dataset=dict(type='D', pipeline=[MORE]))), [LOAD, MORE]),
        (
            dict(
                type='Joined', datasets=[dict(type='D', pipeline=[GREY, BLUE]), dict(type='E', pipeline=[GREY, BLUE])]
            ),
            [GREY, BLUE],
        ),
        (dict(type='Joined', datasets=[dict(type='D', pipeline=[GREY]), dict(type='E', pipeline=[LOAD])]), []),
        (dict(type='D', pipeline=[LOAD, dict(type=AddToBlue, amount=5)]), [LOAD, dict(type=AddToBlue, amount=5)]),
        (dict(type='D'), []),
        (None, []),
    ],
)
def test_found_in_a_pipeline_and_in_wrapped_data_sets(dataset, expected):
    assert image_changes(dataset) == expected


@pytest.mark.parametrize(
    'first, second', [([LOAD, BLUE], [LOAD]), ([LOAD, BLUE], [LOAD, MORE]), ([LOAD, BLUE], [GREY, BLUE])]
)
def test_joined_data_sets_that_differ_are_refused(first, second):
    joined = dict(type='Joined', datasets=[dict(type='D', pipeline=first), dict(type='D', pipeline=second)])
    with pytest.raises(ValueError, match='joined by Joined change their images differently'):
        image_changes(joined)


@pytest.fixture
def file(tmp_path):
    image = np.random.default_rng(0).integers(0, 200, (6, 9, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / 'a.png'), image[..., ::-1])
    return str(tmp_path / 'a.png'), image


def built(*steps):
    return [TRANSFORMS.build(step) for step in steps]


def test_without_changes_it_is_the_file_in_rgb(file):
    path, image = file
    np.testing.assert_array_equal(changed_image(path, []), image)


def test_changes_run_in_order_on_bgr_and_the_result_is_rgb(file):
    path, image = file
    changed = changed_image(path, built(LOAD, BLUE, MORE))
    assert changed.dtype == np.uint8 and changed.flags.c_contiguous
    np.testing.assert_array_equal(changed[..., :2], image[..., :2])
    np.testing.assert_array_equal(changed[..., 2], image[..., 2] + 12)


def test_a_change_of_the_size_is_refused_by_name(file):
    with pytest.raises(ValueError, match=r'Shrink says .* gives uint8 \(3, 9, 3\) for uint8 \(6, 9, 3\)'):
        changed_image(file[0], built(LOAD, dict(type='Shrink', amount=0)))


@pytest.mark.parametrize(
    'load, shape',
    [
        (GREY, (6, 9)),
        (LOAD, (6, 9, 3)),
        (dict(LOAD, imdecode_backend='pillow'), (6, 9, 3)),
        (dict(LOAD, color_type='unchanged', imdecode_backend='pillow'), (6, 9, 3)),
    ],
)
def test_a_change_gets_the_image_that_the_pipeline_loads(file, load, shape):
    path, image = file
    found = changed_image(path, built(load, dict(type='NoteImage')))
    loaded = TRANSFORMS.build(load)(dict(img_path=path))['img']
    assert NoteImage.got.shape == shape and np.array_equal(NoteImage.got, loaded)
    assert found.shape == (6, 9, 3) and found.flags.c_contiguous
    np.testing.assert_array_equal(found, loaded[..., ::-1] if loaded.ndim == 3 else np.stack(3 * [loaded], axis=-1))


def test_noise_on_grey_images_is_the_networks_for_a_refinement(file):
    noise = dict(type='CorruptImage', kind='gaussian_noise', strength=1)
    path, _ = file
    seen = TRANSFORMS.build(noise)(TRANSFORMS.build(GREY)(dict(img_path=path)))['img']
    steps = image_changes(dict(type='D', pipeline=[GREY, noise, PACK]))
    np.testing.assert_array_equal(changed_image(path, built(*steps)), np.stack(3 * [seen], axis=-1))


def test_an_image_of_other_channels_is_refused(file):
    with pytest.raises(ValueError, match='an image of 2 channels'):
        changed_image(file[0], built(dict(type='LoadOddImage'), dict(type='NoteImage')))
