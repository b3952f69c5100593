"""What the comparisons of whole commands run: a grid that is a real one, and commands whose failures are not timed."""

import statistics

import pytest

from benchmarks.plan.designs import lay_out
from benchmarks.plan.grid import read_grid
from benchmarks.speed.plan import LIMIT_S, SIZES, TECHNIQUES, _line
from benchmarks.speed.whole_command import ROOT, command_seconds, write_baseline, write_grid
from benchmarks.stacks.compose import load_config
from benchmarks.stacks.technique import load_techniques


def test_grid_and_baseline_are_read_as_they_were_written(tmp_path):
    write_baseline(tmp_path)
    grid = read_grid(write_grid(tmp_path, 'some', 'factorial', TECHNIQUES[:2], 3))
    assert (grid.name, grid.seeds) == ('some', 3) and len(lay_out(grid.designs).stacks) == 4
    config = load_config(grid.baseline)
    assert config['test_dataloader']['dataset']['data_root'] == str(tmp_path / 'data')
    assert len(list((tmp_path / 'data' / 'img' / 'test').iterdir())) == 4


def test_the_largest_plan_has_ten_thousand_cells_of_techniques_that_are_there():
    assert max(2**techniques * seeds for techniques, seeds in SIZES) >= 10_000 and LIMIT_S == 5
    assert list(load_techniques(ROOT / 'configs' / 'techniques', list(TECHNIQUES))) == list(TECHNIQUES)


def test_a_command_that_fails_has_no_seconds(tmp_path):
    with pytest.raises(RuntimeError, match='ended with 2:\nerror: there is no grid .*missing.py'):
        command_seconds(tmp_path / 'missing.py', tmp_path / 'work')


def test_a_line_through_points_on_a_line():
    fit = _line([10, 20, 40], [1.5, 2.0, 3.0])
    assert fit == pytest.approx(dict(intercept_s=1.0, ms_per_cell=50.0, r_squared=1.0))
    assert _line([10, 20, 30], [1, 4, 5])['r_squared'] == pytest.approx(
        statistics.correlation([1, 2, 3], [1, 4, 5]) ** 2
    )
