"""What holds for every attention block: it fits wherever a feature map is, and runs as fast code wants it."""

import pickle

import pytest
import torch
from mmseg.registry import MODELS

from plugins.attention.cbam import CBAM
from plugins.attention.self_attention import SelfAttention

BLOCKS = {
    'CBAM': (CBAM, dict(reduction=3, kernel_size=3)),
    'SelfAttention': (SelfAttention, dict(num_heads=2, head_channels=8, max_keys=12)),
}


@pytest.fixture(params=BLOCKS)
def name(request):
    return request.param


@pytest.fixture
def block(name):
    torch.manual_seed(0)
    block = MODELS.build(dict(type=name, channels=12, **BLOCKS[name][1]))
    if name == 'SelfAttention':
        torch.nn.init.constant_(block.gate, 0.5)  # closed, it would hide everything behind it
    return block


@pytest.fixture
def features():
    return torch.randn(2, 12, 7, 5, generator=torch.Generator().manual_seed(1))


def test_is_built_by_mmsegs_registry(name, block):
    assert type(block) is BLOCKS[name][0]


def test_keeps_shape_dtype_and_input_and_repeats_itself(block, features):
    before = features.clone()
    attended = block(features)
    assert attended.shape == features.shape and attended.dtype == features.dtype
    assert torch.equal(features, before) and not torch.allclose(attended, features)
    assert torch.equal(block(features), attended)


def test_images_of_a_batch_do_not_meet(block, features):
    torch.testing.assert_close(block(features)[1:], block(features[1:]))


def test_gradients_are_right(block, features):
    block = block.double()
    small = features[:1, :, :4, :3].double().requires_grad_()
    assert torch.autograd.gradcheck(block, [small])
    parameters = {key: value.detach().requires_grad_() for key, value in block.named_parameters()}
    assert torch.autograd.gradcheck(
        lambda *values: torch.func.functional_call(block, dict(zip(parameters, values)), (small.detach(),)),
        list(parameters.values()),
    )


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float32])
def test_autocast_gives_the_same_within_its_precision(block, features, dtype):
    exact = block(features)
    with torch.autocast('cpu', torch.bfloat16):
        attended = block(features.to(dtype))
        attended.float().square().mean().backward()
    assert attended.dtype == dtype
    torch.testing.assert_close(attended.float(), exact, rtol=0.03, atol=0.03)
    assert all((parameter.grad != 0).any() for parameter in block.parameters())


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('autocast', [False, True])
def test_stays_finite_on_large_activations(name, block, features, dtype, autocast):
    large = (2e4 * features).clamp(-6e4, 6e4).to(dtype).requires_grad_()
    if not autocast:
        block = block.to(dtype)
    with torch.autocast('cpu', dtype, enabled=autocast):
        attended = block(large)
    assert attended.dtype == dtype and attended.isfinite().all()
    attended.float().mean().backward()
    assert large.grad.isfinite().all() and (large.grad != 0).any()
    assert all(parameter.grad.isfinite().all() for parameter in block.parameters())


def test_channel_attention_is_right_where_float16_sums_would_overflow():
    """Hidden units of 2.56e6 that cancel: float16 would compute inf - inf."""
    block = CBAM(64, reduction=16, kernel_size=3)
    first, _, second = block.channel.mlp
    torch.nn.init.ones_(first.weight)
    with torch.no_grad():
        second.weight.copy_(torch.tensor([1.0, -1, 1, -1]).expand(64, 4))
    features = torch.full((1, 64, 3, 3), 4e4, dtype=torch.float16)
    with torch.autocast('cpu', torch.float16):
        assert (block.channel(features) == 0.5).all()
    assert (block.half().channel(features) == 0.5).all()


@pytest.mark.slow
@pytest.mark.parametrize('dynamic', [False, True])
def test_captures_as_one_graph(block, features, dynamic):
    torch.compiler.reset()
    compiled = torch.compile(block, backend='aot_eager', fullgraph=True, dynamic=dynamic)
    for maps in (features, features[:, :, :4]):
        torch.testing.assert_close(compiled(maps), block(maps))
    compiled(features).square().mean().backward()
    captured = [parameter.grad.clone() for parameter in block.parameters()]
    block.zero_grad()
    block(features).square().mean().backward()
    torch.testing.assert_close(captured, [parameter.grad for parameter in block.parameters()])


def test_weights_survive_saving_and_loading(name, block, features, tmp_path):
    torch.save(block.state_dict(), tmp_path / 'weights.pth')
    other = BLOCKS[name][0](12, **BLOCKS[name][1])
    other.load_state_dict(torch.load(tmp_path / 'weights.pth'))
    assert torch.equal(other(features), block(features))
    assert torch.equal(pickle.loads(pickle.dumps(block))(features), block(features))
