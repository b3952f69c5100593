import pytest
import torch

from plugins.losses.boundary import boundary_loss
from plugins.losses.dice import dice_loss, weighted_dice_loss
from plugins.losses.focal import focal_loss
from plugins.losses.focal_dice_boundary import FocalDiceBoundaryLoss, focal_dice_boundary_loss


def test_is_the_weighted_sum_of_its_terms(batch):
    expected = 0.7 * focal_loss(*batch, gamma=1.5) + 1.3 * dice_loss(*batch) + 0.05 * boundary_loss(*batch)
    weights = dict(focal_weight=0.7, dice_weight=1.3, boundary_weight=0.05, gamma=1.5)
    assert torch.allclose(focal_dice_boundary_loss(*batch, **weights), expected)
    assert torch.allclose(FocalDiceBoundaryLoss(loss_weight=2.0, **weights)(*batch), 2 * expected)


@pytest.mark.parametrize(
    'term, alone', [('focal_weight', focal_loss), ('dice_weight', dice_loss), ('boundary_weight', boundary_loss)]
)
def test_each_weight_moves_its_own_term(batch, term, alone):
    only = dict(focal_weight=0.0, dice_weight=0.0, boundary_weight=0.0)
    only[term] = 1.0
    assert torch.allclose(focal_dice_boundary_loss(*batch, **only), alone(*batch))


@pytest.mark.parametrize('weights', [(0.0, 0.0, 0.0), (1.0, -1.0, 0.0)])
def test_refuses_weights_that_train_nothing_or_the_wrong_way(weights):
    names = ('focal_weight', 'dice_weight', 'boundary_weight')
    with pytest.raises(ValueError, match=f'boundary_weight={weights[2]}'):
        FocalDiceBoundaryLoss(**dict(zip(names, weights)))


def test_class_weights_reach_every_term(batch):
    every = dict(class_weight=[0.3, 1.0, 2.0])
    expected = (
        0.7 * focal_loss(*batch, gamma=1.5, **every)
        + 0.05 * boundary_loss(*batch, **every)
        + 1.3 * weighted_dice_loss(*batch, smooth=0.0, ignore_index=255, **every)
    )
    module = FocalDiceBoundaryLoss(focal_weight=0.7, dice_weight=1.3, boundary_weight=0.05, gamma=1.5, **every)
    assert torch.allclose(module(*batch), expected)


def ramped(batch, calls, **changes):
    module = FocalDiceBoundaryLoss(**dict(dict(boundary_weight=0.4, boundary_ramp=4), **changes))
    return module, [module(*batch) for _ in range(calls)]


def test_the_ramp_is_linear_and_ends(batch):
    rest = FocalDiceBoundaryLoss(boundary_weight=0.0)(*batch)
    module, values = ramped(batch, 7)
    for value, share in zip(values, (0, 0.25, 0.5, 0.75, 1, 1, 1)):
        assert torch.allclose(value, rest + share * 0.4 * boundary_loss(*batch))
    assert torch.equal(values[4], FocalDiceBoundaryLoss(boundary_weight=0.4)(*batch))


def test_only_training_calls_count(batch):
    module, values = ramped(batch, 2)
    module.eval()
    assert torch.equal(module(*batch), module(*batch)) and int(module.calls) == 2
    ranking, _ = ramped(batch, 2, dice_weight=0.0)
    ranking(*batch, reduction_override='none')
    assert int(ranking.calls) == 2


def test_a_checkpoint_holds_how_far_the_ramp_is(batch):
    module, values = ramped(batch, 3)
    resumed, _ = ramped(batch, 0)
    resumed.load_state_dict(module.state_dict())
    assert torch.equal(resumed(*batch), module(*batch)) and not torch.equal(module(*batch), values[0])
    assert list(module.state_dict()) == ['calls']
    assert not FocalDiceBoundaryLoss().state_dict()  # without a ramp a checkpoint of the baseline still loads


@pytest.mark.parametrize('bad', [dict(boundary_ramp=-1), dict(boundary_ramp=5, boundary_weight=0.0)])
def test_refuses_a_ramp_to_nowhere(bad):
    with pytest.raises(ValueError, match=f'boundary_ramp={bad["boundary_ramp"]}'):
        FocalDiceBoundaryLoss(**bad)


def test_ranking_pixels_needs_a_preset_without_dice(batch):
    module = FocalDiceBoundaryLoss(focal_weight=0.7, dice_weight=0.0, boundary_weight=0.05)
    expected = 0.7 * focal_loss(*batch, reduction='none') + 0.05 * boundary_loss(*batch, reduction='none')
    assert torch.allclose(module(*batch, reduction_override='none'), expected)
    with pytest.raises(ValueError, match='Dice term'):
        FocalDiceBoundaryLoss()(*batch, reduction_override='none')
