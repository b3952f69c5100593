"""Verdicts of a sequential design: seeds are added where a primary comparison is open, and it is looked at each time.

By the look at S of S_max seeds, ``alpha (S / S_max)^2`` of the error is spent (:mod:`benchmarks.analysis.spending`).
Each pair of stacks has looks of its own: the numbers of seeds that both of its stacks may have, one after another. A
pair that no look can give further seeds has one look, and is tested as in a design of fixed seeds.

* **p** of a pair at a look is its repeated p value: valid whenever one stops. Primary pairs are corrected by Holm over
  the looks, exploratory ones by Benjamini and Hochberg at their last look.
* **A primary pair stops** at the first look at which it is a gain or a loss, or equivalent (both one-sided tests with
  an error of 5 % over all looks), or at which there is nothing to test: not learned, not effective, missing. Its row
  shows the seeds of that look, although its stacks may get further seeds for other pairs.
* **Intervals** are repeated confidence intervals: they leave out the nominal level of the look, so that all looks
  together cover with 95 %. An interval of a pair that is a gain or a loss does not contain 0.

All of it follows from the cells and from which of them were there at each look, so a report makes it again.

Reference: Jennison and Turnbull 2000, "Group Sequential Methods with Applications to Clinical Trials", chapter 9.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.analysis.control import BY_CONTROL
from benchmarks.analysis.corrections import benjamini_hochberg, holm
from benchmarks.analysis.counts import Counts
from benchmarks.analysis.differences import Measured, Scores, measure
from benchmarks.analysis.families import EXPLORATORY, PRIMARY, Pair, pair_of, primary_by_default
from benchmarks.analysis.more_seeds import SIGNIFICANCE
from benchmarks.analysis.pairs import Facts
from benchmarks.analysis.spending import Look, holm_over_looks
from benchmarks.analysis.verdicts import (
    METRICS,
    Judgement,
    judged_rows,
    p_of_checkpoints,
    p_of_equivalence,
    p_of_new_seeds,
    rows_of,
)
from benchmarks.record import CONTROL_DESIGN, cell_name

SeedsAtLook = Mapping[str, int]  # by stack, how many seeds (0, 1, …) it has


class Looks(NamedTuple):
    """The looks of a grid.

    Args:
        planned: The numbers of seeds at which is looked, rising.
        followed: The stacks that may get further seeds.
        taken: The seeds of all stacks at each look that has been taken, at least one.
    """

    planned: tuple[int, ...]
    followed: frozenset[str]
    taken: tuple[SeedsAtLook, ...]

    def of_pair(self, pair: Iterable[str]) -> tuple[int, ...]:
        """The numbers of seeds that two stacks, or more, may share, one after another."""
        stacks = list(pair)
        shared = {min(self._seeds(stack, number) for stack in stacks) for number in self.planned}
        return tuple(sorted(shared))

    def shared(self, pair: Iterable[str], look: int) -> int:
        """How many seeds these stacks share at a look that has been taken."""
        return min(self.taken[look][stack] for stack in pair)

    def at(self, stacks: Collection[str], look: int = -1) -> Look:
        """A look that has been taken, the last one by default, at a pair or at any sum of stacks."""
        own = self.of_pair(stacks)
        return Look(own, own.index(self.shared(stacks, look)))

    def since(self, pair: Collection[str], look: int) -> int:
        """The look, up to this one, at which the pair got the last seeds that it has at this one."""
        numbers = [self.shared(pair, earlier) for earlier in range(look + 1)]
        return numbers.index(numbers[-1])

    def _seeds(self, stack: str, look: int) -> int:
        first = self.taken[0][stack]
        return max(first, look) if stack in self.followed else first


def compare_over_looks(
    comparisons: Sequence[Mapping],
    counts: Counts,
    facts: Facts,
    looks: Looks,
    foreground: np.ndarray,
    margin: float,
    primary: Collection[Pair] | None = None,
    metrics: Sequence[str] = METRICS,
) -> list[dict]:
    """Judge all comparisons of a sequential design; see :func:`benchmarks.analysis.verdicts.compare`.

    Args:
        comparisons: Mappings with ``design``, ``stack`` and ``reference``.
        counts: Counts of the ok cells.
        facts: What else is known of the cells.
        looks: The looks of the grid.
        foreground: Indices of the foreground classes, (F,).
        margin: Equivalence margin, percent points, for every metric.
        primary: The pairs whose comparisons answer the question; None for the default.
        metrics: The metrics.

    Returns:
        list: As by ``compare``, and ``interval_level``, which the intervals on new seeds leave out. ``p``,
        ``checkpoints_p`` are those of the pair's look alone; corrected p values allow for the looks before.
    """
    primary = primary_by_default(comparisons) if primary is None else primary
    judged: dict[tuple[str, str, str], dict] = {}
    for metric in metrics:
        scores = Scores(metric, counts, foreground)
        found = compare_by_score(comparisons, scores, counts, facts, looks, margin, primary)
        judged |= {(*key, metric): row for key, row in found.items()}
    return rows_of(comparisons, judged, counts, metrics)


def compare_by_score(
    comparisons: Sequence[Mapping],
    scores: Scores,
    counts: Counts,
    facts: Facts,
    looks: Looks,
    margin: float,
    primary: Collection[Pair],
) -> dict[tuple[str, str], dict]:
    """The results of all pairs by one score, by stack and reference; the other arguments as above."""
    at_looks = [_at_look(comparisons, scores, counts, facts, seeds) for seeds in looks.taken]
    return _judged(at_looks, looks, margin, primary)


def pairs_to_follow(rows: Sequence[Mapping]) -> list[tuple[str, str]]:
    """The pairs that get further seeds, as stack and reference.

    They are the primary pairs that seeds may decide; and the positive control, as long as it does not show and a
    primary pair would be equivalent if it did.

    Args:
        rows: Rows of one metric, by :func:`compare_over_looks`, in the light of the positive control.
    """
    # With two seeds or more, what has no p cannot be tested: there is a single group of images, for example.
    waiting = [
        row for row in rows if row['verdict'] == 'undecided' and not (row['seeds_covered'] and np.isnan(row['p']))
    ]
    primary = [row for row in waiting if row['family'] == PRIMARY]
    blind = any(row['limited_by'] == BY_CONTROL for row in primary)
    following = [row for row in primary if row['limited_by'] != BY_CONTROL]
    # One seed alone in which the control has learned nothing shows no harm yet; a second may.
    controls = [row for row in rows if row['design'] == CONTROL_DESIGN]
    following += [row for row in controls if blind and (row in waiting or _waits_for_a_seed(row))]
    return list({pair_of(row): (row['stack'], row['reference']) for row in following}.values())


def _waits_for_a_seed(control: Mapping) -> bool:
    return control['failed_alone'] and not control['seeds_covered']


def _at_look(
    comparisons: Sequence[Mapping], scores: Scores, counts: Counts, facts: Facts, seeds: SeedsAtLook
) -> list[Measured]:
    """What the cells of a look show."""
    there = {cell_name(stack, seed) for stack, number in seeds.items() for seed in range(number)}
    cells = {name: cell for name, cell in counts.cells.items() if name in there}
    return measure(comparisons, scores, counts._replace(cells=cells), facts, range(max(seeds.values())))


class _Tested(NamedTuple):
    """The repeated p values of a pair at a look; NaN where it is not tested.

    Args:
        new_seeds: On new seeds.
        equivalence: That the true difference is as large as the margin.
        nothing_to_test: Whether there is no difference to test, so that the pair stops.
    """

    new_seeds: float
    equivalence: float
    nothing_to_test: bool

    @property
    def stops(self) -> bool:
        return self.nothing_to_test or self.equivalence < SIGNIFICANCE


def _tested(of_look: Sequence[tuple[Measured, int]], looks: Looks, margin: float) -> list[_Tested]:
    """What is tested of each pair, at the look beside it."""
    measured = [each for each, _ in of_look]
    of_new_seeds = p_of_new_seeds(measured).tolist()
    of_equivalence = p_of_equivalence([est for _, est in measured], margin).tolist()
    tested = []
    for ((pair, est), look), p, equivalence in zip(of_look, of_new_seeds, of_equivalence):
        if np.isnan(p):
            tested.append(_Tested(p, float('nan'), est is None or pair.not_learned))
        else:
            at = looks.at((pair.stack, pair.reference), look)
            tested.append(_Tested(at.repeated(p), at.repeated_one_sided(equivalence), nothing_to_test=False))
    return tested


def _judged(
    at_looks: Sequence[Sequence[Measured]], looks: Looks, margin: float, primary: Collection[Pair]
) -> dict[tuple[str, str], dict]:
    """The results of all pairs by one metric, by stack and reference."""
    keys = [(pair.stack, pair.reference) for pair, _ in at_looks[0]]
    asked = [index for index, key in enumerate(keys) if frozenset(key) in primary]
    explored = [index for index, key in enumerate(keys) if frozenset(key) not in primary]
    # Between two looks at which a pair gets seeds nothing changes for it, although its prior may.
    since = [[looks.since(key, look) for key in keys] for look in range(len(at_looks))]
    tested = [
        _tested([(at_looks[at][index], at) for index, at in enumerate(of_look)], looks, margin) for of_look in since
    ]
    stopped = dict(zip(asked, _settled([[row[index] for index in asked] for row in tested])))
    screened = benjamini_hochberg([tested[-1][index].new_seeds for index in explored])
    stopped |= {index: (len(at_looks) - 1, float(p)) for index, p in zip(explored, screened)}
    at = [since[stopped[index][0]][index] for index in range(len(keys))]
    measured = [at_looks[look][index] for index, look in enumerate(at)]
    seen = [looks.at(key, look) for key, look in zip(keys, at)]
    of_new_seeds, raw = p_of_new_seeds(measured).tolist(), p_of_checkpoints(measured).tolist()
    checkpoints = [one.repeated(p) for p, one in zip(raw, seen)]
    equivalences = p_of_equivalence([est and est.of_these_checkpoints for _, est in measured], margin).tolist()
    of_checkpoints = dict(zip(asked, holm([checkpoints[index] for index in asked])))
    of_checkpoints |= zip(explored, benjamini_hochberg([checkpoints[index] for index in explored]))
    judgements: dict[int, Judgement] = {}
    for family, indices in ((PRIMARY, asked), (EXPLORATORY, explored)):
        tests = sum(not np.isnan(tested[at[index]][index].new_seeds) for index in indices)
        for index in indices:
            judgements[index] = Judgement(
                family,
                tests,
                of_new_seeds[index],
                stopped[index][1],
                raw[index],
                float(of_checkpoints[index]),
                seen[index].level,
                tested[at[index]][index].equivalence,
                seen[index].repeated_one_sided(equivalences[index]),
            )
    in_order = [judgements[index] for index in range(len(keys))]
    rows = judged_rows(measured, margin, in_order)
    return {key: row | dict(interval_level=judgement.level) for key, row, judgement in zip(keys, rows, in_order)}


def _settled(tested: Sequence[Sequence[_Tested]]) -> list[tuple[int, float]]:
    """For each primary pair the look at which it stops, or else the last one, and its corrected p."""
    if not tested[0]:
        return []
    stops = [next((k for k, row in enumerate(tested) if row[i].stops), len(tested)) for i in range(len(tested[0]))]
    repeated = [
        [one.new_seeds if look <= stop else float('nan') for one, stop in zip(row, stops)]
        for look, row in enumerate(tested)
    ]
    counts = [not one.nothing_to_test for one in tested[0]]
    settled, corrected = holm_over_looks(repeated, SIGNIFICANCE, counts)
    last = len(tested) - 1
    return [(min(stop, last) if at is None else at, p) for at, stop, p in zip(settled, stops, corrected)]
