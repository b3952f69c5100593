"""HD95, ASSD and NSD equal MONAI's, an independent implementation of the same conventions."""

import numpy as np
import pytest
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice

from benchmarks.probes.boundary import assd, hd95, nsd, surface_distances


def blobs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two overlapping masks of a few rectangles, not square, some touching the border."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((2, 40, 56), bool)
    for mask in masks:
        for _ in range(3):
            y, x = rng.integers(0, 36), rng.integers(0, 50)
            mask[y : y + rng.integers(3, 20), x : x + rng.integers(3, 25)] = True
    return masks[0], masks[1]


def two_channels(mask: np.ndarray) -> torch.Tensor:
    """(1, 2, H, W) one-hot, as MONAI takes it."""
    return torch.from_numpy(np.stack([~mask, mask])[None])


@pytest.mark.parametrize('seed', range(8))
def test_hd95(seed):
    pred, target = blobs(seed)
    theirs = compute_hausdorff_distance(two_channels(pred), two_channels(target), percentile=95)
    assert hd95(pred, target) == pytest.approx(theirs.item(), abs=1e-4)  # MONAI's distances are float32


@pytest.mark.parametrize('seed', range(8))
@pytest.mark.parametrize('tolerance_px', [1.0, 2.5])
def test_nsd(seed, tolerance_px):
    pred, target = blobs(seed)
    theirs = compute_surface_dice(two_channels(pred), two_channels(target), class_thresholds=[tolerance_px])
    assert nsd(pred, target, tolerance_px) == pytest.approx(theirs.item(), abs=1e-6)


@pytest.mark.parametrize('seed', range(8))
def test_assd(seed):
    pred, target = blobs(seed)
    channels = two_channels(pred), two_channels(target)
    symmetric = compute_average_surface_distance(*channels, symmetric=True)
    there = compute_average_surface_distance(*channels, symmetric=False)
    assert assd(pred, target) == pytest.approx(symmetric.item(), rel=1e-5)
    assert surface_distances(pred, target).mean_px[0] == pytest.approx(there.item(), rel=1e-5)
    assert abs(symmetric.item() - there.item()) > 1e-3


@pytest.mark.parametrize('seed', range(4))
def test_nsd_by_contour_length(seed):
    # MONAI counts no contour along the image border there, so the masks stay off it.
    pred, target = (np.pad(mask, 3) for mask in blobs(seed))
    theirs = compute_surface_dice(two_channels(pred), two_channels(target), class_thresholds=[1.5], use_subvoxels=True)
    assert nsd(pred, target, 1.5, convention='contour') == pytest.approx(theirs.item(), abs=1e-5)
    assert abs(theirs.item() - nsd(pred, target, 1.5)) > 1e-3


def test_a_missing_mask():
    pred, _ = blobs(0)
    nothing = np.zeros_like(pred)
    for one, other in ((pred, nothing), (nothing, pred)):
        theirs = compute_surface_dice(two_channels(one), two_channels(other), class_thresholds=[2.0])
        assert nsd(one, other, 2.0) == theirs.item() == 0
    theirs = compute_surface_dice(two_channels(nothing), two_channels(nothing), class_thresholds=[2.0])
    assert np.isnan(theirs.item()) and np.isnan(nsd(nothing, nothing, 2.0))
