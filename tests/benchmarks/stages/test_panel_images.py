"""Any image becomes one that can be shown; labels that are not those of the record are not shown."""

import numpy as np
import pytest

from benchmarks.data.panels import VOID
from benchmarks.stages import panel_images
from benchmarks.stages.panel_images import areas, eight_bits, resized, smaller
from benchmarks.stages.wanted_panels import Side, Wanted


def test_a_grey_image_stays_as_it_is():
    grey = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
    assert np.array_equal(eight_bits(grey), grey[0])
    assert np.array_equal(eight_bits(np.repeat(grey, 3, axis=0)), grey[0])


def test_mmcv_loads_colours_as_bgr():
    blue = np.zeros((3, 2, 2), np.uint8)
    blue[0] = 200
    assert np.array_equal(eight_bits(blue)[0, 0], [0, 0, 200])
    assert np.array_equal(eight_bits(blue, is_rgb=True)[0, 0], [200, 0, 0])


@pytest.mark.parametrize('kind', [np.uint16, np.float32, np.int16])
def test_more_than_8_bits_are_stretched(kind):
    packed = np.linspace(100, 30000, 10000).reshape(1, 100, 100).astype(kind)
    shown = eight_bits(packed)
    assert shown.dtype == np.uint8 and shown.min() == 0 and shown.max() == 255
    assert (np.diff(shown.reshape(-1).astype(int)) >= 0).all()
    assert eight_bits(np.full((1, 2, 2), 7, kind)).max() == 0


def test_of_other_numbers_of_channels_the_first_is_shown():
    packed = np.random.default_rng(0).integers(0, 256, (5, 4, 4)).astype(np.uint8)
    assert np.array_equal(eight_bits(packed), packed[0])


def test_an_image_gets_the_size_of_its_truth():
    pixels = np.array([[1, 2], [3, 4]], np.uint8)
    assert np.array_equal(resized(pixels, (4, 4)), pixels.repeat(2, axis=0).repeat(2, axis=1))
    assert np.array_equal(resized(resized(pixels, (6, 8)), (2, 2)), pixels)
    assert resized(np.zeros((5, 7, 3), np.uint8), (10, 3)).shape == (10, 3, 3)


def test_large_images_are_thinned_out():
    assert np.array_equal(smaller(np.arange(9).reshape(3, 3), 3), [[4]])
    assert np.array_equal(smaller(np.arange(4).reshape(2, 2), 1), np.arange(4).reshape(2, 2))


def test_areas_leave_void_out():
    truth, labels = np.array([[0, 1, 1, VOID]], np.uint8), np.array([[1, 1, 0, 1]], np.uint8)
    assert areas(labels, truth, 2) == [(0, 1, 1), (1, 1, 1)]


class FakeTest:
    """Predicts everything right; its truth has two classes."""

    def __init__(self, tested, folder):
        self.map = np.eye(4, dtype=np.uint8)

    def labels(self, image):
        return self.map

    truth = picture = labels


@pytest.mark.parametrize('recorded, kept', [([(12, 0, 0), (4, 0, 0)], 1), ([(11, 0, 0), (4, 0, 1)], 0)])
def test_labels_that_are_not_those_of_the_record_are_not_shown(tmp_path, monkeypatch, recorded, kept):
    monkeypatch.setattr(panel_images, '_Test', FakeTest)
    facts = dict(stack='b', reference='baseline', seed=0, image='one', rule='median', dice=100.0, reference_dice=100.0)
    right = Side('baseline__seed0', {}, {}, [(12, 0, 0), (4, 0, 0)])
    complaints = panel_images.make_panels([Wanted(facts, Side('b__seed0', {}, {}, recorded), right)], tmp_path)
    assert len(list(tmp_path.rglob('truth.png'))) == kept
    assert complaints == ([] if kept else ['one of b__seed0 is predicted otherwise than it was recorded'])
