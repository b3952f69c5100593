import numpy as np
import pytest
import torch
from torch import nn

from plugins.attention.attention_gate import AttentionGate


@pytest.fixture
def gate():
    torch.manual_seed(0)
    return AttentionGate(6, 5, 3).double()


def by_hand(gate, skip, gating):
    """The paper's formula in NumPy, pixel by pixel, for a gating signal of half the size."""
    w_x, w_g = (layer.weight.detach().numpy()[:, :, 0, 0] for layer in (gate.skip, gate.gating))
    b_g, psi, b_psi = (tensor.detach().numpy() for tensor in (gate.gating.bias, gate.score.weight, gate.score.bias))
    height, width = gating.shape[1:]
    coarse = np.empty((height, width))
    for row in range(height):
        for column in range(width):
            x = skip[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].mean((1, 2))
            hidden = np.maximum(w_x @ x + w_g @ gating[:, row, column] + b_g, 0)
            coarse[row, column] = 1 / (1 + np.exp(-(psi[0, :, 0, 0] @ hidden + b_psi[0])))
    return np.array(
        [
            [_bilinear(coarse, (row + 0.5) / 2 - 0.5, (column + 0.5) / 2 - 0.5) for column in range(2 * width)]
            for row in range(2 * height)
        ]
    )


def _bilinear(grid, row, column):
    row, column = np.clip(row, 0, grid.shape[0] - 1), np.clip(column, 0, grid.shape[1] - 1)
    top, left = int(row), int(column)
    bottom, right = min(top + 1, grid.shape[0] - 1), min(left + 1, grid.shape[1] - 1)
    upper = grid[top, left] * (1 - column + left) + grid[top, right] * (column - left)
    lower = grid[bottom, left] * (1 - column + left) + grid[bottom, right] * (column - left)
    return upper * (1 - row + top) + lower * (row - top)


def test_is_the_papers_formula(gate):
    skip, gating = torch.randn(1, 6, 8, 10).double(), torch.randn(1, 5, 4, 5).double()
    alpha = by_hand(gate, skip[0].numpy(), gating[0].numpy())
    np.testing.assert_allclose(gate.attention(skip, gating)[0, 0].detach().numpy(), alpha, rtol=1e-12)
    np.testing.assert_allclose(gate(skip, gating)[0].detach().numpy(), skip[0].numpy() * alpha, rtol=1e-12)


@pytest.mark.parametrize('fine, coarse', [((9, 7), (5, 4)), ((9, 7), (9, 7)), ((8, 8), (1, 1)), ((4, 4), (8, 8))])
def test_alpha_lies_between_0_and_1_on_any_pair_of_grids(gate, fine, coarse):
    alpha = gate.attention(torch.randn(2, 6, *fine).double(), torch.randn(2, 5, *coarse).double())
    assert alpha.shape == (2, 1, *fine)
    assert 0 < alpha.min() < alpha.max() < 1


def test_one_alpha_for_all_channels_and_none_for_other_images(gate):
    skip, gating = torch.rand(2, 6, 4, 4).double() + 1, torch.randn(2, 5, 2, 2).double()
    ratio = gate(skip, gating) / skip
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))
    torch.testing.assert_close(gate(skip[1:], gating[1:]), gate(skip, gating)[1:])


def test_an_open_and_a_closed_gate(gate):
    skip, gating = torch.randn(1, 6, 4, 4).double(), torch.randn(1, 5, 2, 2).double()
    nn.init.zeros_(gate.score.weight)
    for bias, factor in ((50, 1.0), (-50, 0.0), (0, 0.5)):
        nn.init.constant_(gate.score.bias, bias)
        torch.testing.assert_close(gate(skip, gating), skip * factor)


@pytest.mark.parametrize('channels, gating_channels, hidden', [(6, 5, 3), (7, 2, None), (1, 4, None)])
def test_number_of_parameters(channels, gating_channels, hidden):
    gate = AttentionGate(channels, gating_channels, hidden)
    hidden = hidden or max(channels // 2, 1)
    assert sum(p.numel() for p in gate.parameters()) == hidden * (channels + gating_channels + 2) + 1


def test_gradients(gate):
    inputs = [torch.randn(1, 6, 4, 5).double().requires_grad_(), torch.randn(1, 5, 2, 3).double().requires_grad_()]
    assert torch.autograd.gradcheck(gate, inputs)
    gate(*inputs).square().sum().backward()
    assert all((parameter.grad != 0).any() for parameter in gate.parameters())


@pytest.mark.parametrize('arguments', [(0, 5), (6, 0), (6, 5, 0)])
def test_no_channels_are_refused(arguments):
    with pytest.raises(ValueError, match='at least 1'):
        AttentionGate(*arguments)
