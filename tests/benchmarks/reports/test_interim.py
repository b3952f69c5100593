"""The report of a run that goes on: open rows are marked, and what is finished is judged as ever."""

import json

import pandas as pd
import pytest

from benchmarks.record import cell_name, read_grid_json, write_grid
from benchmarks.reports.interim import interim_text, open_seeds_of
from benchmarks.reports.looks import looks_text
from benchmarks.reports.report import make_report
from benchmarks.reports.results import read_results
from benchmarks.reports.summary import summary
from benchmarks.reports.table import comparison_table, stack_table

LAST = 'attention+loss'


@pytest.fixture
def interrupted(tmp_path, synthetic_writer):
    """The synthetic grid after one seed of its last row, none of whose costs is measured; another cell failed."""
    out = synthetic_writer(tmp_path)
    still_open = [cell_name(LAST, seed) for seed in (1, 2)]
    for cell in still_open:
        (out / 'records' / f'{cell}.json').unlink()
    (out / 'records' / f'{LAST}__profile.json').unlink()
    write_grid(out, read_grid_json(out) | dict(open=dict(cells=still_open, profiles=[LAST])))
    return out


def test_open_rows_say_so_and_failed_ones_stay_failed(interrupted):
    table = stack_table(read_results(interrupted)).set_index('stack')
    assert list(table['status']) == ['ok', 'failed: out_of_memory (1 of 3)', 'open (2 of 3)']
    assert list(table['profile_status']) == ['ok', 'ok', 'open'] and list(table['n_seeds']) == [3, 2, 1]


def test_the_report_says_first_how_much_is_finished(interrupted):
    text = make_report(interrupted).read_text()
    assert text.split('\n\n')[1].startswith(
        '**Interim report: 7 of 9 cells are finished, and the cost of 1 row is still to be measured.**'
    )
    assert 'Panels of test images are drawn when the run ends, unless it has `--no-panels`.' in text
    page = (interrupted / 'report' / 'index.html').read_text()
    assert '<strong>Interim report: 7 of 9 cells are finished' in page.split('What helps')[0]
    assert page.count('Interim report: ') == 1 and text.count('Interim report: ') == 1
    assert '<div class="prose"><p>Dice on ' in page.split('Improvement table</h2>')[1]
    row = next(line for line in text.splitlines() if line.startswith('| + loss |'))
    assert '(1 seed, so the interval covers images only; open (2 of 3))' in row
    assert 'open (2 of 3); what follows rests on the seeds that have finished so far.' in text


def test_a_row_without_a_finished_cell_has_no_numbers_yet(interrupted):
    (interrupted / 'records' / f'{LAST}__seed0.json').unlink()
    grid = read_grid_json(interrupted)
    grid['open']['cells'].append(f'{LAST}__seed0')
    write_grid(interrupted, grid)
    text = make_report(interrupted).read_text()
    assert '| + loss | open (3 of 3) | open | open |' in text and 'open (3 of 3); it has no numbers yet.' in text
    page = (interrupted / 'report' / 'index.html').read_text()
    assert 'open against “baseline” (each_alone): they share no finished seed yet.' in text
    assert 'missing' not in text.split('## Conventions')[0] and '>missing<' not in page and '>open</td>' in page
    assert ',missing,' not in (interrupted / 'report' / 'comparisons.csv').read_text()


def test_a_failed_row_is_missing_in_an_interim_report_too(tmp_path, synthetic_writer):
    failed = [cell_name(LAST, seed) for seed in range(3)]
    out = synthetic_writer(tmp_path, failed=failed)
    write_grid(out, read_grid_json(out) | dict(open=dict(cells=[], profiles=[])))
    of_row = comparison_table(read_results(out)).set_index('stack').loc[[LAST]]
    assert set(of_row['verdict']) == {'missing'}


def test_an_open_primary_comparison_is_not_settled():
    grid = dict(looks=[{}], questions=[dict(looks=dict(seeds=[2, 3]))])
    pair = dict(stack='x', reference='baseline', family='primary', verdict='open')
    assert 'Settled: 0 of 1 primary comparisons.' in looks_text(grid, pd.DataFrame([pair]))


def test_the_answer_says_what_is_open_and_counts_cells_as_the_report_does(tmp_path, folded_writer):
    out = folded_writer(tmp_path, n_folds=2)
    names = [cell_name(LAST, seed, fold) for seed, fold in ((0, 0), (1, 0), (2, 0), (2, 1))]
    for name in names:
        (out / 'records' / f'{name}.json').unlink()
    write_grid(out, read_grid_json(out) | dict(open=dict(cells=names, profiles=[])))
    results = read_results(out)
    assert 'Interim report: 14 of 18 cells are finished' in interim_text(results.grid)
    said = summary(results, stack_table(results), comparison_table(results)).open
    assert '4 of 18 cells have not finished.' in said
    assert 'comparison is undecided' not in said
    assert said.startswith(
        '1 of 2 primary comparisons is settled. Open, because no seed of both rows has finished yet: “+ loss” against '
        '“+ attention”.'
    )
    assert ' 1 of 2 compared rows has an exploratory comparison that is open: “+ loss”.' in said


def test_a_cell_with_an_open_fold_is_open(interrupted):
    grid = read_grid_json(interrupted)
    names = [cell_name(LAST, seed, fold) for seed, fold in ((0, 1), (2, 0), (2, 1))]
    folded = grid | dict(folds=[{}, {}], open=dict(cells=names, profiles=[]))
    assert open_seeds_of(folded, grid['rows'][2]) == {0, 2} and not open_seeds_of(folded, grid['rows'][0])


def test_open_parts_of_another_type_are_refused(interrupted):
    content = json.loads((interrupted / 'grid.json').read_text()) | dict(open=dict(cells='all'))
    (interrupted / 'grid.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match="field 'open.cells' is 'all'; list is needed"):
        read_grid_json(interrupted)


def test_a_run_that_has_finished_nothing_has_a_report(interrupted):
    """As after Ctrl-C in the first training, where --out was new."""
    for path in (interrupted / 'records').iterdir():
        path.unlink()
    grid = read_grid_json(interrupted)
    cells = [cell_name(row['stack'], seed) for row in grid['rows'] for seed in grid['seeds']]
    write_grid(interrupted, grid | dict(open=dict(cells=cells, profiles=[row['stack'] for row in grid['rows']])))
    text = make_report(interrupted).read_text()
    assert 'Interim report: 0 of 9 cells are finished, and the cost of 3 rows is' in text
    assert '**No cell succeeded so far.**' in text and text.count('open (3 of 3)') == 6


def test_a_run_that_came_to_its_end_says_nothing_of_it(tmp_path, synthetic_writer):
    assert 'nterim' not in make_report(synthetic_writer(tmp_path)).read_text()
