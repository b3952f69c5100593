"""Identity, flips, rotations and their compositions: known pictures, and exact inverses."""
import itertools

import pytest
import torch
from mmseg.registry import TRANSFORMS

import plugins.views.composed  # noqa: F401
import plugins.views.flip  # noqa: F401
import plugins.views.identity  # noqa: F401
import plugins.views.rot90  # noqa: F401

H_FLIP = dict(type='FlipView', direction='horizontal')
V_FLIP = dict(type='FlipView', direction='vertical')
TURNS = [dict(type='Rot90View', quarter_turns=k) for k in (1, 2, 3)]
SIMPLE = [dict(type='IdentityView'), H_FLIP, V_FLIP, *TURNS]
PAIRS = [dict(type='ComposedView', views=list(pair)) for pair in itertools.product(SIMPLE, repeat=2)]
NESTED = dict(type='ComposedView', views=[TURNS[0], dict(type='ComposedView', views=[H_FLIP, TURNS[2]])])

PICTURE = torch.tensor([[[1, 2, 3], [4, 5, 6]]])
SEEN = [
    (SIMPLE[0], [[1, 2, 3], [4, 5, 6]]),
    (H_FLIP, [[3, 2, 1], [6, 5, 4]]),
    (V_FLIP, [[4, 5, 6], [1, 2, 3]]),
    (TURNS[0], [[3, 6], [2, 5], [1, 4]]),
    (TURNS[1], [[6, 5, 4], [3, 2, 1]]),
    (TURNS[2], [[4, 1], [5, 2], [6, 3]]),
    (dict(type='ComposedView', views=[TURNS[0], H_FLIP]), [[6, 3], [5, 2], [4, 1]]),
    (dict(type='ComposedView', views=[H_FLIP, TURNS[0]]), [[1, 4], [2, 5], [3, 6]]),
]


@pytest.mark.parametrize('config, expected', SEEN)
def test_forward_shows_the_drawn_picture(config, expected):
    assert TRANSFORMS.build(config).forward(PICTURE)[0].tolist() == expected


@pytest.mark.parametrize('config', [*SIMPLE, *PAIRS, NESTED])
@pytest.mark.parametrize('shape', [(3, 5, 7), (1, 4, 4), (2, 1, 6)])
def test_inverse_undoes_forward_exactly(config, shape):
    image = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    view = TRANSFORMS.build(config)
    assert torch.equal(view.inverse(view.forward(image), shape[1:]), image)


def test_forward_keeps_integer_images_integer():
    image = PICTURE.to(torch.uint8)
    assert all(TRANSFORMS.build(config).forward(image).dtype == torch.uint8 for config in [*SIMPLE, NESTED])


@pytest.mark.parametrize('config, culprit', [
    (dict(type='FlipView', direction='diagonal'), 'diagonal'),
    (dict(type='Rot90View', quarter_turns=0), 'quarter_turns'),
    (dict(type='ComposedView', views=[]), 'empty'),
])
def test_impossible_views_are_refused(config, culprit):
    with pytest.raises(ValueError, match=culprit):
        TRANSFORMS.build(config)
