"""Views that the training shows are told from those that it does not show, by what transforms and views do."""

import pytest

import plugins.views.composed
import plugins.views.flip
import plugins.views.identity
import plugins.views.rot90
import plugins.views.scale  # noqa: F401
from benchmarks.preflight.views_in_training import Shown, views_shown

LOAD, PACK = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')], [dict(type='PackSegInputs')]
VIEWS = dict(
    identity=dict(type='IdentityView'),
    hflip=dict(type='FlipView', direction='horizontal'),
    vflip=dict(type='FlipView', direction='vertical'),
    rot90=dict(type='Rot90View', quarter_turns=1),
    rot180=dict(type='Rot90View', quarter_turns=2),
    half=dict(type='ScaleView', scale=0.5),
    half_hflip=dict(
        type='ComposedView', views=[dict(type='ScaleView', scale=0.5), dict(type='FlipView', direction='horizontal')]
    ),
)


def shown(*steps, test=()):
    """The names of the views that a training with these steps shows."""
    dataset = dict(type='W', dataset=dict(type='D', pipeline=[*LOAD, *steps, *PACK]))
    answer = views_shown(Shown(VIEWS, dataset, dict(type='D', pipeline=[*LOAD, *test, *PACK])))
    assert 'identity' not in answer['views']
    return sorted(name for name, is_shown in answer['views'].items() if is_shown), answer['by']


CROP, COLOUR = dict(type='RandomCrop', crop_size=(32, 32)), dict(type='PhotoMetricDistortion')


@pytest.mark.parametrize(
    'steps, names, by',
    [
        ([], [], []),
        ([CROP, COLOUR], [], []),
        ([CROP, dict(type='RandomFlip', prob=0.5), COLOUR], ['hflip'], ['RandomFlip']),
        (
            [dict(type='RandomFlip', prob=0.5, direction=d) for d in ('horizontal', 'vertical')],
            ['hflip', 'rot180', 'vflip'],
            ['RandomFlip', 'RandomFlip'],
        ),
        ([dict(type='RandomFlip', prob=0.0)], [], []),
        (
            [dict(type='RandomResize', scale=(64, 64), ratio_range=(0.4, 2.0), keep_ratio=True), CROP],
            ['half'],
            ['RandomResize'],
        ),
        ([dict(type='RandomResize', scale=(64, 64), ratio_range=(0.8, 2.0), keep_ratio=True)], [], ['RandomResize']),
    ],
)
def test_what_transforms_do_decides(steps, names, by):
    assert shown(*steps) == (names, by)


def test_scales_are_relative_to_the_test_images():
    steps = [dict(type='RandomResize', scale=(128, 128), ratio_range=(0.4, 2.0), keep_ratio=True)]
    assert shown(*steps, dict(type='RandomFlip', prob=0.5))[0] == ['hflip']
    larger = dict(type='Resize', scale=(128, 128), keep_ratio=True)
    assert shown(*steps, dict(type='RandomFlip', prob=0.5), test=[larger])[0] == ['half', 'half_hflip', 'hflip']


def test_a_view_that_does_not_work_says_nothing():
    assert views_shown(Shown(dict(x=dict(type='ScaleView', scale=-1)), {}, {})) is None
