"""HD95, average distances and NSD of the contour convention equal DeepMind's own surface-distance."""

import numpy as np
import pytest
from surface_distance import (
    compute_average_surface_distance,
    compute_robust_hausdorff,
    compute_surface_dice_at_tolerance,
    compute_surface_distances,
)

from benchmarks.probes.boundary import assd, hd95, nsd, surface_distances


def blobs(seed):
    """Two overlapping masks of rectangles and specks, not square, some touching the border."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((2, 33, 47), bool)
    for mask in masks:
        for _ in range(3):
            y, x = rng.integers(0, 30), rng.integers(0, 42)
            mask[y : y + rng.integers(2, 18), x : x + rng.integers(2, 20)] = True
        mask ^= rng.random(mask.shape) < 0.02  # corners that are cut twice, holes, single pixels
    return masks[0], masks[1]


@pytest.mark.parametrize('seed', range(12))
def test_every_distance_and_length(seed):
    pred, target = blobs(seed)
    theirs = compute_surface_distances(target, pred, (1, 1))
    ours = surface_distances(pred, target, convention='contour')
    for distances, lengths, name, area in (
        (ours.pred_to_target, ours.pred_lengths, 'distances_pred_to_gt', 'pred'),
        (ours.target_to_pred, ours.target_lengths, 'distances_gt_to_pred', 'gt'),
    ):
        pairs = sorted(zip(distances.round(4), lengths))
        np.testing.assert_allclose(pairs, np.stack([theirs[name], theirs[f'surfel_areas_{area}']], axis=1), atol=1e-4)


@pytest.mark.parametrize('seed', range(12))
def test_scores(seed):
    pred, target = blobs(seed)
    theirs = compute_surface_distances(target, pred, (1, 1))
    assert hd95(pred, target, 'contour') == pytest.approx(compute_robust_hausdorff(theirs, 95), rel=1e-5)
    for tolerance in (0, 1, 1.5, 4):
        expected = compute_surface_dice_at_tolerance(theirs, tolerance)
        assert nsd(pred, target, tolerance, 'contour') == pytest.approx(expected)
    back, there = compute_average_surface_distance(theirs)
    distances = surface_distances(pred, target, 'contour')
    assert distances.mean_px == (pytest.approx(there, rel=1e-5), pytest.approx(back, rel=1e-5))
    lengths = theirs['surfel_areas_pred'].sum(), theirs['surfel_areas_gt'].sum()
    assert assd(pred, target, 'contour') == pytest.approx(np.average([there, back], weights=lengths), rel=1e-5)


def test_the_conventions_differ():
    pred, target = blobs(3)
    assert set(surface_distances(pred, target, 'contour').pred_lengths.round(4)) == {0.7071, 1.0, 1.4142}
    assert nsd(pred, target, 1.5) != pytest.approx(nsd(pred, target, 1.5, 'contour'), abs=1e-3)


@pytest.mark.parametrize('score', [hd95, assd, lambda a, b, convention: nsd(a, b, 1.0, convention)])
@pytest.mark.parametrize('convention', ['edge', 'contour'])
def test_undefined_by_the_same_rule_in_both_conventions(score, convention):
    mask, nothing = blobs(0)[0], np.zeros((33, 47), bool)
    expected = float('nan') if score in (hd95, assd) else 0.0
    for one, other in ((mask, nothing), (nothing, mask)):
        np.testing.assert_equal(score(one, other, convention), expected)
    assert np.isnan(score(nothing, nothing, convention))
    # What DeepMind's says of a missing mask is infinity, where a mean over images would be lost.
    assert np.isnan(surface_distances(mask, nothing, convention).mean_px).all()


def test_an_unknown_convention_is_refused():
    with pytest.raises(ValueError, match="convention 'surfel' is unknown; use one of"):
        hd95(np.eye(3, dtype=bool), np.eye(3, dtype=bool), 'surfel')
