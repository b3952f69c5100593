"""Successive halving: which trials go on, and on how many images."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.stages.halving import FEWEST_IMAGES, image_order, rungs, survivors


def test_rungs_by_hand():
    assert rungs(20, 99, 3) == [(20, 11), (7, 33), (3, 99)]
    assert rungs(20, 99, 2) == [(20, 7), (10, 13), (5, 25), (3, 50), (2, 99)]
    assert rungs(20, 16, 2) == [(20, 4), (10, 8), (5, 16)]
    assert rungs(20, 7, 2) == [(20, 7)]  # too few images to start with a half
    assert rungs(3, 100, 4) == [(3, 100)]  # too few trials to drop three in four
    assert rungs(20, 99, None) == [(20, 99)]


@given(st.integers(2, 200), st.integers(1, 500), st.integers(2, 9))
def test_rungs_never_grow_in_trials_and_end_with_all_images(trials, images, factor):
    race = rungs(trials, images, factor)
    assert race[0][0] == trials and race[-1][1] == images
    assert race[0][1] >= min(FEWEST_IMAGES, images)
    assert all(2 <= after[0] <= before[0] and after[1] > before[1] for before, after in pairwise(race))
    # a race costs at most what all trials on all images cost
    assert sum(of * (upto - done) for (of, upto), done in zip(race, [0, *(n for _, n in race)])) <= trials * images


def test_the_values_of_the_file_and_the_best_others_go_on():
    assert survivors([1, 5, 3, 4], 2) == [0, 1] and survivors([1, 5, 3, 4], 3) == [0, 1, 3]
    assert survivors([9, 5, 3, 5], 2) == [0, 1]  # of equal scores the first
    assert survivors([1, math.nan, 0, math.nan], 2) == [0, 2] and survivors([math.nan, math.nan, 0], 2) == [0, 2]


@pytest.mark.parametrize('number', [1, 2, 30])
def test_the_order_of_images_is_a_permutation_and_always_the_same(number):
    assert sorted(image_order(number)) == list(range(number)) and image_order(number) == image_order(number)
    assert image_order(6) == [4, 3, 0, 1, 2, 5]
