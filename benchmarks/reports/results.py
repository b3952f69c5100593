"""The facts of a grid, from which its report is made: grid, records, profiles and counts."""

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from benchmarks.analysis.cell_scores import Additive, Rule, by_sums
from benchmarks.analysis.contrasts import Contrasts
from benchmarks.analysis.counts import Counts, fold_of, read_counts
from benchmarks.analysis.differences import lending_of
from benchmarks.analysis.folds import pooled_records
from benchmarks.analysis.learning import not_learned
from benchmarks.analysis.lenders import Lending
from benchmarks.analysis.looks import Looks
from benchmarks.analysis.pairs import Facts
from benchmarks.analysis.scores import foreground_classes
from benchmarks.analysis.spending import Look
from benchmarks.analysis.strata_counts import CellStrata, read_strata_counts
from benchmarks.record import cell_name, read_grid_json, read_profiles, read_records
from benchmarks.reports.interim import planned_cells
from benchmarks.reports.old_conditions import conditions_in
from benchmarks.store.checksums import refuse_altered


class _Results(NamedTuple):
    grid: dict
    records: dict[str, dict]
    profiles: dict[str, dict]
    counts: Counts
    strata: Mapping[str, CellStrata] = MappingProxyType({})
    of_folds: Mapping[str, dict] = {}


class Results(_Results):
    """The facts of a grid, from which its report is made.

    Attributes:
        grid: The content of ``grid.json``.
        records: Cell name to its record, for the cells of the grid.
        profiles: Stack to its profile, for the stacks of the grid.
        counts: Counts of the ok cells of the grid.
        strata: Strata of the ok cells; records from before them have none.
        of_folds: The records of the cells of each fold, which ``records`` and ``counts`` put together; empty for none.

    What follows from them for many tables is computed once: records and counts must not change afterwards.
    """

    @cached_property
    def foreground(self) -> np.ndarray:
        """Indices of the foreground classes, (F,)."""
        return foreground_classes(len(self.grid['classes']), self.grid['background'])

    @cached_property
    def ok_seeds(self) -> dict[str, list[int]]:
        """For each stack the seeds of the grid for which its cell is ok."""
        return {
            row['stack']: [seed for seed in self.grid['seeds'] if cell_name(row['stack'], seed) in self.counts.cells]
            for row in self.grid['rows']
        }

    @cached_property
    def weights(self) -> dict[str, str]:
        """For each cell a text that says whose weights it has: cells of one training, or ensemble, share them."""
        return _weights(self.records)

    @cached_property
    def not_learned(self) -> dict[str, list[str]]:
        """The ok cells whose network has learned nothing, in any fold, with the signs of it (:func:`not_learned`)."""
        found: dict[str, list[str]] = {}
        for of_fold in self._not_learned_by_fold:
            for cell, signs in of_fold.items():
                found[cell] = list(dict.fromkeys([*found.get(cell, []), *signs]))
        return found

    @cached_property
    def learned_nowhere(self) -> set[str]:
        """The ok cells of which no network, of any fold, has learned anything."""
        return set.intersection(*map(set, self._not_learned_by_fold))

    @cached_property
    def _not_learned_by_fold(self) -> list[dict[str, list[str]]]:
        """For each fold, or once without folds, the cells whose network has learned nothing, with the signs."""
        if self.counts.folds is not None:
            return [_not_learned_in_fold(self, fold) for fold in range(len(self.grid['folds']))]
        losses = {cell: (record['train'] or {}).get('best_constant') for cell, record in self.records.items()}
        return [not_learned(self.counts, self.weights, losses)]

    @cached_property
    def facts(self) -> Facts:
        """What decides, beside the counts, how cells are judged."""
        return Facts(
            effect_counts={cell: record['acted'] for cell, record in self.records.items()},
            not_learned=self.not_learned,
            maps={cell: record.get('maps_sha256') for cell, record in self.records.items()},
            weights=self.weights,
            learned_nowhere=self.learned_nowhere,
        )

    @cached_property
    def lending(self) -> Lending:
        """Who lends seed variance in a grid, so that a number has one interval wherever it stands."""
        return lending_of(self.grid['comparisons'], self.counts, self.facts, self.grid['seeds'])


def read_results(out: Path) -> Results:
    """Read the records below ``out``.

    Records of stacks or seeds that the grid no longer names are ignored, and so are counts of cells that are not ok.

    Raises:
        ValueError: A file is damaged or altered, or an ok cell has no counts; names file and field.
    """
    refuse_altered(Path(out))
    grid = read_grid_json(out)
    if 'open' in grid:
        grid['open'] = {part: frozenset(names) for part, names in grid['open'].items()}  # looked up for each cell
    stacks = {row['stack'] for row in grid['rows']}
    n_folds, cells = len(grid.get('folds', [])), set(planned_cells(grid))
    records = {record['cell']: record for record in read_records(out) if record['cell'] in cells}
    if 'conditions' not in grid:
        grid['conditions'] = conditions_in(Path(out), grid['rows'], records)
    profiles = {profile['stack']: profile for profile in read_profiles(out) if profile['stack'] in stacks}
    of_folds = records if n_folds else {}
    records = pooled_records(of_folds, n_folds) if n_folds else records
    counts = read_counts(out, n_folds)
    ok = {cell for cell, record in records.items() if record['status'] == 'ok'}
    if not ok <= set(counts.cells):
        raise ValueError(
            f'{out}/records/counts.csv.gz: has no rows for the ok cells {sorted(ok - set(counts.cells))}; '
            'run the grid again'
        )
    counts = counts._replace(cells={cell: part for cell, part in counts.cells.items() if cell in ok})
    strata = read_strata_counts(out, counts.images, len(grid['classes']), n_folds)
    return Results(grid, records, profiles, counts, {cell: strata[cell] for cell in sorted(ok & set(strata))}, of_folds)


def ok_seeds(results: Results, stack: str) -> list[int]:
    """The seeds of the grid for which the stack's cell is ok."""
    return results.ok_seeds.get(stack, [])


def looks_of(grid: Mapping) -> Looks | None:
    """The looks of a grid whose seeds were spent until decided; None for a fixed number of seeds."""
    if 'looks' not in grid:
        return None
    asked = grid['questions'][-1]['looks']
    return Looks(tuple(asked['seeds']), frozenset(asked['followed']), tuple(grid['looks']))


def looks_at(results: Results, sums: Iterable[Collection[str]]) -> list[Look]:
    """The look at which each sum of stacks is judged, by the names of its stacks."""
    looks = looks_of(results.grid)
    return [Look() if looks is None else looks.at(stacks) for stacks in sums]


def contrasts_of(results: Results, score: Additive, rule: Rule = by_sums) -> Contrasts:
    """Weighted sums of the stacks of a grid by one score, whose seed variances borrow as those of comparisons do."""
    return Contrasts(score, results.counts, results.grid['seeds'], results.foreground, results.lending, rule)


def _weights(records: Mapping[str, Mapping]) -> dict[str, str]:
    keys = {cell: record['keys'] for cell, record in records.items()}
    return {cell: of.get('combine') or of['train'] for cell, of in keys.items()}


def _not_learned_in_fold(results: Results, fold: int) -> dict[str, list[str]]:
    """The cells whose network of a fold has learned nothing, judged by the images of that fold, with the signs."""
    part = fold_of(results.counts, fold)
    records = {cell: results.of_folds[f'{cell}__fold{fold}'] for cell in part.cells}
    losses = {cell: record['train'].get('best_constant') for cell, record in records.items()}
    return not_learned(part, _weights(records), losses)
