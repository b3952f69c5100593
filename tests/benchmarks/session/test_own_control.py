"""A grid of more than a few rows gets a known harm by itself, where it can, and where it wants it."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.analysis.control import A_FEW_ROWS
from benchmarks.errors import BadInput
from benchmarks.plan.controls import with_control
from benchmarks.plan.designs import lay_out
from benchmarks.plan.grid import read_grid
from benchmarks.plan.layout import Comparison
from benchmarks.session import experiment
from benchmarks.session.experiment import plan_stages, read_request
from benchmarks.session.own_control import DECLINED, OwnControl, control_notes
from benchmarks.session.settings import Settings

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
HARM = ('third_of_steps',)
GAMMAS = list(range(1, A_FEW_ROWS + 1))  # one row for each, and the baseline


def request(folder, gammas=GAMMAS, extra='', options=None, more=''):
    (folder / 'grid.py').write_text(
        f"title, baseline = 'Mine', '{CONFIGS / 'baselines' / 'unet_small_icbm152.py'}'\n"
        f"designs = [dict(type='sweep', technique='focal', over=dict(gamma={gammas})), {more}]\n{extra}"
    )
    settings = Settings(folder / 'work', CONFIGS, 'cpu', cfg_options=options)
    return read_request(read_grid(folder / 'grid.py'), settings)


def test_a_grid_of_more_than_a_few_rows_gets_a_third_of_the_steps(tmp_path):
    got = request(tmp_path)
    layout, configs = got.stacks.layout, got.stacks.paired
    assert layout.stacks[-1] == HARM and len(layout.stacks) == A_FEW_ROWS + 2 and got.control.added == (HARM,)
    assert layout.comparisons[-1] == Comparison('positive_control', HARM, ())
    lengths = [configs[stack]['train_cfg']['max_iters'] for stack in ((), HARM)]
    assert lengths[1] == round(lengths[0] / 3)


@pytest.mark.parametrize(
    'changed, why_not',
    [
        (dict(gammas=GAMMAS[:-1]), ''),  # ten rows are a few
        (dict(extra='positive_control = False'), 'positive_control = False'),
        (dict(extra='equivalence_margin = 0'), ''),  # nothing is called equivalent there
        (dict(options={'train_cfg.max_iters': 2}), 'of which there is no third'),
        (
            dict(
                options={'param_scheduler': [dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=1, end=2)]}
            ),
            'LinearLR from 1 to 2 would have no length',
        ),
    ],
)
def test_other_grids_get_none_and_know_why(tmp_path, changed, why_not):
    got = request(tmp_path, **changed)
    assert HARM not in got.stacks.layout.stacks and got.control.added == ()
    assert why_not in got.control.why_not and bool(why_not) == bool(got.control.why_not)


def test_a_grid_keeps_the_control_that_it_has(tmp_path):
    half = "dict(type='positive_control', technique='half_labels')"
    got = request(tmp_path, more=half)
    assert got.control == OwnControl() and HARM not in got.stacks.layout.stacks
    own = request(tmp_path, more="dict(type='positive_control')")
    assert own.control == OwnControl() and own.stacks.layout.stacks.count(HARM) == 1


def test_a_row_of_that_name_becomes_the_control_and_the_plan_says_so(tmp_path):
    got = request(tmp_path, more="dict(type='each_alone', techniques=['third_of_steps'])")
    assert got.control == OwnControl(took_row=True) and got.stacks.layout.stacks.count(HARM) == 1
    (note,) = control_notes(got.control, got.stacks.layout, plan=None)
    assert "its row 'third_of_steps' is its positive control, a known harm; positive_control = False" in note
    trained = SimpleNamespace(cells=[SimpleNamespace(stack=(), weights=('train', 'baseline'))])
    (note,) = control_notes(OwnControl(((),), took_row=True), got.stacks.layout, trained)
    assert "a known harm, and it got the row 'baseline', 1 training; " in note


@pytest.mark.parametrize('gammas', [GAMMAS, [2]])
def test_a_technique_of_the_controls_name_is_refused_where_the_control_is_a_row(tmp_path, gammas):
    (tmp_path / 'techniques').mkdir()
    file = tmp_path / 'techniques' / 'third_of_steps.py'
    file.write_text("title, description, overlay = 'x', 'x', dict(train_cfg=dict(max_iters=7))\n")
    named = "dict(type='each_alone', techniques=['third_of_steps'])" if gammas == [2] else ''
    with pytest.raises(BadInput) as refused:
        request(tmp_path, gammas, more=named)
    assert str(refused.value).startswith(f"{file}: 'third_of_steps' is the name of the positive control")
    assert 'give the file another name' in str(refused.value)
    assert request(tmp_path, extra='positive_control = False').control.why_not == DECLINED  # no row of that name


def test_it_is_laid_out_as_a_design_behind_all_others():
    for designs in ([dict(type='each_alone', techniques=['a', 'b'])], [dict(type='explicit', pairs=[(['a'], ['b'])])]):
        assert with_control(lay_out(designs)) == lay_out([*designs, dict(type='positive_control')])


def test_the_plan_says_what_was_added_and_what_it_costs():
    cells = [
        SimpleNamespace(stack=stack, weights=('train', f'{stack}{seed}')) for stack in ((), HARM) for seed in range(3)
    ]
    layout, plan = SimpleNamespace(stacks=[()] * 12), SimpleNamespace(cells=cells)
    (added,) = control_notes(OwnControl((HARM,)), layout, plan)
    assert "a known harm: 'third_of_steps', 3 trainings; positive_control = False in the grid leaves it out" in added
    (none,) = control_notes(OwnControl(why_not='no third'), layout, plan)
    assert none == 'none of the 12 rows is a known harm, so “equivalent” rests on no control: no third'
    (declined,) = control_notes(OwnControl(why_not=DECLINED), layout, plan)
    assert declined.endswith("positive_control = False; dict(type='positive_control') among its designs adds one")
    assert control_notes(OwnControl(), layout, plan) == []


def test_the_row_that_was_added_costs_its_own_trainings_alone(tmp_path, monkeypatch):
    got = request(tmp_path, extra="seeds, baseline_seeds = 3, 'auto'")
    monkeypatch.setattr(experiment, 'names_digest', str)
    data = SimpleNamespace(of=lambda dataset: SimpleNamespace(fingerprint='data', split='names'))
    plan = plan_stages(got, data, SimpleNamespace(folder=lambda kind, key: Path(kind) / key))
    assert len(plan.seeds_of[()]) == 9  # 3 seeds times the root of 10 trainings; that of 11 would be 10
    (note,) = control_notes(got.control, got.stacks.layout, plan)
    assert len(plan.seeds_of[HARM]) == 3 and "'third_of_steps', 3 trainings" in note


@pytest.mark.parametrize(
    'text, said',
    [
        ('positive_controls = False', "'positive_controls' that no grid has; did you mean 'positive_control'?"),
        ('positive_control = 0', "'positive_control' is 0; give False for no positive control"),
    ],
)
def test_a_typo_is_refused_by_its_name(tmp_path, text, said):
    with pytest.raises(BadInput) as refused:
        request(tmp_path, extra=text)
    assert said in str(refused.value)
