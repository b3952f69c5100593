"""A batch with structure: blobs of three classes, a void corner, a class that one image lacks."""

import pytest
import torch


@pytest.fixture
def batch():
    """logits (2, 3, 7, 6) float64 and target (2, 7, 6); void is 255."""
    generator = torch.Generator().manual_seed(3)
    logits = 2 * torch.randn(2, 3, 7, 6, generator=generator, dtype=torch.float64)
    target = torch.tensor(
        [
            [
                [255, 255, 0, 0, 0, 0],
                [255, 1, 1, 0, 0, 0],
                [0, 1, 1, 1, 0, 255],
                [0, 1, 1, 1, 255, 0],
                [0, 0, 1, 0, 0, 2],
                [0, 0, 0, 0, 2, 2],
                [0, 0, 0, 2, 2, 2],
            ],
            [
                [0, 0, 0, 0, 0, 0],
                [0, 0, 0, 0, 0, 0],
                [0, 0, 1, 1, 0, 0],
                [0, 0, 1, 255, 0, 0],
                [0, 0, 0, 0, 0, 0],
                [0, 0, 0, 0, 0, 0],
                [0, 0, 0, 0, 0, 255],
            ],
        ]
    )
    return logits, target


@pytest.fixture
def pixel_weight(batch):
    """Positive weights (2, 7, 6), some of them 0."""
    weight = torch.rand(batch[1].shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    return weight * (weight > 0.2)
