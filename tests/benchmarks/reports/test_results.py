"""What is read of the records of a grid, and what is refused."""

import pytest

from benchmarks import record
from benchmarks.reports.results import read_results
from benchmarks.reports.table import stack_table


def test_an_ok_cell_without_counts_is_refused(tmp_path, synthetic_writer):
    synthetic_writer(tmp_path)
    (tmp_path / 'records' / 'counts.csv.gz').unlink()
    with pytest.raises(ValueError, match=r"counts.csv.gz: has no rows for the ok cells \['attention\+loss__seed0'"):
        read_results(tmp_path)


def test_records_that_the_grid_no_longer_names_are_left_aside(tmp_path, synthetic_writer):
    synthetic_writer(tmp_path)
    grid = record.read_grid_json(tmp_path)
    grid['seeds'] = [0, 1]
    record.write_grid(tmp_path, grid)
    assert list(stack_table(read_results(tmp_path))['status']) == ['ok', 'ok', 'ok']
    assert set(stack_table(read_results(tmp_path))['n_seeds']) == {2}
