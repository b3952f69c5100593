"""Test-time augmentation as a whole: against mmseg's SegTTAModel, on equivariant networks, over subsets of views."""

import numpy as np
import pytest
import torch
from mmseg.models import SegTTAModel
from mmseg.registry import TRANSFORMS
from mmseg.structures import SegDataSample
from torch.nn.functional import conv2d

import plugins.views.composed
import plugins.views.flip
import plugins.views.identity
import plugins.views.rot90
import plugins.views.scale  # noqa: F401
from plugins.hooks.inference import InferenceModel
from plugins.views.merge import merged_probabilities
from plugins.views.merge_rules import MERGE_RULES

STEP = 1 / 65535
PLAIN = dict(type='IdentityView')
H_FLIP, V_FLIP = (dict(type='FlipView', direction=direction) for direction in ('horizontal', 'vertical'))
TURNS = [dict(type='Rot90View', quarter_turns=k) for k in (1, 2, 3)]
FLIPS = dict(identity=PLAIN, hflip=H_FLIP, vflip=V_FLIP, hv=TURNS[1])
DIHEDRAL = dict(
    FLIPS,
    rot90=TURNS[0],
    rot270=TURNS[2],
    a=dict(type='ComposedView', views=[TURNS[0], H_FLIP]),
    b=dict(type='ComposedView', views=[TURNS[0], V_FLIP]),
)


def merged(model, data, configs, merge='mean'):
    views = {name: TRANSFORMS.build(config) for name, config in configs.items()}
    with torch.no_grad():
        return merged_probabilities(model, data['inputs'][0], data['data_samples'][0].metainfo, views, merge=merge)


def seg_tta(model, data, monkeypatch):
    """mmseg's own merge over the four flips: its data sample, and the merged map, which it does not keep."""
    (image,) = data['inputs']
    meta = data['data_samples'][0].metainfo
    samples = [
        [SegDataSample(metainfo=dict(meta, **flip))]
        for flip in (dict(), dict(flip=True, flip_direction='horizontal'), dict(flip=True, flip_direction='vertical'))
    ]
    inputs = [[image], [image.flip(-1)], [image.flip(-2)]]
    kept = []
    for name, act in (('argmax', torch.Tensor.argmax), ('__gt__', torch.Tensor.__gt__)):
        monkeypatch.setattr(
            torch.Tensor,
            name,
            lambda tensor, *args, act=act, **kwargs: (kept.append(tensor.clone()), act(tensor, *args, **kwargs))[1],
        )
    with torch.no_grad():
        (sample,) = SegTTAModel(module=model).test_step(dict(inputs=inputs, data_samples=samples))
    monkeypatch.undo()
    return sample, kept[-1]


TWO_FLIPS = dict(a=PLAIN, b=H_FLIP, c=V_FLIP)


@pytest.mark.parametrize('size', [(40, 56), (27, 41)])
def test_the_merged_map_equals_that_of_seg_tta_model(build_unet, batch, monkeypatch, size):
    model, data = build_unet(), batch(size)
    sample, theirs = seg_tta(model, data, monkeypatch)
    ours = merged(model, data, TWO_FLIPS)
    assert theirs.shape == (3, *size)
    # mmseg pads the flipped image at the same sides, as our views do: equal for any size.
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_array_equal(sample.pred_sem_seg.data.squeeze(), theirs.argmax(0))


def test_seg_tta_model_keeps_the_last_views_logits_and_we_the_merged_map(build_unet, batch, monkeypatch):
    model, data = build_unet(), batch((40, 56))
    sample, theirs = seg_tta(model, data, monkeypatch)
    assert not np.allclose(sample.seg_logits.data.softmax(0), theirs, atol=0.01)
    views = {name: TRANSFORMS.build(config) for name, config in TWO_FLIPS.items()}
    (ours,) = InferenceModel(model, views, []).test_step(data)
    np.testing.assert_allclose(ours.seg_logits.data, theirs, atol=STEP)


def test_seg_tta_model_takes_the_sigmoid_twice_and_we_once(build_unet, batch, monkeypatch):
    model, data = build_unet(num_classes=2, out_channels=1, threshold=0.4), batch((40, 56))
    _, theirs = seg_tta(model, data, monkeypatch)
    single = [merged(model, data, dict(view=view)) for view in TWO_FLIPS.values()]
    np.testing.assert_allclose(theirs, torch.stack([one.sigmoid() for one in single]).mean(0), atol=1e-6)
    assert theirs.min() >= 0.5  # every pixel is foreground
    ours = merged(model, data, TWO_FLIPS)
    np.testing.assert_allclose(ours, torch.stack(single).mean(0), atol=1e-6)
    assert ours.min() < 0.4 < ours.max()


def symmetric_network(inputs):
    """Two 3×3 convolutions whose kernels no flip and no turn changes: the network commutes with all of them."""
    corner, edge, centre = torch.randn(3, 4, 3, 1, 1, generator=torch.Generator().manual_seed(0))
    kernel = torch.cat(
        [
            torch.cat([corner, edge, corner], 3),
            torch.cat([edge, centre, edge], 3),
            torch.cat([corner, edge, corner], 3),
        ],
        2,
    )
    return conv2d(conv2d(inputs, kernel, padding=1).tanh(), kernel.transpose(0, 1), padding=1)


@pytest.mark.parametrize('merge', MERGE_RULES)
@pytest.mark.parametrize('views', [FLIPS, DIHEDRAL])
@pytest.mark.parametrize('meta', [dict(), dict(ori_shape=(50, 33))])
def test_nothing_changes_for_an_equivariant_network(toy, batch, merge, views, meta):
    model, data = toy(symmetric_network), batch((32, 48), **meta)
    plain = merged(model, data, dict(identity=PLAIN))
    assert plain.std() > 0.1
    np.testing.assert_allclose(merged(model, data, views, merge), plain, atol=1e-6)


def test_much_changes_for_one_that_is_not(build_unet, batch):
    model, data = build_unet(), batch((32, 48))
    plain = merged(model, data, dict(identity=PLAIN))
    assert (merged(model, data, FLIPS) - plain).abs().max() > 0.05


@pytest.mark.parametrize('merge', MERGE_RULES)
def test_tta_commutes_with_its_own_views(build_unet, batch, merge):
    # The views form a group: augmenting a flipped image gives the flipped map.
    model, data = build_unet(), batch((32, 48))
    flipped = dict(data, inputs=[data['inputs'][0].flip(-1)])
    for views in (FLIPS, DIHEDRAL):
        np.testing.assert_allclose(
            merged(model, flipped, views, merge).flip(-1), merged(model, data, views, merge), atol=1e-5
        )


@pytest.mark.parametrize('merge', MERGE_RULES)
def test_one_view_of_tta_is_plain_inference_bit_for_bit(build_unet, batch, merge):
    model, data = build_unet(), batch((27, 41), ori_shape=(50, 63))
    with torch.no_grad():
        plain = model.test_step(data)[0].seg_logits.data.softmax(0)
    assert torch.equal(merged(model, data, dict(identity=PLAIN), merge), plain)


def odds(probs):
    return probs.clamp(1e-12).log()


# What the maps of two disjoint sets of views, of so many views each, make together.
UNIONS = dict(
    mean=lambda one, n, other, m: (n * one + m * other) / (n + m),
    mean_logits=lambda one, n, other, m: ((n * odds(one) + m * odds(other)) / (n + m)).softmax(0),
    geometric=lambda one, n, other, m: ((n * odds(one) + m * odds(other)) / (n + m)).softmax(0),
)


@pytest.mark.parametrize('merge', UNIONS)
def test_the_merge_of_a_union_follows_from_those_of_its_parts(build_unet, batch, merge):
    model, data = build_unet(), batch((32, 48))
    parts = [dict(identity=PLAIN, hflip=H_FLIP, half=dict(type='ScaleView', scale=0.5)), dict(rot90=TURNS[0])]
    one, other = (merged(model, data, part, merge) for part in parts)
    union = merged(model, data, {**parts[0], **parts[1]}, merge)
    np.testing.assert_allclose(union, UNIONS[merge](one, 3, other, 1), atol=1e-5)
    assert (union - one).abs().max() > 0.01


@pytest.mark.parametrize('merge', MERGE_RULES)
def test_names_and_order_of_the_views_change_rounding_at_most(build_unet, batch, merge):
    model, data = build_unet(), batch((32, 48))
    names = sorted(DIHEDRAL)
    renamed = {name: DIHEDRAL[other] for name, other in zip(names, reversed(names))}
    np.testing.assert_allclose(merged(model, data, renamed, merge), merged(model, data, DIHEDRAL, merge), atol=1e-6)
    assert torch.equal(
        merged(model, data, dict(reversed(DIHEDRAL.items())), merge), merged(model, data, DIHEDRAL, merge)
    )


def test_views_of_other_resolutions_are_merged_at_the_original_size(build_unet, batch):
    model, data = build_unet(), batch((32, 48), ori_shape=(64, 96))
    views = dict(a=PLAIN, b=dict(type='ScaleView', scale=0.5), c=dict(type='ScaleView', scale=1.5))
    single = [merged(model, data, dict(view=view)).double() for view in views.values()]
    geometric = torch.stack(single).prod(0) ** (1 / 3)
    np.testing.assert_allclose(merged(model, data, views, 'mean_logits'), geometric / geometric.sum(0), atol=1e-5)
