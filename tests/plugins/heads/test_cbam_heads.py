"""CBAM heads are their parents on attended features."""

import pytest
import torch
from mmseg.registry import MODELS

from plugins.attention.cbam import CBAM
from plugins.heads.cbam_segformer_head import CBAMSegformerHead
from plugins.heads.cbam_sep_aspp_head import CBAMDepthwiseSeparableASPPHead

COMMON = dict(channels=8, num_classes=3, dropout_ratio=0.0, norm_cfg=dict(type='BN'))
HEADS = {
    CBAMDepthwiseSeparableASPPHead: dict(in_channels=12, in_index=2, dilations=(1, 2), c1_in_channels=6, c1_channels=4),
    CBAMSegformerHead: dict(in_channels=[12, 6], in_index=[2, 0]),
}


@pytest.fixture(params=HEADS, ids=lambda head: head.__name__)
def heads(request):
    """The parent and the CBAM head from one overlay of ``type``, drawn from the same seed."""
    built = []
    for name in (request.param.__name__.removeprefix('CBAM'), request.param.__name__):
        torch.manual_seed(0)
        built.append(MODELS.build(dict(type=name, **COMMON, **HEADS[request.param])).eval())
    return built


@pytest.fixture
def levels():
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, channels, 12 // scale, 16 // scale, generator=generator)
        for channels, scale in ((6, 1), (9, 2), (12, 4))
    ]


def attended(head, levels):
    """The levels as the parent should see them."""
    if isinstance(head, CBAMSegformerHead):
        return [head.cbam[1](levels[0]), levels[1], head.cbam[0](levels[2])]  # in the order of in_index
    return [levels[0], levels[1], head.cbam(levels[2])]


def test_shared_parameters_keep_their_name_and_draw(heads):
    plain, attending = (head.state_dict() for head in heads)
    added = {name for name in attending if name not in plain}
    assert added and all(name.startswith('cbam.') for name in added)
    assert all(torch.equal(value, attending[name]) for name, value in plain.items())


def test_is_the_parent_on_attended_features(heads, levels):
    plain, attending = heads
    torch.testing.assert_close(attending(levels), plain(attended(attending, levels)))
    assert not torch.allclose(attending(levels), plain(levels))


def test_gradients_reach_every_block(heads, levels):
    _, head = heads
    head(levels).square().sum().backward()
    blocks = [module for module in head.modules() if isinstance(module, CBAM)]
    assert len(blocks) == len(HEADS[type(head)]['in_channels'] if isinstance(head, CBAMSegformerHead) else [12])
    assert all((parameter.grad != 0).any() for block in blocks for parameter in block.parameters())


def test_settings_reach_every_block():
    for head, settings in HEADS.items():
        built = head(cbam_reduction=1, cbam_kernel_size=5, **COMMON, **settings)
        blocks = [module for module in built.modules() if isinstance(module, CBAM)]
        assert [block.channel.mlp[0].out_features for block in blocks] == [
            block.channel.mlp[0].in_features for block in blocks
        ]
        assert all(block.spatial.conv.kernel_size == (5, 5) for block in blocks)


def test_the_segformer_heads_blocks_follow_in_index():
    head = CBAMSegformerHead(**COMMON, **HEADS[CBAMSegformerHead])
    assert [block.channel.mlp[0].in_features for block in head.cbam] == [12, 6]


def test_misspelt_arguments_are_refused():
    for head, settings in HEADS.items():
        with pytest.raises(TypeError, match='cbam_reductoin'):
            MODELS.build(dict(type=head.__name__, cbam_reductoin=8, **COMMON, **settings))
