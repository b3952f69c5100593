"""Each drift is told once, for the row where it comes in; a clean grid is silent."""

from types import SimpleNamespace

import pytest

from benchmarks.plan.designs import lay_out
from benchmarks.preflight.confounders import Arm
from benchmarks.session.confounders import warnings_of
from benchmarks.session.data_summary import show_lints
from benchmarks.stacks.technique import Technique

NAMES = ('attention', 'scales', 'views')


CONFIG = dict(model=dict(type='M'), train_dataloader=dict(batch_size=8), train_cfg=dict(max_iters=100))


def warned(design, facts):
    """The warnings of a design; ``facts`` gives those of the arms with a technique."""
    stacks = SimpleNamespace(
        layout=lay_out([design]),
        techniques={name: Technique(name, name, name, dict(model=dict(decode_head=name))) for name in (*NAMES, 'n')},
    )
    arms = {}
    for stack in stacks.layout.stacks:
        own = {key: value for name in stack for key, value in facts.get(name, {}).items()}
        arms[stack] = Arm(
            CONFIG, **dict(dict(steps=100, images=50, parameters=1000, pixels=900.0, operations=5000), **own)
        )
    return list(warnings_of(stacks, arms))


@pytest.mark.parametrize('kind', ['cumulative', 'each_alone', 'leave_one_out', 'factorial'])
def test_a_clean_grid_is_silent(kind):
    assert warned(dict(type=kind, techniques=list(NAMES)), {}) == []


def test_a_drift_is_told_where_it_comes_in():
    (text,) = warned(dict(type='cumulative', techniques=list(NAMES)), dict(scales=dict(pixels=1890.0)))
    assert text.startswith(
        "the row 'attention+scales' differs from 'attention' in more than 'scales' declares: 2.1 times as many pixels "
        'per image in training. A difference of scores may come from that. A control at equal compute is the reference '
        'with 2.1 times the steps: a technique with overlay = dict(train_cfg=dict(max_iters=dict(_times_=2.1)))'
    )


def test_a_row_without_a_technique_is_told_as_the_row_with_it():
    (text,) = warned(dict(type='leave_one_out', techniques=list(NAMES)), dict(scales=dict(pixels=1890.0)))
    assert "the row 'attention+scales+views' differs from 'attention+views' in more than 'scales'" in text


def test_conditions_add_no_warning():
    design = dict(type='each_alone', techniques=['attention', 'scales'], conditions=['n'])
    assert len(warned(design, dict(scales=dict(parameters=9000)))) == 1


def test_rows_that_test_the_grid_are_no_arms(monkeypatch):
    harm = dict(type='positive_control', technique='scales')
    assert warned(harm, dict(scales=dict(parameters=9000))) == warned(dict(type='aa'), {}) == []


def test_warnings_are_printed(capsys):
    show_lints(['it drifts'])
    assert capsys.readouterr().out == 'warning: it drifts\n'
