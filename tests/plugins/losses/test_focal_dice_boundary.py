import pytest
import torch

from plugins.losses.boundary import boundary_loss
from plugins.losses.dice import dice_loss
from plugins.losses.focal import focal_loss
from plugins.losses.focal_dice_boundary import FocalDiceBoundaryLoss, focal_dice_boundary_loss


def test_is_the_weighted_sum_of_its_terms(batch):
    expected = 0.7 * focal_loss(*batch, gamma=1.5) + 1.3 * dice_loss(*batch) + 0.05 * boundary_loss(*batch)
    weights = dict(focal_weight=0.7, dice_weight=1.3, boundary_weight=0.05, gamma=1.5)
    assert torch.allclose(focal_dice_boundary_loss(*batch, **weights), expected)
    assert torch.allclose(FocalDiceBoundaryLoss(loss_weight=2.0, **weights)(*batch), 2 * expected)


@pytest.mark.parametrize('term, alone', [('focal_weight', focal_loss), ('dice_weight', dice_loss),
                                         ('boundary_weight', boundary_loss)])
def test_each_weight_moves_its_own_term(batch, term, alone):
    only = dict(focal_weight=0.0, dice_weight=0.0, boundary_weight=0.0)
    only[term] = 1.0
    assert torch.allclose(focal_dice_boundary_loss(*batch, **only), alone(*batch))


@pytest.mark.parametrize('weights', [(0.0, 0.0, 0.0), (1.0, -1.0, 0.0)])
def test_refuses_weights_that_train_nothing_or_the_wrong_way(weights):
    names = ('focal_weight', 'dice_weight', 'boundary_weight')
    with pytest.raises(ValueError, match=f'boundary_weight={weights[2]}'):
        FocalDiceBoundaryLoss(**dict(zip(names, weights)))
