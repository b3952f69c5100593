"""Errors have colours that all kinds of colour vision tell apart, and say what is right and wrong."""
# Linear RGB to what a dichromat sees: Viénot, Brettel and Mollon (1999) for protanopes and deuteranopes, and Brettel,
# Viénot and Mollon (1997), in one plane, for tritanopes.

from itertools import combinations

import numpy as np
import pytest

from benchmarks.data.panels import VOID
from benchmarks.reports.panels.colours import (
    ERROR_COLOURS,
    EXTRA,
    MISSED,
    NOT_SCORED,
    NOTHING,
    OTHER,
    RIGHT,
    class_colours,
    coloured_errors,
    coloured_labels,
    errors,
)

SEEN_BY = dict(
    all=np.eye(3),
    protanopes=np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]]),
    deuteranopes=np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]),
    tritanopes=np.array([[1, 0.1273, -0.1273], [0, 0.8739, 0.1261], [0, 0.8739, 0.1261]]),
)


def lab(colour, seen):
    """CIE L*a*b* (D65) of an sRGB colour, as somebody sees it."""
    channels = np.asarray(colour) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(
        seen @ linear, 0, 1
    )
    x, y, z = np.cbrt(xyz / [0.9505, 1, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize('who', SEEN_BY)
def test_all_kinds_of_colour_vision_tell_errors_apart(who):
    seen = {code: lab(colour, SEEN_BY[who]) for code, colour in ERROR_COLOURS.items()}
    nearest = min(np.linalg.norm(seen[a] - seen[b]) for a, b in combinations(seen, 2))
    assert nearest > 20  # just noticeable is 2.3


def test_red_and_green_would_fail():
    red, green = ((200, 60, 40), (110, 110, 30))
    assert np.linalg.norm(lab(red, SEEN_BY['all']) - lab(green, SEEN_BY['all'])) > 50
    assert np.linalg.norm(lab(red, SEEN_BY['deuteranopes']) - lab(green, SEEN_BY['deuteranopes'])) < 20


def test_right_too_much_missed_another_class_and_void():
    truth = np.array([[0, 0, 1, 1, 1, VOID]], np.uint8)
    labels = np.array([[0, 2, 1, 0, 2, 1]], np.uint8)
    assert errors(labels, truth, 0).tolist() == [[NOTHING, EXTRA, RIGHT, MISSED, OTHER, NOT_SCORED]]
    assert errors(labels, truth, None).tolist() == [[RIGHT, OTHER, RIGHT, OTHER, OTHER, NOT_SCORED]]


@pytest.mark.parametrize('n_classes', [2, 8, 16, 19, 60])
def test_no_two_classes_look_alike(n_classes):
    colours = class_colours(n_classes, 0)[:n_classes]
    assert len({tuple(colour) for colour in colours}) == n_classes


def test_void_has_stripes_in_truth_and_errors():
    labels = np.full((8, 8), VOID, np.uint8)
    for pixels in (coloured_labels(labels, class_colours(3, 0)), coloured_errors(np.full((8, 8), NOT_SCORED))):
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) == 2
