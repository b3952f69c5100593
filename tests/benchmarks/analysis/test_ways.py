import numpy as np
import pytest

from benchmarks.analysis.counts import CellCounts
from benchmarks.analysis.scores import SCORES, score
from benchmarks.analysis.ways import WAYS

FOREGROUND = np.array([1, 2])


def cell(area):
    """A cell of images x classes x (tp, fp, fn)."""
    area = np.array(area)
    nothing = np.full(area.shape[:2], 2.0)
    return CellCounts(area, area, area[..., :2], nothing, nothing)


# Image 1 shows class 1 alone; the network predicts a pixel of class 2 in it. Image 2 shows background alone.
THREE = cell(
    [[[80, 5, 5], [10, 5, 5], [5, 0, 0]], [[90, 0, 2], [8, 1, 0], [0, 1, 0]], [[100, 0, 0], [0, 0, 0], [0, 0, 0]]]
)


def scored(way, counts=THREE):
    return float(WAYS[way].finish(WAYS[way].addends(counts, FOREGROUND).sum(axis=0)))


@pytest.mark.parametrize(
    ('way', 'by_hand'),
    [
        ('Dice per image', ((2 / 3 + 1) / 2 + (16 / 17 + 0) / 2) / 2),
        ('Dice per image with absent classes as 100', ((2 / 3 + 1) / 2 + (16 / 17 + 0) / 2 + 1) / 3),
        ('Dice per image of the classes in the truth', ((2 / 3 + 1) / 2 + 16 / 17) / 2),
        ('Dice per image with background', ((160 / 170 + 2 / 3 + 1) / 3 + (180 / 182 + 16 / 17 + 0) / 3 + 1) / 3),
        ('Dice pooled over images', (36 / 47 + 10 / 11) / 2),
        ('Dice with background pooled over images', (540 / 552 + 36 / 47 + 10 / 11) / 3),
        ('Dice pooled over images and classes', 46 / 58),
        ('IoU per image', ((10 / 20 + 1) / 2 + (8 / 9 + 0) / 2) / 2),
        ('IoU pooled over images', (18 / 29 + 5 / 6) / 2),
        ('IoU with background pooled over images', (270 / 282 + 18 / 29 + 5 / 6) / 3),
        ('HD95', -0.02),
    ],
)
def test_ways_by_hand(way, by_hand):
    assert scored(way) == pytest.approx(100 * by_hand)


@pytest.mark.parametrize(
    ('way', 'name'),
    [('Dice per image', 'dice'), ('IoU with background pooled over images', 'miou'), ('boundary IoU', 'boundary_iou')],
)
def test_the_scores_of_the_tables_are_among_them(way, name):
    assert scored(way) == pytest.approx(score(name, THREE, FOREGROUND)) and name in SCORES


def test_nothing_to_score_is_undefined_by_each_way_that_leaves_absent_classes_out():
    empty = cell([[[100, 0, 0], [0, 0, 0], [0, 0, 0]]])
    defined = [way for way in WAYS if way not in ('HD95', 'ASSD') and not np.isnan(scored(way, empty))]
    assert defined == ['Dice per image with absent classes as 100', 'Dice per image with background']
