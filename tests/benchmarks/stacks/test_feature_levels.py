import pytest

from benchmarks.errors import BadInput
from benchmarks.stacks.feature_levels import probe_levels, remembered_levels
from benchmarks.stacks.references import Levels

UNET = dict(
    type='UNet',
    base_channels=4,
    num_stages=3,
    strides=(1, 1, 1),
    enc_num_convs=(2, 2, 2),
    dec_num_convs=(2, 2),
    downsamples=(True, True),
    enc_dilations=(1, 1, 1),
    dec_dilations=(1, 1),
)
MIT = dict(
    type='MixVisionTransformer',
    embed_dims=4,
    num_stages=2,
    num_layers=[1, 1],
    num_heads=[1, 2],
    patch_sizes=[7, 3],
    sr_ratios=[2, 1],
    strides=[4, 2],
    out_indices=(0, 1),
    mlp_ratio=2,
)


def config(imports=(), **model):
    return dict(model=model, custom_imports=dict(imports=list(imports)))


def test_levels_come_in_the_order_of_the_backbone():
    assert probe_levels(config(backbone=UNET)) == Levels([16, 8, 4], [4, 2, 1])


def test_a_neck_is_part_of_what_reaches_the_heads():
    neck = dict(type='FPN', in_channels=[4, 8], out_channels=6, num_outs=2)
    assert probe_levels(config(backbone=MIT)) == Levels([4, 8], [4, 8])
    assert probe_levels(config(backbone=MIT, neck=neck)) == Levels([6, 6], [4, 8])


def test_probing_draws_nothing_from_the_global_generator():
    import torch

    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    probe_levels(config(backbone=UNET))
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(
    'model, message',
    [
        (
            dict(backbone=dict(type='UNet', base_channels=4, num_stages=3)),
            'backbone or neck fails on an image of 128×128',
        ),
        (
            dict(backbone=UNET, neck=dict(type='FPN', in_channels=[5], out_channels=2, num_outs=1)),
            'backbone or neck fails',
        ),
    ],
)
def test_a_model_that_cannot_be_probed_is_named(model, message):
    with pytest.raises(BadInput, match=message):
        probe_levels(config(**model))


def test_levels_are_remembered_until_the_backbone_changes(tmp_path):
    probe = remembered_levels(tmp_path, dict(torch='2.13'))
    assert probe(config(backbone=UNET)) == Levels([16, 8, 4], [4, 2, 1])
    assert len(list(tmp_path.iterdir())) == 1
    assert probe(config(backbone=UNET, decode_head=dict(type='Unknown'))) == Levels([16, 8, 4], [4, 2, 1])
    assert len(list(tmp_path.iterdir())) == 1
    assert probe(config(backbone=dict(UNET, base_channels=5))).channels == [20, 10, 5]
    assert len(list(tmp_path.iterdir())) == 2
