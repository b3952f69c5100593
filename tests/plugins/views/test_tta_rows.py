"""The rows of test-time augmentation and multi-scale: their views, and which of them go together."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import TRANSFORMS

from benchmarks.errors import BadInput
from benchmarks.stacks.compose import refuse_clashes
from benchmarks.stacks.imports import import_modules
from benchmarks.stacks.overlay import apply
from benchmarks.stacks.technique import load_techniques

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
NAMES = [
    'flips_rot90',
    'multi_scale',
    'multi_scale_inference',
    'multi_scale_small',
    'multi_scale_training',
    'multi_scale_training_small',
    'tta_dihedral',
    'tta_flips',
    'tta_geometric',
    'tta_max',
    'tta_mean_logits',
    'tta_scales_flips',
]
ROWS = load_techniques(CONFIGS / 'techniques', NAMES)
IDENTITY = Config.fromfile(CONFIGS / '_base_' / 'protocol.py', import_custom_modules=False).inference.views


def seen(row, image):
    """What the network sees under a row and the protocol's identity, by name of the view."""
    import_modules({row.name: row}, dict(custom_imports=dict(imports=['plugins.views.identity'])))
    views = {**IDENTITY, **row.overlay['inference']['views']}
    return {name: TRANSFORMS.build(view).forward(image) for name, view in views.items()}


@pytest.mark.parametrize(
    'name, count',
    [
        ('tta_flips', 4),
        ('tta_dihedral', 8),
        ('tta_scales_flips', 6),
        ('multi_scale_inference', 3),
        ('flips_rot90', 4),
        ('multi_scale', 3),
        ('tta_mean_logits', 4),
        ('tta_geometric', 4),
        ('tta_max', 4),
    ],
)
def test_a_row_has_so_many_views_and_no_two_are_alike(name, count):
    pictures = seen(ROWS[name], torch.arange(3.0 * 6 * 6).reshape(3, 6, 6))
    assert len(pictures) == count
    assert len({(tuple(picture.shape), tuple(picture.flatten().tolist())) for picture in pictures.values()}) == count


def test_each_scale_stands_as_it_is_and_mirrored():
    pictures = seen(ROWS['tta_scales_flips'], torch.rand(3, 8, 12))
    for plain, mirrored in (('identity', 'hflip'), ('scale_050', 'scale_050_hflip'), ('scale_150', 'scale_150_hflip')):
        torch.testing.assert_close(pictures[plain].flip(-1), pictures[mirrored])
    assert [pictures[name].shape[1] for name in ('scale_050', 'identity', 'scale_150')] == [4, 8, 12]


def test_one_name_is_one_view_in_all_rows():
    meanings = {}
    for row in ROWS.values():
        for name, view in row.overlay.get('inference', {}).get('views', {}).items():
            assert meanings.setdefault(name, view) == view


@pytest.mark.parametrize('merge', ['mean_logits', 'geometric', 'max'])
def test_the_merges_are_of_the_same_four_flips(merge):
    ours, plain = (ROWS[name].overlay['inference'] for name in (f'tta_{merge}', 'tta_flips'))
    assert ours['views'] == plain['views'] and ours['merge'] == merge and 'merge' not in plain


@pytest.mark.parametrize(
    'together',
    [
        ('tta_flips', 'multi_scale'),
        ('tta_flips', 'multi_scale_inference', 'multi_scale_training_small'),
        ('tta_max', 'multi_scale'),
        ('flips_rot90', 'multi_scale_small'),
        ('tta_dihedral', 'multi_scale_inference'),
    ],
)
def test_rows_of_different_views_go_together(together):
    rows = [ROWS[name] for name in together]
    refuse_clashes(rows)
    views = [set(row.overlay.get('inference', {}).get('views', {})) for row in rows]
    stacked = apply(dict(inference=dict(views=dict(IDENTITY))), [row.overlay for row in rows])
    assert set(stacked['inference']['views']) == set(IDENTITY).union(*views)
    assert len(stacked['inference']['views']) == len(IDENTITY) + sum(map(len, views))  # no view is counted twice


@pytest.mark.parametrize(
    'apart',
    [
        ('tta_flips', 'flips_rot90'),
        ('tta_flips', 'tta_dihedral'),
        ('tta_flips', 'tta_max'),
        ('tta_scales_flips', 'multi_scale_inference'),
        ('multi_scale', 'multi_scale_inference'),
        ('multi_scale', 'multi_scale_training'),
    ],
)
def test_rows_that_share_a_view_or_a_size_are_refused(apart):
    with pytest.raises(BadInput, match='both set'):
        refuse_clashes([ROWS[name] for name in apart])


def test_the_parts_of_multi_scale_are_its_rows_alone():
    for small in ('', '_small'):
        parts = ROWS[f'multi_scale_training{small}'].overlay, ROWS['multi_scale_inference'].overlay
        assert {**parts[0], **parts[1]} == ROWS[f'multi_scale{small}'].overlay
