"""A compiled loss is the loss: in one graph where nothing leaves torch, else cut at the distance maps."""

import pytest
import torch
from mmseg.registry import MODELS

import plugins.losses.boundary
import plugins.losses.focal_dice_boundary
import plugins.losses.focal_sigmoid  # noqa: F401

WHOLE = {
    'focal': dict(type='SoftmaxFocalLoss', gamma=1.5, alpha=[0.2, 0.7, 1.3], class_weight=[0.4, 1.0, 2.0]),
    'focal_sigmoid': dict(type='OneVsAllFocalLoss', gamma=0.5, alpha=0.3),
    'tversky': dict(type='GeneralTverskyLoss', alpha=0.2, beta=0.9, gamma=0.75),
    'dice_sample': dict(type='SoftDiceLoss', over='sample', class_weight=[0.4, 1.0, 2.0]),
    'preset': dict(type='FocalDiceBoundaryLoss', boundary_weight=0.0),
}
CUT = {
    'boundary': dict(type='KervadecBoundaryLoss'),
    'weighted_ce': dict(type='BoundaryWeightedCrossEntropyLoss'),
    'preset_ramped': dict(type='FocalDiceBoundaryLoss', boundary_ramp=3),
}


def value_and_gradient(loss, logits, target):
    leaf = logits.clone().requires_grad_()
    value = loss(leaf, target)
    value.backward()
    return value.detach(), leaf.grad


@pytest.mark.parametrize('name', [*WHOLE, *CUT])
def test_compiled_equals_eager(batch, name):
    logits, target = batch[0].float(), batch[1]
    config = WHOLE.get(name) or CUT[name]
    eager = MODELS.build(dict(config))
    compiled = torch.compile(MODELS.build(dict(config)), backend='aot_eager', fullgraph=name in WHOLE)
    for _ in range(2):  # the second call of a ramp is another one
        for ours, expected in zip(
            value_and_gradient(compiled, logits, target), value_and_gradient(eager, logits, target)
        ):
            torch.testing.assert_close(ours, expected)
    torch._dynamo.reset()
