import numpy as np
import pytest
import torch

from plugins.attention.self_attention import SelfAttention, reduction_for

LAYER_NORM_EPS = 1e-5


def normalised(features, weight, bias):
    """(N, C, H, W) to the same, each pixel's channels with mean 0 and variance 1, then scaled and shifted."""
    centred = features - features.mean(1, keepdims=True)
    deviation = np.sqrt(features.var(1, keepdims=True) + LAYER_NORM_EPS)
    return centred / deviation * weight[:, None, None] + bias[:, None, None]


def averaged(features, reduction):
    """(N, C, H, W) to (N, C, number of windows), the mean over each window cut out by hand."""
    height, width = features.shape[2:]
    return np.stack(
        [
            features[:, :, row : row + reduction, column : column + reduction].mean((2, 3))
            for row in range(0, height, reduction)
            for column in range(0, width, reduction)
        ],
        axis=2,
    )


def softmax_rows(queries, keys):
    """softmax(Q Kᵀ / √d) of (L, d) and (M, d), row by row."""
    scores = np.exp(queries @ keys.T / np.sqrt(queries.shape[1]))
    return scores / scores.sum(1, keepdims=True)


def recomputed(block, features, reduction):
    """The block's formula in numpy, one image, one head after the other."""
    w = {name: value.detach().numpy() for name, value in block.named_parameters()}
    x = features.numpy()
    z = normalised(x, w['norm.weight'], w['norm.bias'])
    pixels, windows = z.reshape(*z.shape[:2], -1), averaged(z, reduction)
    d = len(w['query.weight']) // block.num_heads
    result = np.empty_like(x)
    for image in range(len(x)):
        heads = []
        for head in range(block.num_heads):
            rows = slice(head * d, (head + 1) * d)
            q = pixels[image].T @ w['query.weight'][rows].T
            k, v = (windows[image].T @ w[f'{name}.weight'][rows].T for name in ('key', 'value'))
            heads.append(softmax_rows(q, k) @ v)
        update = np.concatenate(heads, axis=1) @ w['out.weight'].T + w['out.bias']
        result[image] = x[image] + w['gate'] * update.T.reshape(x.shape[1:])
    return result


def opened(channels=6, **settings):
    """A float64 block whose gate and LayerNorm are not at their start."""
    torch.manual_seed(1)
    block = SelfAttention(channels, **settings).double()
    with torch.no_grad():
        block.gate.fill_(0.7)
        block.norm.weight.uniform_(0.5, 2)
        block.norm.bias.uniform_(-1, 1)
        for layer in (block.query, block.key):
            layer.weight.mul_(3)  # attention far from uniform
    return block


@pytest.fixture
def features():
    return torch.randn(2, 6, 5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(
    'heads, d, max_keys, reduction', [(1, 5, 35, 1), (2, 3, 35, 1), (3, 2, 12, 2), (2, 4, 6, 3), (2, 4, 1, 7)]
)
def test_equals_the_paper(features, heads, d, max_keys, reduction):
    block = opened(num_heads=heads, head_channels=d, max_keys=max_keys)
    assert reduction_for(5, 7, max_keys) == reduction
    np.testing.assert_allclose(block(features).detach().numpy(), recomputed(block, features, reduction), rtol=1e-10)


def test_the_attention_map_equals_the_paper_and_its_rows_sum_to_one(features, monkeypatch):
    """Unit vectors as values hand out the map itself: key m puts its weight into channel m."""
    keys = 12  # 5×7 pixels in windows of 2×2
    block = opened(num_heads=1, head_channels=keys, max_keys=keys)
    shown = []
    monkeypatch.setattr(block.value, 'forward', lambda windows: torch.eye(keys, dtype=windows.dtype).expand(2, -1, -1))
    block.out.register_forward_pre_hook(lambda _, inputs: shown.append(inputs[0].detach().numpy()))
    block(features)
    (attention,) = shown
    z = normalised(features.numpy(), *(p.detach().numpy() for p in block.norm.parameters()))
    wq, wk = (layer.weight.detach().numpy() for layer in (block.query, block.key))
    expected = softmax_rows(z[1].reshape(6, -1).T @ wq.T, averaged(z, 2)[1].T @ wk.T)
    np.testing.assert_allclose(attention[1], expected, rtol=1e-9)
    assert attention.shape == (2, 35, keys) and (attention > 0).all() and (attention < 1).all()
    np.testing.assert_allclose(attention.sum(2), 1, rtol=1e-12)
    assert attention.max() > 2 / keys  # the case is not the trivial one of equal weights


@pytest.mark.parametrize(
    'channels, heads, given, d',
    [(12, 4, None, 8), (64, 4, None, 8), (65, 4, None, 16), (2048, 4, None, 256), (18, 4, 5, 5), (320, 1, None, 160)],
)
def test_number_of_parameters(channels, heads, given, d):
    block = SelfAttention(channels, heads, given)
    assert sum(p.numel() for p in block.parameters()) == 4 * channels * heads * d + channels + 2 * channels + 1
    assert block(torch.rand(1, channels, 3, 2)).shape == (1, channels, 3, 2)


def test_starts_as_the_identity(features):
    block = SelfAttention(6).double()
    assert torch.equal(block(features), features)
    assert (block.out(torch.ones(1, 32, dtype=torch.float64)) != 0).any()  # it is the gate that closes it


def test_only_the_gate_moves_in_the_first_step_and_everything_in_the_second(features):
    block = SelfAttention(6).double()
    target = torch.randn_like(features)
    optimizer = torch.optim.SGD(block.parameters(), lr=0.1)

    def step():
        optimizer.zero_grad()
        (block(features) - target).square().sum().backward()
        optimizer.step()
        return {name for name, parameter in block.named_parameters() if (parameter.grad != 0).any()}

    assert step() == {'gate'}
    assert step() == {name for name, _ in block.named_parameters()}


def permuted(features, order):
    return features.flatten(2)[:, :, order].reshape(features.shape)


def test_without_reduction_permuting_pixels_permutes_the_result(features):
    order = torch.randperm(35, generator=torch.Generator().manual_seed(2))
    whole, reduced = (opened(num_heads=2, max_keys=keys) for keys in (35, 12))
    torch.testing.assert_close(whole(permuted(features, order)), permuted(whole(features), order))
    assert not torch.allclose(reduced(permuted(features, order)), permuted(reduced(features), order))


def test_with_reduction_what_permutes_windows_permutes_the_result():
    features = torch.randn(1, 6, 8, 4, dtype=torch.float64)
    block = opened(max_keys=8)
    torch.testing.assert_close(block(features.flip(2, 3)), block(features).flip(2, 3))
    torch.testing.assert_close(block(features.roll(4, 2)), block(features).roll(4, 2))


@pytest.mark.parametrize('side, reduction', [(512, 32), (128, 8), (64, 4), (32, 2), (16, 1), (513, 33)])
def test_reduction_of_square_maps_at_256_keys(side, reduction):
    assert reduction_for(side, side, 256) == reduction


@pytest.mark.parametrize('max_keys', [1, 7, 49, 256])
def test_reduction_is_the_smallest_that_fits(max_keys):
    def windows(height, width, reduction):
        return len(range(0, height, reduction)) * len(range(0, width, reduction))

    for height, width in [(1, 1), (1, 300), (7, 7), (16, 16), (17, 16), (33, 65), (96, 96), (500, 3), (511, 513)]:
        reduction = reduction_for(height, width, max_keys)
        assert windows(height, width, reduction) <= max_keys
        assert reduction == 1 or windows(height, width, reduction - 1) > max_keys


@pytest.mark.parametrize('size', [(1, 1), (1, 9), (300, 1), (17, 33), (40, 23)])
def test_any_size_works(size):
    block = SelfAttention(4, max_keys=16)
    torch.nn.init.ones_(block.gate)
    features = torch.randn(1, 4, *size)
    assert block(features).shape == features.shape
    assert block(features).isfinite().all()


@pytest.mark.slow
def test_a_map_of_512_by_512_fits_in_memory():
    """What the backward pass keeps is less than the scores of one head, let alone of four, or without reduction."""
    block = SelfAttention(8, num_heads=4, max_keys=256)
    features = torch.randn(1, 8, 512, 512)
    kept = {}

    def note(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = block(features).square().mean()
    kept_bytes = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    one_heads_scores = 512**2 * 256 * 4
    assert one_heads_scores == 2**28  # 0.25 GiB
    assert kept_bytes < one_heads_scores
    loss.backward()
    assert block.gate.grad != 0


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(channels=1), 'channels=1: give a whole number of at least 2'),
        (dict(channels=8, num_heads=0), 'num_heads=0'),
        (dict(channels=8, max_keys=0), 'max_keys=0'),
        (dict(channels=8, head_channels=0), 'head_channels=0'),
    ],
)
def test_self_attention_refuses_what_cannot_work(settings, message):
    with pytest.raises(ValueError, match=message):
        SelfAttention(**settings)
