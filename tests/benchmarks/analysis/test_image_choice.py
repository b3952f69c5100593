"""Test images are chosen by a rule."""

import numpy as np

from benchmarks.analysis.image_choice import chosen_images


def test_the_extremes_and_the_median():
    assert chosen_images([1.0, -3.0, 0.5, 4.0, -1.0]) == [('largest gain', 3), ('largest loss', 1), ('median', 2)]


def test_of_equal_differences_the_first_image_is_taken():
    assert chosen_images([2.0, 2.0, -1.0, -1.0]) == [('largest gain', 0), ('largest loss', 2), ('median', 3)]


def test_without_a_loss_there_is_no_image_of_one():
    assert chosen_images([1.0, 2.0, 3.0]) == [('largest gain', 2), ('median', 1)]
    assert chosen_images([0.0, 0.0, 0.0]) == [('median', 1)]


def test_an_image_is_shown_once():
    assert chosen_images([-2.0]) == [('largest loss', 0)]
    assert chosen_images([-1.0, 1.0]) == [('largest gain', 1), ('largest loss', 0)]


def test_undefined_differences_are_passed_over():
    assert chosen_images([np.nan, 1.0, np.nan]) == [('largest gain', 1)]
    assert chosen_images([np.nan]) == [] == chosen_images([])
