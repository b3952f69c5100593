import numpy as np
import pytest
import torch

from plugins.attention.cbam import CBAM, ChannelAttention, SpatialAttention


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def channel_map(features, w0, w1):
    """Equation (2) of the paper, (N, C)."""

    def mlp(pooled):
        return np.maximum(pooled @ w0.T, 0) @ w1.T

    return sigmoid(mlp(features.mean((2, 3))) + mlp(features.max((2, 3))))


def spatial_map(features, kernel):
    """Equation (3) of the paper, (N, H, W), the convolution summed tap by tap."""
    pooled = np.stack([features.mean(1), features.max(1)], axis=1)
    height, width = features.shape[2:]
    half = kernel.shape[-1] // 2
    padded = np.pad(pooled, ((0, 0), (0, 0), (half, half), (half, half)))
    scores = np.zeros((len(features), height, width))
    for channel, row, column in np.ndindex(kernel.shape[1:]):
        scores += kernel[0, channel, row, column] * padded[:, channel, row : row + height, column : column + width]
    return sigmoid(scores)


@pytest.fixture
def features():
    return torch.randn(2, 12, 9, 11, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture
def block():
    torch.manual_seed(1)
    return CBAM(12, reduction=2, kernel_size=7).double()


def test_equals_the_paper(block, features):
    w0, w1, kernel = (parameter.detach().numpy() for parameter in block.parameters())
    x = features.numpy()
    attended = channel_map(x, w0, w1)[:, :, None, None] * x
    expected = spatial_map(attended, kernel)[:, None] * attended
    np.testing.assert_allclose(block(features).detach().numpy(), expected, rtol=1e-10)


def test_the_two_maps_equal_the_paper_and_lie_between_zero_and_one(block, features):
    w0, w1, kernel = (parameter.detach().numpy() for parameter in block.parameters())
    channel, spatial = block.channel(features).detach(), block.spatial(features).detach()
    assert channel.shape == (2, 12, 1, 1) and spatial.shape == (2, 1, 9, 11)
    np.testing.assert_allclose(channel[..., 0, 0].numpy(), channel_map(features.numpy(), w0, w1), rtol=1e-10)
    np.testing.assert_allclose(spatial[:, 0].numpy(), spatial_map(features.numpy(), kernel), rtol=1e-10)
    for attention in (channel, spatial):
        assert ((attention > 0) & (attention < 1)).all() and attention.std() > 0


@pytest.mark.parametrize(
    'channels, reduction, kernel_size, hidden', [(64, 16, 7, 4), (256, 8, 3, 32), (12, 16, 7, 4), (1, 16, 5, 4)]
)
def test_number_of_parameters(channels, reduction, kernel_size, hidden):
    block = CBAM(channels, reduction, kernel_size)
    assert sum(p.numel() for p in block.parameters()) == 2 * channels * hidden + 2 * kernel_size**2
    assert block(torch.rand(2, channels, 5, 6)).shape == (2, channels, 5, 6)


def test_gradients_reach_all_parameters_and_are_right(block, features):
    block(features).square().sum().backward()
    assert all((parameter.grad != 0).any() for parameter in block.parameters())
    small = features[:, :, :3, :4].clone().requires_grad_()
    assert torch.autograd.gradcheck(block, [small])


def test_every_parameter_lies_in_a_module_that_can_initialise_it(block):
    owners = [module for module in block.modules() if any(True for _ in module.parameters(recurse=False))]
    assert owners and all(hasattr(owner, 'reset_parameters') for owner in owners)


def test_zero_weights_halve_twice(features):
    block = CBAM(12).double()
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    torch.testing.assert_close(block(features), features / 4)


@pytest.mark.parametrize(
    'build, message',
    [
        (lambda: SpatialAttention(4), 'kernel_size=4'),
        (lambda: ChannelAttention(12, 0), 'reduction=0'),
        (lambda: ChannelAttention(0), 'channels=0'),
    ],
)
def test_refuses_what_cannot_work(build, message):
    with pytest.raises(ValueError, match=message):
        build()
