"""Overlays with damage of all kinds: composed, or refused with the technique's name, and neither input is changed."""

import copy
import json
from pathlib import Path

import pytest
from mutations import mutated_tree

from benchmarks.errors import BadInput
from benchmarks.stacks.compose import compose_all, dump_config, load_config, strip_helpers
from benchmarks.stacks.references import Levels
from benchmarks.stacks.technique import Technique, read_technique

FOLDER = 'overlays'
ROOT = Path(__file__).resolve().parents[2]
WRITTEN = 20  # one in so many configs: to lay out its text takes ten times as long as to compose it
MARKS = ('_delete_', '_keep_', '_only_', '_wrap_', '_insert_', '_after_', '_before_', '_each_', '_from_', '_probe_')
PIPELINE = [dict(type='LoadImageFromFile'), dict(type='RandomFlip', prob=0.5), dict(type='PackSegInputs')]


@pytest.fixture(scope='module')
def base():
    """A small U-Net on a data set."""
    config = load_config(ROOT / 'configs' / '_base_' / 'models' / 'unet_small.py')
    loader = dict(batch_size=2, dataset=dict(type='BaseSegDataset', data_root='x', pipeline=PIPELINE))
    training = dict(train_cfg=dict(type='IterBasedTrainLoop', max_iters=9), optim_wrapper=dict(optimizer=dict(lr=0.1)))
    hooks = dict(custom_hooks=[dict(type='A')], param_scheduler=[dict(type='PolyLR', end=9)])
    return strip_helpers(config) | dict(train_dataloader=loader, test_dataloader=loader) | training | hooks


@pytest.fixture(scope='module')
def overlays():
    """The overlays of the techniques that ship, by name."""
    rows = [read_technique(path) for path in sorted((ROOT / 'configs' / 'techniques').glob('*.py'))]
    return {row.name: row.overlay for row in rows}


def composed(base, overlay, folder=None):
    """Compose a stack of one technique, and write the config to a folder as reports keep it."""
    row = Technique('fuzzed', 'fuzzed', '', overlay)
    before = copy.deepcopy((base, overlay))
    try:
        config = compose_all(base, [('fuzzed',)], dict(fuzzed=row), lambda config: Levels([8, 16], [1, 2]))[('fuzzed',)]
    except BadInput as error:
        assert "technique 'fuzzed'" in str(error), error
        return 'refused'
    finally:
        assert repr((base, overlay)) == repr(before)
    if folder:
        dump_config(config, folder / 'config.py')
    return 'composed'


def test_what_is_kept_is_composed_or_refused(base, inputs, tmp_path):
    for name, data in inputs.kept.items():
        assert composed(base, json.loads(data), tmp_path) == name.partition('_')[0], name


@pytest.mark.slow
def test_damaged_overlays_are_composed_or_refused(base, overlays, inputs, tmp_path):
    names, how = sorted(overlays), dict(composed=0, refused=0)
    for number, rng in inputs.numbered():
        overlay = mutated_tree(overlays[rng.choice(names)], rng, MARKS)
        if isinstance(overlay, dict):
            how[composed(base, overlay, None if number % WRITTEN else tmp_path)] += 1
    assert all(how.values()), how
