"""A training that went otherwise than the other seeds of its stack is named, once for all rows with its weights."""

import numpy as np
import pytest

from benchmarks.analysis.counts import CellCounts, Counts
from benchmarks.analysis.instability import (
    LostClass,
    OddLoss,
    lost_classes,
    nearly_out_of_memory,
    odd_losses,
    pooled_iou,
)

SEEDS = dict(baseline=[0, 1], views=[0, 1])
WEIGHTS = dict(baseline__seed0='a', baseline__seed1='b', views__seed0='a', views__seed1='b')


def counts(**right):
    """Counts of one image with 100 pixels of each class; ``right`` gives those that each cell has got right."""
    cells = {}
    for cell, of_class in right.items():
        area = np.array([[(tp, 0, 100 - tp) for tp in of_class]])
        none = np.zeros((1, len(of_class)))
        cells[cell] = CellCounts(area, area, area[..., :2], none, none)
    return Counts(cells, ['image'], np.zeros(1, int))


def test_a_class_that_one_seed_learns_and_another_does_not():
    found = counts(baseline__seed0=(90, 60), baseline__seed1=(90, 0), views__seed0=(90, 63), views__seed1=(90, 0))
    assert lost_classes(found, WEIGHTS, SEEDS) == [LostClass('baseline', 1, 1, 0.0, 63.0)]


@pytest.mark.parametrize(
    'right',
    [
        dict(baseline__seed0=(90, 60), baseline__seed1=(90, 2)),  # badly learned is learned
        dict(baseline__seed0=(90, 0), baseline__seed1=(90, 0)),  # a result of the stack, not of a seed
        dict(baseline__seed0=(90, 5), baseline__seed1=(90, 0)),  # no seed has learned it
    ],
)
def test_other_differences_are_none(right):
    weights = {cell: WEIGHTS[cell] for cell in right}
    assert lost_classes(counts(**right), weights, dict(baseline=[0, 1])) == []


def test_what_a_refinement_removes_the_weights_have_learned():
    found = counts(baseline__seed0=(90, 60), baseline__seed1=(90, 60), views__seed0=(90, 60), views__seed1=(90, 0))
    assert lost_classes(found, WEIGHTS, SEEDS) == []


def test_a_class_without_truth_has_no_iou():
    area = np.array([[(9, 0, 1), (0, 3, 0)]])
    none = np.zeros((1, 2))
    np.testing.assert_equal(pooled_iou(CellCounts(area, area, area, none, none)), [90.0, np.nan])


def records(*losses):
    return {f'baseline__seed{seed}': dict(train=dict(final_loss=loss)) for seed, loss in enumerate(losses)}


@pytest.mark.parametrize(
    'losses, odd',
    [
        ((0.3, 0.31, 0.9), [OddLoss('baseline', 2, 0.9, 0.305)]),
        ((0.3, 0.31, 0.5), []),
        ((0.3, None, 0.9), []),  # a loss that was not finite is a failure of its own
        ((-0.3, -0.31, 0.9), []),  # losses below 0 have no ratio
        ((0.3,), []),
    ],
)
def test_a_seed_that_ends_at_twice_the_loss(losses, odd):
    found = records(*losses)
    weights = {cell: cell for cell in found}
    assert odd_losses(found, weights, dict(baseline=list(range(len(losses))))) == odd


def test_memory_near_the_machines():
    peaks = {f'c{gib}': dict(train=dict(host_peak_mib=1024 * gib)) for gib in (8, 15)} | dict(failed=dict(train=None))
    assert nearly_out_of_memory(peaks, 16.0) == dict(c15=15.0)
    assert nearly_out_of_memory(peaks, None) == {}
