"""The audit of scoring: each comparison and the order of the rows by each way of scoring the same counts."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.analysis.contrasts import Contrasts
from benchmarks.analysis.families import distinct_pairs
from benchmarks.analysis.findings import intervals_at, verdicts_of
from benchmarks.analysis.metrics import METRIC_OF
from benchmarks.analysis.ways import DICE, WAYS
from benchmarks.reports.arms import clean_rows, stacks_not_learned, stacks_that_test_the_grid
from benchmarks.reports.pair_verdicts import NONE_COMPARED, PairVerdict, PairVerdicts
from benchmarks.reports.results import Results, contrasts_of, looks_at, ok_seeds

WAY_COLUMNS = ('way', 'unit', 'stack', 'reference', 'delta', 'low', 'high', 'verdict', 'n_seeds')
RANK_COLUMNS = ('way', 'stack', 'score', 'rank')
_NO_TABLE: Mapping[str, PairVerdicts] = MappingProxyType({})


class Audit(NamedTuple):
    """Conclusions by each way of scoring.

    Attributes:
        comparisons: One row per way and pair, with the columns ``WAY_COLUMNS``; a positive ``delta`` is better.
        ranks: One row per way and stack, with the columns ``RANK_COLUMNS``; rank 1 is the best mean.
        same: Way to another way that gives each cell the same score, and stands for it.
        compared: The ways that are metrics of the comparison table.
    """

    comparisons: pd.DataFrame
    ranks: pd.DataFrame
    same: dict[str, str]
    compared: tuple[str, ...] = ()

    def order_likeness(self, way: str) -> float:
        """Kendall's tau of the order of the rows by a way and by Dice: 1 is the same order, 0 no relation."""
        by_way = self.ranks.pivot(index='stack', columns='way', values='score')
        return float(stats.kendalltau(by_way[way], by_way[DICE]).statistic)


def audit(results: Results, told: Mapping[str, PairVerdicts] = _NO_TABLE) -> Audit:
    """Score the counts in all ways of :mod:`benchmarks.analysis.ways` that are defined and differ from one another.

    By a way that is a metric of the comparison table a pair has the verdict and the numbers of that table. Other
    verdicts are gain, loss or undecided by the same test for each way, corrected over the pairs. Stacks that have not
    learned, and those that test the grid itself, are left out.

    Args:
        results: The records and counts of the grid.
        told: The comparison table by the names of its metrics.
    """
    unlearned = stacks_not_learned(results)
    left_out = unlearned | stacks_that_test_the_grid(results.grid)
    pairs = [pair for pair in distinct_pairs(results.grid['comparisons']) if not left_out & set(pair)]
    rows = [row['stack'] for row in clean_rows(results.grid)]
    rows = [stack for stack in rows if stack not in unlearned and ok_seeds(results, stack)]
    of_way = {way: contrasts_of(results, WAYS[way]) for way in WAYS}
    kept, same = _distinct(results, of_way)
    metric_of = _metrics(kept, same)
    compared, ranks, looks = [], [], looks_at(results, pairs)
    for way in kept:
        estimates = [of_way[way].estimate({stack: 1.0, reference: -1.0}) for stack, reference in pairs]
        verdicts, ends = verdicts_of(estimates, at=looks), intervals_at(estimates, looks)
        metric = metric_of[way]
        by_table = told.get(metric, NONE_COMPARED)
        compared += [
            dict(zip(WAY_COLUMNS, (way, WAYS[way].unit, *pair, float(est.value), *low_high, verdict, est.n_seeds)))
            | _as_told(by_table.get(pair), metric)
            for pair, est, low_high, verdict in zip(pairs, estimates, ends, verdicts)
            if est is not None
        ]
        scores = np.array([of_way[way].by_seed({stack: 1.0}).mean() for stack in rows])
        order = stats.rankdata(-scores, method='min') if np.isfinite(scores).all() else np.full(len(rows), np.nan)
        ranks += [dict(zip(RANK_COLUMNS, (way, *values))) for values in zip(rows, scores, order)]
    return Audit(
        pd.DataFrame(compared, columns=list(WAY_COLUMNS)),
        pd.DataFrame(ranks, columns=list(RANK_COLUMNS)),
        same,
        tuple(way for way in kept if metric_of[way] in told),
    )


def _as_told(known: PairVerdict | None, metric: str) -> dict:
    """The columns that come from the comparison table by a metric, of which less may be better; none without a pair."""
    if known is None:
        return {}
    columns = known.columns
    if METRIC_OF[metric].less_is_better and 'delta' in columns:
        columns |= dict(delta=0.0 - known.delta, low=0.0 - known.high, high=0.0 - known.low)
    return {name: value for name, value in columns.items() if name in WAY_COLUMNS}


def _metrics(kept: Sequence[str], same: Mapping[str, str]) -> dict[str, str]:
    """The metric of each way that is kept, its own or that of a way for which it stands; empty for none."""
    of_twins = {other: WAYS[way].metric for way, other in same.items() if WAYS[way].metric}
    return {way: WAYS[way].metric or of_twins.get(way, '') for way in kept}


def _distinct(results: Results, of_way: dict[str, Contrasts]) -> tuple[list[str], dict[str, str]]:
    """The ways that are defined for all cells and differ; and those that equal another one."""
    scores: dict[str, np.ndarray] = {}
    same: dict[str, str] = {}
    seeds = {row['stack']: ok_seeds(results, row['stack']) for row in results.grid['rows']}
    for way, contrasts in of_way.items():
        own = np.array([level for stack, ok in seeds.items() if ok for level in contrasts.of(stack, ok).full])
        twin = next((other for other, theirs in scores.items() if np.allclose(own, theirs, rtol=0, atol=1e-9)), None)
        if twin is not None:
            same[way] = twin
        elif np.isfinite(own).all():
            scores[way] = own
    return list(scores), same
