"""HD95 and NSD equal MONAI's, an independent implementation of the same convention (edge pixels)."""
import numpy as np
import pytest
import torch
from monai.metrics import compute_hausdorff_distance, compute_surface_dice

from benchmarks.probes.boundary import hd95, nsd


def blobs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two overlapping masks of a few rectangles, not square, some touching the border."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((2, 40, 56), bool)
    for mask in masks:
        for _ in range(3):
            y, x = rng.integers(0, 36), rng.integers(0, 50)
            mask[y:y + rng.integers(3, 20), x:x + rng.integers(3, 25)] = True
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
