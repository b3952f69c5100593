"""Identity, flips, rotations and their compositions: known pictures, and exact inverses."""

import itertools

import pytest
import torch
from mmseg.registry import TRANSFORMS

import plugins.views.composed
import plugins.views.flip
import plugins.views.identity
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


# The eight ways to lay a square on itself: turned by k quarters, mirrored after that or not.
DIHEDRAL = [
    dict(type='ComposedView', views=[turn, *mirror]) for turn in (SIMPLE[0], *TURNS) for mirror in ([], [H_FLIP])
]


def test_the_eight_elements_differ_and_are_closed_under_composition():
    square = torch.arange(9).reshape(1, 3, 3)
    pictures = {tuple(TRANSFORMS.build(config).forward(square).flatten().tolist()) for config in DIHEDRAL}
    assert len(pictures) == 8
    for first, second in itertools.product(DIHEDRAL, repeat=2):
        both = TRANSFORMS.build(dict(type='ComposedView', views=[first, second]))
        assert tuple(both.forward(square).flatten().tolist()) in pictures


@pytest.mark.parametrize('shape', [(3, 5, 8), (3, 8, 5), (2, 7, 7), (1, 1, 9), (1, 9, 1), (4, 1, 1)])
def test_every_composition_of_two_elements_is_undone_exactly(shape):
    maps = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    for first, second in itertools.product(DIHEDRAL, repeat=2):
        view = TRANSFORMS.build(dict(type='ComposedView', views=[first, second]))
        there = view.forward(maps)
        assert sorted(there.shape) == sorted(shape)
        assert torch.equal(view.inverse(there, shape[1:]), maps)


def test_inverse_is_exact_on_maps_with_other_channels_than_the_image():
    for config in DIHEDRAL:
        view = TRANSFORMS.build(config)
        size = view.forward(torch.zeros(3, 5, 8)).shape[1:]
        maps = torch.randn(19, *size, generator=torch.Generator().manual_seed(0))
        back = view.inverse(maps, (5, 8))
        assert back.shape == (19, 5, 8) and torch.equal(view.forward(back), maps)


def test_mirrored_both_ways_is_turned_by_180_degrees():
    both = TRANSFORMS.build(dict(type='ComposedView', views=[H_FLIP, V_FLIP]))
    assert torch.equal(both.forward(PICTURE), TRANSFORMS.build(TURNS[1]).forward(PICTURE))


def test_forward_keeps_integer_images_integer():
    image = PICTURE.to(torch.uint8)
    assert all(TRANSFORMS.build(config).forward(image).dtype == torch.uint8 for config in [*SIMPLE, NESTED])


@pytest.mark.parametrize(
    'config, culprit',
    [
        (dict(type='FlipView', direction='diagonal'), 'diagonal'),
        (dict(type='Rot90View', quarter_turns=0), 'quarter_turns'),
        (dict(type='ComposedView', views=[]), 'empty'),
    ],
)
def test_impossible_views_are_refused(config, culprit):
    with pytest.raises(ValueError, match=culprit):
        TRANSFORMS.build(config)
