import pytest
import torch
from mmengine.logging import MMLogger
from mmseg.registry import MODELS

from plugins.heads.cbam_fcn_head import CBAMFCNHead

SETTINGS = dict(
    in_channels=12, in_index=1, channels=8, num_convs=1, num_classes=3, dropout_ratio=0.0, norm_cfg=dict(type='BN')
)


def heads(**settings):
    """An FCNHead and a CBAMFCNHead from one overlay of ``type``, drawn from the same seed."""
    built = []
    for kind in ('FCNHead', 'CBAMFCNHead'):
        torch.manual_seed(0)
        built.append(MODELS.build(dict(SETTINGS, type=kind, **settings)).eval())
    return built


@pytest.fixture
def levels():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 6, 10, 8, generator=generator), torch.randn(2, 12, 5, 4, generator=generator)]


def test_shared_parameters_keep_name_shape_and_draw():
    plain, attending = (head.state_dict() for head in heads())
    assert set(attending) - set(plain) == {
        'cbam.channel.mlp.0.weight',
        'cbam.channel.mlp.2.weight',
        'cbam.spatial.conv.weight',
    }
    assert set(plain) <= set(attending)
    assert all(torch.equal(value, attending[name]) for name, value in plain.items())


@pytest.mark.parametrize('concat_input', [False, True])
def test_is_fcn_head_on_attended_features(levels, concat_input):
    plain, attending = heads(concat_input=concat_input)
    torch.testing.assert_close(attending(levels), plain([levels[0], attending.cbam(levels[1])]))
    assert not torch.allclose(attending(levels), plain(levels))


def test_joins_levels_before_attending(levels):
    plain, attending = heads(in_channels=[6, 12], in_index=[0, 1], input_transform='resize_concat')
    assert attending.cbam.channel.mlp[0].in_features == 18
    assert attending(levels).shape == plain(levels).shape == (2, 3, 10, 8)


def test_parameters_of_the_block_reach_it(levels):
    head = CBAMFCNHead(cbam_reduction=2, cbam_kernel_size=3, **SETTINGS)
    assert head.cbam.channel.mlp[0].out_features == 6
    assert head.cbam.spatial.conv.kernel_size == (3, 3)
    head(levels).square().sum().backward()
    assert all((parameter.grad != 0).any() for parameter in head.cbam.parameters())


def test_initialising_the_head_leaves_the_block_alone(monkeypatch):
    monkeypatch.setattr(MMLogger, '_instance_dict', {})  # the log of a run of another test may be closed
    head = MODELS.build(dict(SETTINGS, type='CBAMFCNHead'))
    before = {name: value.clone() for name, value in head.cbam.state_dict().items()}
    head.init_weights()
    assert all(torch.equal(value, before[name]) for name, value in head.cbam.state_dict().items())


def test_a_misspelt_argument_is_refused():
    with pytest.raises(TypeError, match='cbam_reductoin'):
        MODELS.build(dict(SETTINGS, type='CBAMFCNHead', cbam_reductoin=8))
