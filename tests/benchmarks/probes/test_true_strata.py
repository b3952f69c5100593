"""Strata of the truth: by hand, and equal to slow definitions on random maps."""

import numpy as np
import pytest
from scipy import ndimage

from benchmarks.data.strata import BINS, BOUNDARY, CONFIDENCE, CONFIDENT, OBJECT, VIEWS
from benchmarks.probes.true_strata import TrueStrata, confidence_of

VOID = 3


def counted(truth, pred, confidence=None, agree=None, num_classes=VOID):
    confidence = np.full(np.shape(truth), 65535, np.uint16) if confidence is None else confidence
    return TrueStrata(np.asarray(truth, np.uint8), num_classes).counts(np.asarray(pred), confidence, agree)


def test_two_objects_by_hand():
    truth, pred = np.zeros((12, 40), int), np.zeros((12, 40), int)
    truth[2:4, 2:4] = 1  # 4 pixels
    truth[4, 4] = 1  # and a fifth one, diagonally
    truth[2:10, 20:30] = 1  # 80 pixels
    pred[2:4, 2:4] = 1
    pred[2:10, 20:32] = 1  # 16 extra pixels beside the large one
    pred[0, 0] = 1  # and one near the small one
    found = counted(truth, pred).objects[1]
    assert found[2].tolist() == [1, 5, 4, 1] and found[6].tolist() == [1, 80, 80, 16]
    assert not found[[0, 1, 3, 4, 5, *range(7, 16)]].any()


def test_in_a_large_image_extra_pixels_count_for_the_nearest_object_by_steps_of_a_grid():
    truth = np.zeros((600, 900), int)  # steps of 3 pixels
    truth[100:110, 100:110] = 1
    truth[400:500, 700:800] = 1
    pred = truth.copy()
    pred[100:110, 110:150] = pred[480:520, 800:820] = pred[590:, 880:] = 1
    found = counted(truth, pred).objects[1]
    assert found[6].tolist() == [1, 100, 100, 400] and found[13].tolist() == [1, 10_000, 10_000, 800 + 200]


def test_extra_pixels_of_a_class_that_the_truth_lacks_count_for_no_object():
    truth = np.zeros((8, 8), int)
    found = counted(truth, truth + 1).objects
    assert found[0, 6].tolist() == [1, 64, 0, 0] and not found[1:].any()


@pytest.mark.parametrize('area, size', [(1, 0), (2, 1), (3, 1), (4, 2), (63, 5), (64, 6), (2**15 - 1, 14), (2**17, 15)])
def test_sizes_are_powers_of_two(area, size):
    truth = np.full((3, 2**17), 0)
    truth[1, :area] = 1
    found = counted(truth, truth).objects[1]
    assert found[size].tolist() == [1, area, area, 0] and found[:, 0].sum() == 1


def test_bands_by_hand():
    truth = np.zeros((3, 80), int)
    truth[:, 40:] = 1
    bands = counted(truth, truth).pixels[BOUNDARY]
    # On either side: the pixel at the boundary, one at 1 px, those at 2 and 3, 4 to 7, 8 to 15, 16 to 31, 32 to 39.
    assert (bands[:, 1] / 6).tolist() == [1, 1, 2, 4, 8, 16, 8] and not bands[:, 0].any()
    assert counted(truth * 0, truth).pixels[BOUNDARY].tolist() == [[0, 0]] * 6 + [[120, 120]]  # no boundary


def test_void_is_counted_nowhere_and_makes_no_boundary():
    truth = np.zeros((6, 20), int)
    truth[:, 10:] = VOID
    found = counted(truth, truth % VOID)
    assert found.pixels[BOUNDARY].sum() == found.objects[0, :, 1].sum() == 60
    assert found.pixels[BOUNDARY][-1, 1] == 60


def test_confidence_and_views():
    quantised = np.array([[[0, 39321, 65535], [65000, 30000, 65535]], [[65535, 26214, 0], [535, 35535, 0]]], np.uint16)
    labels = quantised.argmax(axis=0)
    truth = np.array([[1, 1, 0], [0, 1, 1]])
    agree = np.array([[1, 0, 1], [1, 0, 1]], bool)
    pixels = counted(truth, labels, confidence_of(quantised, labels), agree).pixels
    sure = np.zeros((BINS[CONFIDENT], 2), int)
    sure[7] = 1, 3  # 1.0 three times, one of them wrong, and 0.992
    sure[2, 0] = 1  # 0.6, wrong
    sure[1, 1] = 1  # 0.54
    assert np.array_equal(pixels[CONFIDENT], sure) and pixels[VIEWS].tolist() == [[1, 1], [1, 3]]
    assert VIEWS not in counted(truth, labels).pixels


def test_one_channel_has_the_confidence_of_its_label():
    quantised = np.array([[[0, 20000, 60000]]], np.uint16)
    assert confidence_of(quantised, np.array([[0, 1, 1]])).tolist() == [[65535, 20000, 60000]]
    assert CONFIDENCE[0] == 0.5  # below it a threshold has chosen the label


def by_definition(truth, pred, classes):
    """Counts of objects and bands, pixel by pixel."""
    objects = np.zeros((classes, BINS[OBJECT], 4), int)
    for label in range(classes):
        parts, number = ndimage.label(truth == label, np.ones((3, 3)))
        bins = [min(int(np.log2((parts == part).sum())), BINS[OBJECT] - 1) for part in range(1, number + 1)]
        for part, size in enumerate(bins, 1):
            inside = parts == part
            objects[label, size] += 1, inside.sum(), (inside & (pred == label)).sum(), 0
        distances = [ndimage.distance_transform_edt(parts != part) for part in range(1, number + 1)]
        for at in zip(*np.nonzero((pred == label) & (truth != label) & (truth < classes))) if number else ():
            objects[label, bins[int(np.argmin([distance[at] for distance in distances]))], 3] += 1
    return objects


@pytest.mark.parametrize('seed', range(4))
def test_random_maps_against_the_definition(seed):
    rng = np.random.default_rng(seed)
    truth = np.zeros((60, 70), int)
    for _ in range(6):  # boxes apart from one another, so that no two objects are equally near
        row, column = rng.integers(0, 50), rng.integers(0, 60)
        truth[row : row + rng.integers(1, 9), column : column + rng.integers(1, 9)] = rng.integers(1, 4)
    pred = np.where(rng.random(truth.shape) < 0.9, truth % VOID, rng.integers(0, 3, truth.shape))
    found, expected = counted(truth, pred).objects, by_definition(truth, pred, VOID)
    assert np.array_equal(found[..., :3], expected[..., :3])
    assert np.array_equal(found[..., 3].sum(axis=1), expected[..., 3].sum(axis=1))
    assert np.abs(found[..., 3] - expected[..., 3]).sum() <= 0.1 * expected[..., 3].sum()  # ties, and the 5×5 mask
    pixels = counted(truth, pred).pixels[BOUNDARY]
    assert pixels[:, 1].sum() == found[..., 2].sum() and pixels.sum() == (truth < VOID).sum()
