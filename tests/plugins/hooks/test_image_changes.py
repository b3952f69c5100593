"""Which transforms change the image file, and what they make of it."""
import cv2
import numpy as np
import pytest
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

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


LOAD, PACK = dict(type='LoadImageFromFile'), dict(type='PackSegInputs')
BLUE, MORE = dict(type='AddToBlue', amount=5), dict(type='AddToBlue', amount=7)


@pytest.mark.parametrize('dataset, expected', [
    (dict(type='D', pipeline=[LOAD, PACK]), []),
    (dict(type='D', pipeline=[LOAD, BLUE, dict(type='Resize', scale=(4, 4)), MORE, PACK]), [BLUE, MORE]),
    (dict(type='Wrapper', dataset=dict(type='D', pipeline=[LOAD, BLUE]), pipeline=[MORE, PACK]), [BLUE, MORE]),
    (dict(type='A', dataset=dict(type='B', dataset=dict(type='D', pipeline=[MORE]))), [MORE]),
    (dict(type='Joined', datasets=[dict(type='D', pipeline=[LOAD, BLUE]), dict(type='E', pipeline=[BLUE])]), [BLUE]),
    (dict(type='D', pipeline=[dict(type=AddToBlue, amount=5)]), [dict(type=AddToBlue, amount=5)]),
    (dict(type='D'), []),
    (None, []),
])
def test_found_in_a_pipeline_and_in_wrapped_data_sets(dataset, expected):
    assert image_changes(dataset) == expected


def test_joined_data_sets_that_differ_are_refused():
    joined = dict(type='Joined', datasets=[dict(type='D', pipeline=[BLUE]), dict(type='D', pipeline=[LOAD])])
    with pytest.raises(ValueError, match='joined by Joined change their images differently'):
        image_changes(joined)


@pytest.fixture
def file(tmp_path):
    image = np.random.default_rng(0).integers(0, 200, (6, 9, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / 'a.png'), image[..., ::-1])
    return str(tmp_path / 'a.png'), image


def test_without_changes_it_is_the_file_in_rgb(file):
    path, image = file
    np.testing.assert_array_equal(changed_image(path, []), image)


def test_changes_run_in_order_on_bgr_and_the_result_is_rgb(file):
    path, image = file
    changed = changed_image(path, [AddToBlue(5), AddToBlue(7)])
    assert changed.dtype == np.uint8 and changed.flags.c_contiguous
    np.testing.assert_array_equal(changed[..., :2], image[..., :2])
    np.testing.assert_array_equal(changed[..., 2], image[..., 2] + 12)


def test_a_change_of_the_size_is_refused_by_name(file):
    with pytest.raises(ValueError, match=r'Shrink says .* gives uint8 \(3, 9, 3\) for uint8 \(6, 9, 3\)'):
        changed_image(file[0], [Shrink(0)])
