"""What may be spent until a question is decided."""

import pytest

from benchmarks.errors import BadInput
from benchmarks.session.budget import Budget, parse_budget, refuse_gpu_hours_without_a_gpu


@pytest.mark.parametrize(
    'text, budget',
    [
        (None, Budget()),
        ('30min', Budget(seconds=1800)),
        ('2h', Budget(seconds=7200)),
        ('1.5 h', Budget(seconds=5400)),
        ('90s', Budget(seconds=90)),
        ('500cells', Budget(cells=500)),
        ('1.5gpuh', Budget(seconds=5400, of_gpu=True)),
    ],
)
def test_wall_times_and_cells_are_read(text, budget):
    assert parse_budget(text) == budget


def test_gpu_hours_are_those_of_all_gpus_that_run_stages():
    assert parse_budget('4gpuh', gpus=2) == Budget(seconds=7200, of_gpu=True)
    assert parse_budget('2h', gpus=2) == Budget(seconds=7200)


@pytest.mark.parametrize(
    'text', ['', '30', 'min', '0h', '-1h', '30 minutes', '1.5cells', '0cells', '0gpuh', 'gpuh', '2h30min']
)
def test_what_is_no_budget_is_refused(text):
    with pytest.raises(BadInput, match='--budget .*such as 30min, 2h or 1d, GPU-hours: 2gpuh, or cells: 500cells'):
        parse_budget(text)


def test_a_look_beyond_the_wall_time_is_not_begun_but_for_one_in_the_store():
    budget = Budget(seconds=100)
    assert budget.exceeded_by(40, 59, 10**6, free=False) is None
    assert '0:40 of --budget 1:40 are gone' in budget.exceeded_by(40, 61, 1, free=False)
    assert budget.exceeded_by(200, 0, 1, free=True) is None


def test_cells_count_whether_they_are_in_the_store_or_not():
    assert Budget(cells=10).exceeded_by(1e9, 1e9, 10, free=False) is None
    assert '11 cells, and --budget allows 10' in Budget(cells=10).exceeded_by(0, 0, 11, free=True)


def test_gpu_hours_need_a_gpu():
    with pytest.raises(BadInput, match='--budget 2gpuh: this run uses no GPU .*; give a wall time'):
        refuse_gpu_hours_without_a_gpu('2gpuh', 'cpu')
    for text, device in (('2gpuh', 'cuda'), ('2h', 'cpu'), ('2h', 'cuda'), (None, 'cpu')):
        refuse_gpu_hours_without_a_gpu(text, device)
