"""The band of chance of each pair of rows, from the trainings of the baseline and of its A/A arms."""

from collections.abc import Mapping

import numpy as np

from benchmarks.analysis.chance import NO_BAND, Band, Chance
from benchmarks.analysis.differences import Scores
from benchmarks.record import AGAIN_DESIGN, BASELINE, cell_name
from benchmarks.reports.results import Results, ok_seeds


class ChanceOfPairs:
    """What chance alone makes of the comparisons by one score."""

    def __init__(self, results: Results, scores: Scores) -> None:
        self._results = results
        self._baseline = self._learned(BASELINE, scores)
        arms = {row['stack'] for row in results.grid['comparisons'] if row['design'] == AGAIN_DESIGN}
        again = [score for stack in sorted(arms) for score in self._learned(stack, scores).values()]
        self._chance = Chance(np.array([*self._baseline.values()]), np.array(again))

    def _learned(self, stack: str, scores: Scores) -> dict[int, float]:
        """The score of a stack in each ok seed that has learned."""
        unlearned = self._results.not_learned
        seeds = [seed for seed in ok_seeds(self._results, stack) if cell_name(stack, seed) not in unlearned]
        return dict(zip(seeds, scores.of(stack, seeds).full)) if seeds else {}

    def band(self, comparison: Mapping) -> Band:
        """The band of a pair; none within one training, where another training is no chance."""
        pair = comparison['stack'], comparison['reference']
        stack, reference, baseline = (self._weights(name) for name in (*pair, BASELINE))
        shared = [seed for seed in stack if seed in reference][: comparison['n_seeds']]
        if not any(stack[seed] != reference[seed] for seed in shared):
            return NO_BAND
        of_reference, of_stack = (baseline.items() & side.items() for side in (reference, stack))
        if not (of_reference or of_stack):
            return self._chance.between_others(len(shared))
        own = np.array([self._baseline.get(seed, np.nan) for seed in shared])
        band = self._chance.to_baseline(own) if np.isfinite(own).all() else NO_BAND
        return band if of_reference else band.turned()

    def _weights(self, stack: str) -> dict[int, str]:
        """For each ok seed of a stack whose weights it has."""
        cells = {seed: cell_name(stack, seed) for seed in ok_seeds(self._results, stack)}
        weights = self._results.weights
        return {seed: weights[cell] for seed, cell in cells.items() if cell in weights}
