"""The rows of a grid that compare techniques on the same test images, as teams of techniques."""

from collections.abc import Mapping
from typing import Any

from benchmarks.analysis.stacking import Team
from benchmarks.record import cell_name
from benchmarks.reports.results import Results, ok_seeds


def conditions(grid: Mapping[str, Any]) -> set[str]:
    """The techniques that change the test images alone.

    ``grid.json`` names them. Records that were written before it did have those whose comparisons end with
    ``@CONDITION``, and :func:`benchmarks.reports.results.read_results` has added those that the configs tell.
    """
    designs = [comparison['design'] for comparison in grid['comparisons']]
    named = {condition for _, at, condition in (design.partition('@') for design in designs) if at}
    return named | set(grid.get('conditions', []))


def clean_rows(grid: Mapping[str, Any]) -> list[dict]:
    """The rows without a condition, and without those that test the grid itself."""
    changed, testing = conditions(grid), stacks_that_test_the_grid(grid)
    return [row for row in grid['rows'] if row['stack'] not in testing and not changed & set(row['techniques'])]


def stacks_that_test_the_grid(grid: Mapping[str, Any]) -> set[str]:
    """The A/A arm and the positive control: what they differ by is no effect of a technique that anyone asks about."""
    return {row['stack'] for row in grid['rows'] if row.get('role')}


def teams(results: Results) -> dict[Team, str]:
    """Stack by its set of techniques, for the clean rows with an ok seed. The order of a stack changes no result."""
    found: dict[Team, str] = {}
    for row in clean_rows(results.grid):
        if ok_seeds(results, row['stack']):
            found.setdefault(frozenset(row['techniques']), row['stack'])
    return found


def stacks_not_learned(results: Results) -> set[str]:
    """The stacks with a seed whose network has learned nothing."""
    unlearned = results.not_learned
    return {
        row['stack']
        for row in results.grid['rows']
        if any(cell_name(row['stack'], seed) in unlearned for seed in results.grid['seeds'])
    }
