"""``--until-decided``: seeds where a primary comparison is open, a rerun that runs nothing, a report with the same
verdicts from the records alone.
"""

import csv
import json
import shutil

import pytest


@pytest.fixture(scope='module')
def spent(project, write_grid, tmp_path_factory):
    """A grid with a step that does nothing (settled at once) and one that four seeds hardly decide; its first run."""
    grid = write_grid(tmp_path_factory.mktemp('until'), ['cbam', 'tta_flips'])
    text = grid.path.read_text().replace('cumulative', 'each_alone')
    grid.path.write_text(text + "primary = [(['cbam'], [])]\nequivalence_margin = 0\n")
    flags = ('--until-decided', '--seeds', '4')
    return grid, flags, project.run(grid, *flags)


def verdicts(grid):
    with open(grid.out / 'report' / 'comparisons.csv', newline='') as stream:
        return [
            (row['stack'], row['metric'], row['n_seeds'], row['verdict'], row['p_corrected'], row['interval_level'])
            for row in csv.DictReader(stream)
        ]


def test_the_open_comparison_gets_seeds_and_the_explored_one_does_not(spent):
    grid, _, done = spent
    assert done.status == 0, done.said
    content = json.loads((grid.out / 'grid.json').read_text())
    assert [one['looks']['seeds'] for one in content['questions']] == [[2, 3, 4]]
    assert content['questions'][0]['n_results'] == 0
    seeds = {row['stack']: len(row['seeds']) for row in content['rows']}
    assert seeds['tta_flips'] == 2 and seeds == content['looks'][-1]
    taken = len(content['looks'])
    assert seeds['baseline'] == seeds['cbam'] == taken + 1
    assert len([line for line in done.stdout.splitlines() if line.startswith('look at ')]) == taken - 1
    assert 'settled: ' in done.stdout and 'looks: at 2, 3, 4 seeds' in done.stdout


def test_a_rerun_runs_nothing_and_says_the_same(spent, project):
    grid, flags, _ = spent
    before, said = grid.manifests(), verdicts(grid)
    stamp = (grid.out / 'report' / 'README.md').stat().st_mtime_ns
    done = project.run(grid, *flags)
    assert done.status == 0, done.said
    assert grid.manifests() == before and verdicts(grid) == said
    assert (grid.out / 'report' / 'README.md').stat().st_mtime_ns == stamp


def test_a_report_from_the_records_alone_has_the_same_verdicts(spent, project, tmp_path):
    grid, _, _ = spent
    copy = grid.moved(tmp_path / 'copy')
    shutil.rmtree(copy.out / 'report')
    done = project.run(copy, '--report-only')
    assert done.status == 0, done.said
    assert verdicts(copy) == verdicts(grid)
    assert 'another state' not in done.stdout


def test_the_budget_of_cells_stops_before_the_next_look(spent, project, tmp_path):
    grid, flags, _ = spent
    copy = grid.moved(tmp_path / 'copy')
    done = project.run(copy, *flags, '--budget', '7cells')
    assert done.status == 0, done.said
    if len(json.loads((grid.out / 'grid.json').read_text())['looks']) > 1:
        assert 'the look at 3 seeds was not begun: the grid then has 8 cells, and --budget allows 7' in done.stdout
        assert '  open: cbam against baseline after 2 seeds' in done.stdout
        assert len(json.loads((copy.out / 'grid.json').read_text())['looks']) == 1


def test_a_dry_run_tells_looks_levels_and_trainings(spent, project):
    grid, flags, _ = spent
    said = project.run(grid, *flags, '--dry-run').stdout
    assert 'looks: at 2, 3, 4 seeds, with the nominal levels 0.0125, ' in said
    assert 'trainings: 4 if the first look decides all, 8 if the last one is needed for all' in said
