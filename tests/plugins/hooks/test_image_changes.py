"""Which transforms change the image file, and what they make of it."""

import cv2
import numpy as np
import pytest
from mmcv.transforms import BaseTransform
from mmseg.registry import DATASETS, TRANSFORMS
from PIL import Image

import plugins.transforms.corrupt  # noqa: F401
from plugins.hooks.image_changes import InfosByPath, SeenImages, changed_image, image_changes


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
        (dict(type='D', pipeline=[LOAD, PACK]), [LOAD]),
        (dict(type='D', pipeline=[GREY, PACK]), [GREY]),
        (dict(type='D', pipeline=[dict(type='LoadAnnotations'), dict(type='ArrayFile'), LOAD, PACK]), [LOAD]),
        (
            dict(type='D', pipeline=[dict(type='LoadAnnotations'), dict(type='ArrayFile'), PACK]),
            [dict(type='ArrayFile')],
        ),
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
        (dict(type='Joined', datasets=[dict(type='D', pipeline=[GREY]), dict(type='E', pipeline=[GREY])]), [GREY]),
        (dict(type='D', pipeline=[LOAD, dict(type=AddToBlue, amount=5)]), [LOAD, dict(type=AddToBlue, amount=5)]),
        (dict(type='D'), [LOAD]),
        (None, [LOAD]),
    ],
)
def test_found_in_a_pipeline_and_in_wrapped_data_sets(dataset, expected):
    assert image_changes(dataset) == expected


@pytest.mark.parametrize(
    'first, second',
    [([LOAD, BLUE], [LOAD]), ([LOAD, BLUE], [LOAD, MORE]), ([LOAD, BLUE], [GREY, BLUE]), ([LOAD], [GREY])],
)
def test_joined_data_sets_that_differ_are_refused(first, second):
    joined = dict(type='Joined', datasets=[dict(type='D', pipeline=first), dict(type='D', pipeline=second)])
    with pytest.raises(ValueError, match='joined by Joined load or change their images differently'):
        image_changes(joined)


@pytest.fixture
def file(tmp_path):
    image = np.random.default_rng(0).integers(0, 200, (6, 9, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / 'a.png'), image[..., ::-1])
    return str(tmp_path / 'a.png'), image


def built(*steps):
    return [TRANSFORMS.build(step) for step in steps]


def pictures(*steps):
    return SeenImages(dict(type='D', pipeline=[*steps, PACK]))


def test_without_changes_it_is_the_file_in_rgb(file):
    path, image = file
    for images in (SeenImages(), pictures(LOAD)):
        np.testing.assert_array_equal(images.read(path), image)


def test_changes_run_in_order_on_bgr_and_the_result_is_rgb(file):
    path, image = file
    changed = pictures(LOAD, BLUE, MORE).read(path)
    assert changed.dtype == np.uint8 and changed.flags.c_contiguous
    np.testing.assert_array_equal(changed[..., :2], image[..., :2])
    np.testing.assert_array_equal(changed[..., 2], image[..., 2] + 12)


def test_a_change_of_the_size_is_refused_by_name(file):
    with pytest.raises(ValueError, match=r'Shrink says .* gives uint8 \(3, 9, 3\) for uint8 \(6, 9, 3\)'):
        pictures(LOAD, dict(type='Shrink', amount=0)).read(file[0])


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
    found = pictures(load, dict(type='NoteImage')).read(path)
    loaded = TRANSFORMS.build(load)(dict(img_path=path))['img']
    assert NoteImage.got.shape == shape and np.array_equal(NoteImage.got, loaded)
    assert found.shape == (6, 9, 3) and found.flags.c_contiguous
    np.testing.assert_array_equal(found, loaded[..., ::-1] if loaded.ndim == 3 else np.stack(3 * [loaded], axis=-1))


def test_noise_on_grey_images_is_the_networks_for_a_refinement(file):
    noise = dict(type='CorruptImage', kind='gaussian_noise', strength=1)
    path, _ = file
    seen = TRANSFORMS.build(noise)(TRANSFORMS.build(GREY)(dict(img_path=path)))['img']
    np.testing.assert_array_equal(pictures(GREY, noise).read(path), np.stack(3 * [seen], axis=-1))


def test_an_image_of_other_channels_is_refused(file):
    with pytest.raises(ValueError, match='LoadOddImage gives an image of 6×9×2 values, which has 2 channels'):
        pictures(dict(type='LoadOddImage')).read(file[0])


def test_a_photograph_is_not_turned_where_the_loader_does_not_turn_it(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = str(tmp_path / 'a.jpg')
    Image.fromarray(np.zeros((30, 50, 3), np.uint8)).save(path, exif=exif)
    as_stored = dict(LOAD, color_type='color_ignore_orientation')
    assert pictures(as_stored).read(path).shape == (30, 50, 3)
    assert pictures(LOAD).read(path).shape == (50, 30, 3)


def test_sixteen_bits_are_seen_in_their_own_range(tmp_path):
    path = str(tmp_path / 'a.png')
    deep = np.linspace(1424, 2592, 54).astype(np.uint16).reshape(6, 9)
    cv2.imwrite(path, deep)
    seen = pictures(dict(LOAD, color_type='unchanged')).read(path)
    assert seen.min() == 0 and seen.max() == 255 and len(np.unique(seen)) > 50
    np.testing.assert_array_equal(pictures(dict(LOAD, color_type='unchanged', to_float32=True)).read(path), seen)


@TRANSFORMS.register_module(force=True)
class ArrayFile(BaseTransform):
    """Loads an array of numpy, which needs more of the data info than the path of an image."""

    def transform(self, results):
        image = np.load(results['array_path'])
        return dict(results, img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])


class Listed:
    """A data set of one array, which counts how often it is asked."""

    def __init__(self, info):
        self.info, self.asked = info, 0

    def __len__(self):
        return 1

    def get_data_info(self, index):
        self.asked += 1
        return dict(self.info)


def test_a_loader_of_ones_own_gets_the_data_info_of_the_image(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    np.save(tmp_path / 'a.npy', array)
    listed = Listed(dict(img_path='a.img', array_path=str(tmp_path / 'a.npy')))
    images = SeenImages(dict(type='D', pipeline=[dict(type='ArrayFile'), PACK]), InfosByPath(lambda: listed))
    assert listed.asked == 0
    np.testing.assert_array_equal(images.read('a.img'), array[..., ::-1])


def test_a_first_transform_that_loads_nothing_is_named(file):
    with pytest.raises(ValueError, match='RandomFlip, the first transform of the test pipeline, loads no image'):
        changed_image(dict(img_path=file[0]), built(dict(type='RandomFlip', prob=0.0)))


@DATASETS.register_module(force=True)
class OneImage:
    """A data set of one image, of the path that it is given."""

    def __init__(self, path, pipeline):
        self.path = path

    def __len__(self):
        return 1

    def get_data_info(self, index):
        return dict(img_path=self.path)


@pytest.mark.parametrize('loader, refused', [(LOAD, False), (GREY, False), (dict(type='LoadOddImage'), True)])
def test_an_image_without_colours_is_refused_before_the_test(file, loader, refused):
    images = SeenImages(dict(type='OneImage', path=file[0], pipeline=[loader, PACK]))
    if refused:
        with pytest.raises(ValueError, match='needs_image'):
            images.check()
    else:
        images.check()
    SeenImages(dict(type='OneImage', path='absent.png', pipeline=[LOAD, PACK])).check()  # the check of files names it
