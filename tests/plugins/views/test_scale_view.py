"""Scale views, alone and composed."""

import numpy as np
import pytest
import torch

from plugins.views.composed import ComposedView
from plugins.views.flip import FlipView  # noqa: F401
from plugins.views.rot90 import Rot90View  # noqa: F401
from plugins.views.scale import ScaleView

SCALE = dict(type='ScaleView', scale=0.6)


@pytest.mark.parametrize('scale, size', [(0.5, (4, 4)), (1.5, (14, 10)), (0.01, (1, 1)), (1.0, (9, 7))])
def test_size_is_rounded_and_never_zero(scale, size):
    assert ScaleView(scale).forward(torch.zeros(3, 9, 7)).shape == (3, *size)


def test_forward_samples_pixel_centres():
    row = torch.tensor([[[0.0, 4.0, 8.0, 12.0]]])
    # Twice as wide: centres lie at (i + 0.5) / 2 - 0.5 = -0.25, 0.25, 0.75 ... of the old grid, clamped at the ends.
    assert ScaleView(2).forward(row)[0, 0].tolist() == [0, 1, 3, 5, 7, 9, 11, 12]


def test_integer_images_are_not_rounded():
    image = torch.tensor([[[0, 1]]], dtype=torch.uint8)
    assert ScaleView(2).forward(image)[0, 0].tolist() == [0, 0.25, 0.75, 1]


def test_scale_one_is_the_identity():
    image = torch.rand(3, 9, 7)
    assert torch.equal(ScaleView(1.0).forward(image), image)


def test_a_linear_ramp_survives_the_round_trip_inside():
    ramp = torch.arange(32.0).expand(1, 32, 32)
    view = ScaleView(0.5)
    back = view.inverse(view.forward(ramp), (32, 32))
    np.testing.assert_allclose(back[0, :, 1:-1], ramp[0, :, 1:-1], atol=1e-5)


@pytest.mark.parametrize(
    'views',
    [
        [SCALE, dict(type='FlipView', direction='horizontal')],
        [dict(type='Rot90View', quarter_turns=1), SCALE],
        [SCALE, dict(type='Rot90View', quarter_turns=3), dict(type='ScaleView', scale=2)],
    ],
)
def test_composition_finds_its_way_back_to_the_size(views):
    image = torch.rand(2, 11, 23)
    view = ComposedView(views)
    assert view.inverse(view.forward(image), (11, 23)).shape == (2, 11, 23)


def test_composition_with_a_turn_equals_scaling_the_turned_image_by_hand():
    image = torch.rand(2, 10, 20)
    view = ComposedView([dict(type='Rot90View', quarter_turns=1), SCALE])
    turned = torch.rot90(image, 1, (1, 2))
    assert torch.equal(view.forward(image), ScaleView(0.6).forward(turned))
    maps = torch.rand(3, 12, 6)
    assert torch.equal(view.inverse(maps, (10, 20)), torch.rot90(ScaleView(0.6).inverse(maps, (20, 10)), -1, (1, 2)))


@pytest.mark.parametrize('scale', [0, -1])
def test_a_scale_that_is_not_positive_is_refused(scale):
    with pytest.raises(ValueError, match='give a finite number above 0'):
        ScaleView(scale)
