"""The table of views: what each set of test-time views gains and costs, among rows of one training."""

from collections.abc import Iterator, Mapping

import pandas as pd

from benchmarks.analysis.findings import Finding, judged, of_these_checkpoints_if_one
from benchmarks.analysis.scores import SCORES
from benchmarks.record import cell_name
from benchmarks.reports.arms import clean_rows, stacks_not_learned
from benchmarks.reports.pair_verdicts import NONE_COMPARED, PairVerdict, PairVerdicts
from benchmarks.reports.results import Results, contrasts_of, looks_at, ok_seeds

VIEWS_COLUMNS = (
    'stack',
    'reference',
    'views',
    'views_of_reference',
    'gain',
    'low',
    'high',
    'verdict',
    'gain_per_view',
    'latency_ms',
    'ms_per_view',
    'before',
    'step',
    'step_low',
    'step_high',
    'step_verdict',
    'n_seeds',
)


def views_table(
    results: Results, stacks: pd.DataFrame, margin: float, told: PairVerdicts = NONE_COMPARED
) -> pd.DataFrame:
    """One row per stack with more views than another one of its training, with the columns ``VIEWS_COLUMNS``.

    ``reference`` is the row with the fewest views, ``before`` that with the next fewer ones (the first in the grid of
    equals). ``gain`` and ``step`` are the differences to them in Dice points. ``gain_per_view`` and ``ms_per_view``
    divide the differences of Dice and of the median latency to ``reference`` by the number of views that are added.
    A pair that the grid compares has the verdict and the numbers of that comparison. Of the others gains and steps are
    corrected over all in this table, because nobody asked for them one by one. ``n_seeds`` are those behind ``gain``.
    With one seed all speak of the network that was trained alone. Rows with refinements, rows that have not learned,
    and records without the number of views are left out.

    Args:
        results: The records and counts of the grid.
        stacks: The stack table.
        margin: Equivalence margin, percent points; 0 for none.
        told: The comparison table by Dice; a pair that it compares has its verdict and its numbers.
    """
    contrasts = contrasts_of(results, SCORES['dice'])
    rows = list(_sets_of_views(results))
    pairs = [(row['stack'], row[other]) for other in ('reference', 'before') for row in rows]
    estimates = [contrasts.estimate({stack: 1.0, other: -1.0}) for stack, other in pairs]
    asked = [of_these_checkpoints_if_one(est) for est in estimates]
    found = judged(asked, margin, at=looks_at(results, pairs))
    of_seeds = [one._replace(n_seeds=est.n_seeds if est else 0) for one, est in zip(found, estimates)]
    found = [_as_told(one, told.get(pair)) for one, pair in zip(of_seeds, pairs)]
    latency = dict(zip(stacks['stack'], stacks['latency_ms_p50'].astype(float)))
    for row, gain, step in zip(rows, found, found[len(rows) :]):
        more = row['views'] - row['views_of_reference']
        row |= _columns('gain', '', gain) | _columns('step', 'step_', step) | dict(n_seeds=gain.n_seeds)
        row |= dict(gain_per_view=gain.value / more, latency_ms=latency[row['stack']])
        row |= dict(ms_per_view=(latency[row['stack']] - latency[row['reference']]) / more)
    return pd.DataFrame(rows, columns=list(VIEWS_COLUMNS))


def _as_told(found: Finding, known: PairVerdict | None) -> Finding:
    """A finding as the comparison table has it, if that has the pair; with one seed on these checkpoints."""
    if known is None:
        return found
    found = known.of(found)
    # With one seed the interval on new seeds is that on these checkpoints.
    return found if known.n_seeds > 1 else found._replace(verdict=known.checkpoints_verdict)


def _columns(name: str, before: str, finding: Finding) -> dict:
    ends = {f'{before}low': finding.low, f'{before}high': finding.high, f'{before}verdict': finding.verdict}
    return {name: finding.value} | ends


def _sets_of_views(results: Results) -> Iterator[dict]:
    """The rows with more views than another one of their training."""
    for family in _families(results):
        numbers = sorted(set(family.values()))
        first = {number: next(stack for stack, views in family.items() if views == number) for number in numbers}
        for stack, views in sorted(family.items(), key=lambda entry: entry[1]):
            if views > numbers[0]:
                yield dict(
                    stack=stack,
                    reference=first[numbers[0]],
                    views=views,
                    views_of_reference=numbers[0],
                    before=first[numbers[numbers.index(views) - 1]],
                )


def _families(results: Results) -> list[dict[str, int]]:
    """The number of views of each stack, those of one training together."""
    weights, unlearned = results.weights, stacks_not_learned(results)
    families: list[dict[str, int]] = []
    of_stack: dict[str, dict[int, str]] = {}
    for row in clean_rows(results.grid):
        stack = row['stack']
        cells = {seed: cell_name(stack, seed) for seed in ok_seeds(results, stack)}
        records = [results.records[cell] for cell in cells.values()]
        numbers = {record.get('views', 0) for record in records}
        refined = any(record['keys'].get('refine') for record in records)
        if stack in unlearned or refined or len(numbers) != 1 or 0 in numbers:
            continue
        of_stack[stack] = {seed: weights[cell] for seed, cell in cells.items()}
        family = next((known for known in families if _one_training(of_stack, stack, next(iter(known)))), None)
        if family is None:
            families.append(family := {})
        family[stack] = numbers.pop()
    return families


def _one_training(weights: Mapping[str, Mapping[int, str]], stack: str, other: str) -> bool:
    """Whether two stacks share a seed, and their weights in all seeds that they share."""
    shared = weights[stack].keys() & weights[other].keys()
    return bool(shared) and all(weights[stack][seed] == weights[other][seed] for seed in shared)
