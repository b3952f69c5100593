"""Quantised maps."""

import numpy as np
import pytest
import torch

from plugins.views.merge import dequantise, quantise


def test_quantise_rounds_to_65535_levels():
    probs = torch.tensor([0, 1, 0.5, 0.4 / 65535, 0.6 / 65535, 12345 / 65535]).reshape(2, 1, 3)
    assert quantise(probs).tolist() == [[[0, 65535, 32768]], [[0, 1, 12345]]]
    assert quantise(probs).dtype == np.uint16


def test_a_sum_that_rounds_above_one_does_not_wrap_to_zero():
    assert quantise(torch.full((1, 1, 1), 1 + 2e-7)).item() == 65535


def test_every_level_survives_the_round_trip():
    levels = np.arange(65536, dtype=np.uint16).reshape(1, 256, 256)
    probs = dequantise(levels)
    assert probs.dtype == np.float32
    np.testing.assert_array_equal(quantise(torch.from_numpy(probs)), levels)


def test_error_is_half_a_level_at_most():
    probs = torch.rand(3, 50, 40, generator=torch.Generator().manual_seed(0))
    assert np.abs(dequantise(quantise(probs)) - probs.numpy()).max() <= 0.5 / 65535 + 1e-7


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_a_diverged_model_is_named(bad):
    with pytest.raises(FloatingPointError, match='diverged'):
        quantise(torch.tensor([[[0.5, bad]]]))
