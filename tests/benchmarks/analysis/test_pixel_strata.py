"""Scores within strata of objects and pixels by hand, and thirds of images without regression to the mean."""

import numpy as np
import pytest

from benchmarks.analysis.pixel_strata import (
    BOUNDARY_CUTS,
    BOUNDARY_NAMES,
    CONFIDENT_CUTS,
    CONFIDENT_NAMES,
    SURE_NAMES,
    disagreement,
    object_cuts,
    object_names,
    object_scores,
    pixel_scores,
    strata_of,
    thirds_of_images,
    unsure,
)
from benchmarks.analysis.strata import gain_in
from benchmarks.analysis.strata_counts import CellStrata
from benchmarks.data.strata import BINS, BOUNDARY, CONFIDENT, OBJECT, VIEWS

FOREGROUND = np.array([1, 2])


def empty(images=2):
    pixels = {by: np.zeros((images, BINS[by], 2), int) for by in (BOUNDARY, CONFIDENT, VIEWS)}
    return CellStrata(np.zeros((images, 3, BINS[OBJECT], 4), int), pixels)


def test_the_dice_of_objects_by_hand():
    cell = empty()
    cell.objects[0, 1, 2] = 1, 5, 4, 1
    cell.objects[0, 1, 3] = 1, 8, 8, 0
    cell.objects[0, 1, 9] = 2, 1300, 0, 700
    cell.objects[1, 2, 9] = 1, 600, 600, 0
    cell.objects[1, 0, 0] = 1, 1, 1, 0  # the background is no unit
    scores = object_scores(cell, FOREGROUND, [0, 6])
    assert scores.shape == (2, 4)
    assert scores[0, :2].tolist() == [pytest.approx(200 * 12 / (12 + 13 + 1)), 0]
    assert np.isnan(scores[0, 2:]).all() and scores[1, 3] == 100 and np.isnan(scores[1, :3]).all()
    small, large = strata_of(scores, object_names([0, 6]))
    assert small.name == 'objects under 64 px' and small.mask.tolist() == [[True, False, False, False], [False] * 4]
    assert large.mask.tolist() == [[False, True, False, False], [False, False, False, True]]


def test_sizes_are_cut_into_thirds_of_the_units():
    cell = empty(30)
    for image in range(30):
        cell.objects[image, 1, 2 + image // 5] = 1, 9, 9, 0  # five units in each of six bins
    cuts = object_cuts(cell, FOREGROUND)
    assert cuts == [0, 4, 6]
    names = ['objects under 16 px', 'objects of 16 to 63 px', 'objects of 64 px and more']
    assert object_names(cuts) == names
    cell.objects[:, :, [2, 3, 4, 6, 7]] = 0
    assert object_cuts(cell, FOREGROUND) == [0] and object_names([0]) == ['objects of 1 px and more']


def test_the_share_of_right_pixels_by_hand():
    cell = empty()
    cell.pixels[BOUNDARY][0, :3] = [(10, 5), (10, 10), (4, 1)]
    found = pixel_scores(cell, BOUNDARY, BOUNDARY_CUTS)
    np.testing.assert_equal(found, [[75, 25, np.nan], [np.nan] * 3])
    assert [stratum.mask[0].tolist() for stratum in strata_of(found, BOUNDARY_NAMES)][0] == [True, False, False]
    assert len(BOUNDARY_CUTS) == len(BOUNDARY_NAMES) and len(CONFIDENT_CUTS) == len(CONFIDENT_NAMES)
    assert CONFIDENT_NAMES[1] == 'pixels with a confidence of 60 to 80 %'


def test_numbers_of_images_by_hand():
    cell = empty()
    cell.pixels[CONFIDENT][0] = [(0, 0), (6, 0), (0, 0), (0, 0), (1, 1), (3, 3), (0, 0), (10, 9)]
    cell.pixels[VIEWS][0] = [(5, 1), (15, 15)]
    assert unsure(cell).tolist() == [0.35, 0] and disagreement(cell).tolist() == [0.25, 0]


def test_thirds_begin_with_the_largest_numbers_and_ties_stay_together():
    units = np.ones((6, 1), bool)
    values = np.array([[5, 1, 4, 2, 6, 3]])
    first, middle, last = thirds_of_images(values, units, SURE_NAMES, own=True)
    assert np.flatnonzero(first.mask[0, :, 0]).tolist() == [0, 4] and np.flatnonzero(last.mask[0]).tolist() == [1, 3]
    assert thirds_of_images(values, units, SURE_NAMES, own=False) == []
    tied = thirds_of_images(np.zeros((1, 6)), units, SURE_NAMES, own=True)
    assert [stratum.name for stratum in tied] == [SURE_NAMES[0]]  # one stratum, which is no answer to "when"
    units[4] = False
    assert not any(stratum.mask[:, 4].any() for stratum in thirds_of_images(values, units, SURE_NAMES, own=True))


def test_what_chance_makes_unsure_is_no_gain_where_trainings_differ():
    """A training that is bad on an image by chance is unsure of it; another one is not, and seems to gain there."""
    groups, naive, crossed = np.repeat(np.arange(8), 6), [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        images = rng.normal(75, 4, (48, 1))
        reference, technique = (images + rng.normal(0, 3, (3, 48, 1)) for _ in range(2))
        doubt = -reference[..., 0] + rng.normal(0, 1, (3, 48))
        for found, own in ((naive, True), (crossed, False)):
            hard = thirds_of_images(doubt, np.ones((48, 1), bool), SURE_NAMES, own=own)[0].mask
            found.append(float(gain_in(technique - reference, hard, groups).value))
    assert np.mean(naive) > 1.5 and np.mean(crossed) == pytest.approx(0, abs=0.15)
