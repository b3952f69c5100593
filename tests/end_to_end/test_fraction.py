"""A fraction of a factorial from its file to its report."""

import csv
import json

import pytest

TECHNIQUES = ['tta_flips', 'multi_scale_inference', 'morphology']  # they share the one training
ALIASES = {
    'tta_flips': 'morphology×multi_scale_inference',
    'multi_scale_inference': 'morphology×tta_flips',
    'morphology': 'multi_scale_inference×tta_flips',
}


@pytest.fixture(scope='module')
def fraction(project, write_grid, tmp_path_factory):
    """The grid after its run, and what the run said."""
    grid = write_grid(tmp_path_factory.mktemp('fraction'), TECHNIQUES, design='factorial', seeds=2)
    grid.path.write_text(grid.path.read_text().replace("type='factorial'", "type='factorial', resolution=3"))
    return project.run(grid), grid


def test_half_of_the_subsets_run(fraction):
    done, grid = fraction
    assert done.status == 0, done.said
    assert 'factorial of 3 techniques in 4 of 8 rows, resolution III; not told apart: ' in done.stdout
    assert '8 cells, 2 trainings' in done.stdout
    assert [(row['stack'], row['status'], row['n_seeds']) for row in grid.table()] == [
        ('baseline', 'ok', '2'),
        ('tta_flips+multi_scale_inference', 'ok', '2'),
        ('tta_flips+morphology', 'ok', '2'),
        ('multi_scale_inference+morphology', 'ok', '2'),
    ]
    (kept,) = json.loads((grid.out / 'grid.json').read_text())['fractions']
    assert (kept['rows'], kept['resolution'], kept['techniques']) == (4, 3, TECHNIQUES)


def test_a_main_effect_is_rows_with_less_rows_without(fraction):
    _, grid = fraction
    dice = {frozenset(row['stack'].split('+')): float(row['dice']) for row in grid.table()}
    with open(grid.out / 'report' / 'effects.csv', newline='') as stream:
        effects = {row['technique']: row for row in csv.DictReader(stream)}
    assert effects.keys() == set(TECHNIQUES)  # no interaction has a row: it is a main effect's alias
    for name, row in effects.items():
        having = [value for stack, value in dice.items() if name in stack]
        lacking = [value for stack, value in dice.items() if name not in stack]
        assert (row['kind'], row['aliases']) == ('main effect', ALIASES[name])
        assert float(row['value']) == pytest.approx(sum(having) / 2 - sum(lacking) / 2, abs=2e-4)  # of four decimals
    assert any(abs(float(row['value'])) > 0.01 for row in effects.values())


def test_the_report_names_what_is_not_told_apart(fraction):
    _, grid = fraction
    report = (grid.out / 'report' / 'README.md').read_text()
    for alias in ALIASES.values():
        assert alias in report
