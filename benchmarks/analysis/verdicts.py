"""Verdicts: does a stack differ from its reference, by how much, and can the number be believed?

A comparison is paired: same images, same seeds, and only seeds for which both sides are ok. (Dice and boundary IoU
leave out an image in which a class is neither in the truth nor predicted: there the two sides may differ by images.)
The first line that applies gives the verdict:

===============  ======================================================================================================
missing          a side has no ok cell, the sides share no ok seed, or the score is undefined
not learned      a network of a side has learned nothing in a shared seed (see :mod:`benchmarks.analysis.learning`): the
                 difference is shown, but not tested. To leave out such seeds would be to choose the data.
not effective    every count of every image and every map equals the reference's in every shared seed, and no part of
                 the stack has counted an effect (see :mod:`benchmarks.analysis.evidence`): the technique did nothing
equivalent       as above, but a part has counted an effect, or the maps differ: the same labels by other means (not
                 tested)
undecided        only one seed is shared (another training might say the opposite) or only one image group
gain, loss       corrected p < 0.05, by the sign of the difference; of a distance in pixels less is a gain
equivalent       the 90 % interval lies within +- the equivalence margin (two one-sided tests at 5 %, Schuirmann 1987)
undecided        anything else
===============  ======================================================================================================

There are two of them. The verdict is on *new seeds*: other images, and another training of the same recipe. The verdict
on *these checkpoints* asks about other images alone: it says what the networks at hand gain, and one seed is enough
for it. Where they differ, this model gains, and another training of it may not.

p values are corrected over the primary and over the exploratory pairs of one metric, see
:mod:`benchmarks.analysis.corrections`; equivalence is not corrected: each claim of it has its own 5 %. Differences are
in percent points, or pixels, stack minus reference; their variances are those of
:mod:`benchmarks.analysis.differences`.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.analysis.corrections import corrected, tests_made
from benchmarks.analysis.counts import Counts
from benchmarks.analysis.differences import Scores, estimate_differences, score_by_seed
from benchmarks.analysis.evidence import EffectCounts
from benchmarks.analysis.false_claims import false_claim_chance
from benchmarks.analysis.families import EXPLORATORY, PRIMARY, primary_by_default
from benchmarks.analysis.families import Pair as PairKey
from benchmarks.analysis.lenders import Lending, Trainings
from benchmarks.analysis.metrics import METRIC_OF, Metric
from benchmarks.analysis.more_seeds import SIGNIFICANCE, more_seeds, range_of_groups, range_of_seeds
from benchmarks.analysis.pairs import Pair, paired
from benchmarks.analysis.resampling import Estimate, estimate, interval, level_at, p_value

METRICS = ('dice', 'mdice', 'miou', 'boundary_iou')
VERDICTS = ('gain', 'loss', 'equivalent', 'undecided', 'not effective', 'not learned', 'missing')
BOTH_VERDICTS = ('verdict', 'checkpoints_verdict')  # on new seeds, and on these checkpoints
OPPOSITE = dict(gain='loss', loss='gain')  # of a difference that is turned round
_UNCUT = (-np.inf, np.inf)
_NAN = float('nan')
Measured = tuple[Pair, Estimate | None]


def verdict(est: Estimate, p_corrected: float, margin: float, p_equivalence: float | None = None) -> str:
    """The verdict of a test that was made: gain, loss, equivalent or undecided; see the table above.

    Args:
        est: The difference, percent points.
        p_corrected: Its corrected p value; NaN leaves it undecided.
        margin: Differences up to this many percent points count as none; 0 switches ``equivalent`` off.
        p_equivalence: p of "the true difference is as large as the margin"; None for that of a single look.
    """
    if np.isnan(p_corrected):
        return 'undecided'
    if p_corrected < SIGNIFICANCE:
        return 'gain' if est.value > 0 else 'loss'
    p_equivalence = p_of_equivalence(est, margin) if p_equivalence is None else p_equivalence
    return 'equivalent' if p_equivalence < SIGNIFICANCE else 'undecided'


def p_of_equivalence(est: Estimate, margin: float) -> float:
    """The larger p of the two one-sided tests that the true difference is as large as the margin; 1 if it seems so.

    Below 0.05 the 90 % interval lies within the margin. NaN without a margin.
    """
    room = margin - abs(float(est.value))
    return level_at(est, room) / 2 if room > 0 else _NAN if margin == 0 else 1.0


def stack_estimate(name: str, counts: Counts, stack: str, seeds: Sequence[int], foreground: np.ndarray) -> Estimate:
    """A score of a stack, mean over its ok ``seeds`` (at least one), with its variances."""
    full, without, sizes, without_fold = score_by_seed(name, counts, stack, seeds, foreground)
    return estimate(full, without, sizes.mean(axis=0), without_fold)


class Facts(NamedTuple):
    """The facts of a grid's cells, beside their counts, that decide what is tested.

    Attributes:
        effect_counts: By cell, how often each part of it did its work.
        not_learned: Cells whose network has learned nothing.
        maps: By cell, a digest of its maps; a cell without one says nothing about its maps.
        weights: By cell, what its weights have in common with those of other cells: equal texts, equal weights. A cell
            that is not there has weights of its own.
    """

    effect_counts: EffectCounts = {}
    not_learned: Collection[str] = ()
    maps: Mapping[str, str | None] = {}
    weights: Mapping[str, str] = {}


def compare(
    comparisons: Sequence[Mapping],
    counts: Counts,
    facts: Facts,
    seeds: Sequence[int],
    foreground: np.ndarray,
    margin: float,
    primary: Collection[PairKey] | None = None,
    metrics: Sequence[str] = METRICS,
) -> list[dict]:
    """Judge all comparisons by all metrics.

    Args:
        comparisons: Mappings with ``design``, ``stack`` and ``reference``.
        counts: Counts of the ok cells.
        facts: What else is known of the cells.
        seeds: All seeds of the grid; a cell without counts is not ok.
        foreground: Indices of the foreground classes, (F,).
        margin: Equivalence margin in the unit of the metrics.
        primary: The pairs whose comparisons answer the question that was asked before the run; None for the default.
        metrics: The metrics. A smaller distance in pixels is a gain.

    Returns:
        list: One mapping per comparison x metric, in the order of the comparisons. A pair that two designs compare has
        one result. ``low``, ``high``, ``p``, ``p_corrected`` and ``verdict`` are on new seeds, those that begin with
        ``checkpoints_`` on these checkpoints. ``family`` is primary or exploratory; ``lenders`` counts the arms from
        which the seed variance is borrowed; ``share_of_seeds`` is the part of the variance that is due to seeds,
        and ``share_of_folds`` that due to the training sets of folds;
        ``p_equivalence`` is the p of "the true difference is as large as the margin", and ``smaller_than_margin`` says
        that it is below 0.05; ``false_claim_chance`` is the least chance that the verdict claims what is not so, see
        :mod:`benchmarks.analysis.false_claims`; acted are the parts that had an
        effect beyond the reference's, idle those that never had any; limited_by and seeds_to_decide: see
        :mod:`benchmarks.analysis.more_seeds`. Numbers are NaN where they are undefined. With one shared seed the
        interval on new seeds is that on these checkpoints, and only these are tested.
    """
    primary = primary_by_default(comparisons) if primary is None else primary
    judged = {}
    for metric in metrics:
        measured = measure(comparisons, Scores(metric, counts, foreground), counts, facts, seeds)
        for (pair, est), judgement in zip(measured, judged_at_once(measured, primary)):
            judged[pair.stack, pair.reference, metric] = judged_row(pair, est, margin, judgement)
    return rows_of(comparisons, judged, counts, metrics)


def measure(
    comparisons: Sequence[Mapping], scores: Scores, counts: Counts, facts: Facts, seeds: Sequence[int]
) -> list[Measured]:
    """The distinct pairs of the comparisons, each with its difference by one score, or None where there is none.

    Args: as those of :func:`compare`; ``scores`` may have more cells than ``counts``, which alone count.
    """
    pairs = _pairs(comparisons, counts, facts, seeds)
    lending = _lending(pairs, counts, facts, seeds)
    found = zip(lending.pairs, estimate_differences(lending.pairs, scores, lending.trainings))
    estimates = {(pair.stack, pair.reference): est for pair, est in found}
    return [(pair, estimates.get((pair.stack, pair.reference))) for pair in pairs]


def lending_of(comparisons: Sequence[Mapping], counts: Counts, facts: Facts, seeds: Sequence[int]) -> Lending:
    """Who lends seed variance in a grid: its measured differences, and their trainings.

    Args: as :func:`compare`.
    """
    return _lending(_pairs(comparisons, counts, facts, seeds), counts, facts, seeds)


def _pairs(comparisons: Sequence[Mapping], counts: Counts, facts: Facts, seeds: Sequence[int]) -> list[Pair]:
    """The distinct pairs of the comparisons."""
    keys = {(comparison['stack'], comparison['reference']): None for comparison in comparisons}
    return [paired(*key, counts, facts.effect_counts, seeds, facts.not_learned, facts.maps) for key in keys]


def _lending(pairs: Sequence[Pair], counts: Counts, facts: Facts, seeds: Sequence[int]) -> Lending:
    stacks = [name for pair in pairs for name in (pair.stack, pair.reference)]
    usable = counts.cells.keys() - set(facts.not_learned)
    measured = [pair for pair in pairs if pair.measured]
    return Lending(measured, Trainings(stacks, facts.weights, usable, seeds))


def rows_of(
    comparisons: Sequence[Mapping], judged: Mapping[tuple[str, str, str], dict], counts: Counts, metrics: Sequence[str]
) -> list[dict]:
    """One mapping per comparison x metric, from the result of each stack, reference and metric."""
    n_images, n_groups = len(counts.images), counts.n_groups
    rows = []
    for comparison in comparisons:
        stack, reference = comparison['stack'], comparison['reference']
        for metric in metrics:
            row = dict(design=comparison['design'], stack=stack, reference=reference, metric=metric)
            row |= _by_metric(judged[stack, reference, metric], METRIC_OF[metric])
            row |= dict(n_images=n_images if row['n_seeds'] else 0, n_groups=n_groups if row['n_seeds'] else 0)
            rows.append(row)
    return rows


class Judgement(NamedTuple):
    """How a pair is judged by one metric.

    Args:
        family: Primary or exploratory.
        tests: The number of tests of the family, which are corrected together.
        p: p on new seeds; NaN where it is not tested.
        p_corrected: The same, corrected.
        checkpoints_p: p on these checkpoints.
        checkpoints_p_corrected: The same, corrected.
        level: What its intervals leave out.
        p_equivalence: p of "the true difference is as large as the margin"; None for that of a single look.
        checkpoints_p_equivalence: The same on these checkpoints.
    """

    family: str
    tests: int
    p: float = _NAN
    p_corrected: float = _NAN
    checkpoints_p: float = _NAN
    checkpoints_p_corrected: float = _NAN
    level: float = SIGNIFICANCE
    p_equivalence: float | None = None
    checkpoints_p_equivalence: float | None = None


def p_of_new_seeds(pair: Pair, est: Estimate | None) -> float:
    """p of "other seeds and images would show no difference"; NaN where that is not tested."""
    return p_value(est) if est is not None and est.seeds_covered and not pair.not_learned else _NAN


def p_of_checkpoints(pair: Pair, est: Estimate | None) -> float:
    """p of "other images would show no difference"; NaN where that is not tested."""
    return p_value(est.of_these_checkpoints) if est is not None and not pair.not_learned else _NAN


def judged_at_once(measured: Sequence[Measured], primary: Collection[PairKey]) -> list[Judgement]:
    """The judgement of each pair by what all of its seeds show."""
    keys = [frozenset((pair.stack, pair.reference)) for pair, _ in measured]
    new_seeds = {key: p_of_new_seeds(*each) for key, each in zip(keys, measured) if each[1] is not None}
    checkpoints = {key: p_of_checkpoints(*each) for key, each in zip(keys, measured) if each[1] is not None}
    of_new_seeds, of_checkpoints = corrected(new_seeds, primary), corrected(checkpoints, primary)
    families = {name: [key for key in keys if (key in primary) == (name == PRIMARY)] for name in (PRIMARY, EXPLORATORY)}
    tests = {name: tests_made(new_seeds, family) for name, family in families.items()}
    judgements = []
    for key in keys:
        family = PRIMARY if key in primary else EXPLORATORY
        judgements.append(
            Judgement(
                family,
                tests[family],
                new_seeds.get(key, _NAN),
                of_new_seeds.get(key, _NAN),
                checkpoints.get(key, _NAN),
                of_checkpoints.get(key, _NAN),
            )
        )
    return judgements


def judged_row(pair: Pair, est: Estimate | None, margin: float, judgement: Judgement) -> dict:
    """The result of a pair by one metric.

    Args:
        pair: The pair.
        est: Its difference; None where there is none.
        margin: Equivalence margin, percent points.
        judgement: How it is judged.
    """
    row = _untested(pair, margin) | dict(family=judgement.family)
    if est is None:
        return row
    row |= _numbers(est, judgement.level)
    row |= dict(p=judgement.p, p_corrected=judgement.p_corrected)
    row |= dict(checkpoints_p=judgement.checkpoints_p, checkpoints_p_corrected=judgement.checkpoints_p_corrected)
    if pair.not_learned:
        return row
    row['verdict'] = verdict(est, judgement.p_corrected, margin, judgement.p_equivalence)
    row['checkpoints_verdict'] = verdict(
        est.of_these_checkpoints, judgement.checkpoints_p_corrected, margin, judgement.checkpoints_p_equivalence
    )
    of_checkpoints = false_claim_chance(row['checkpoints_verdict'], est.of_these_checkpoints, margin)
    row |= dict(
        false_claim_chance=false_claim_chance(row['verdict'], est, margin),
        checkpoints_false_claim_chance=of_checkpoints,
    )
    if est.seeds_covered:
        given = judgement.p_equivalence
        row['p_equivalence'] = p_of_equivalence(est, margin) if given is None else given
        row['smaller_than_margin'] = row['p_equivalence'] < SIGNIFICANCE
    if row['verdict'] == 'undecided':
        row |= _forecast(est, margin, max(judgement.tests, 1))
    return row


def _forecast(est: Estimate, margin: float, tests: int) -> dict:
    """What would decide an undecided pair."""
    forecast = more_seeds(est, margin, tests)
    row: dict = dict(limited_by=forecast.limited_by, seeds_to_decide=forecast.seeds)
    if forecast.limited_by == 'seeds':
        row |= _range('seeds_to_decide', range_of_seeds(est, margin, tests), None)
    if forecast.times_groups is not None:
        row['times_groups_to_decide'] = forecast.times_groups
        row |= _range('times_groups_to_decide', range_of_groups(est, margin, tests), _NAN)
    return row


def _range(name: str, ends: Sequence[float | None], unknown: float | None) -> dict:
    """The columns of the fewest and the most that would decide."""
    return {f'{name}_{end}': unknown if value is None else value for end, value in zip(('low', 'high'), ends)}


def _by_metric(row: dict, metric: Metric) -> dict:
    """A result by its metric: ends of intervals that are possible, and where less is better, what falls is a gain."""
    ends = ('low', 'high', 'checkpoints_low', 'checkpoints_high')
    row = row | {name: float(np.clip(row[name], *metric.bounds)) for name in ends}
    if not metric.less_is_better:
        return row
    return row | opposite_verdicts(row)


def opposite_verdicts(row: Mapping) -> dict[str, str]:
    """Both verdicts of a comparison that is turned round: a gain is a loss."""
    return {name: OPPOSITE.get(row[name], row[name]) for name in BOTH_VERDICTS}


def _untested(pair: Pair, margin: float) -> dict:
    """The result of a pair before any number is known."""
    row = dict(
        stack=pair.stack,
        reference=pair.reference,
        **dict.fromkeys(('delta', 'low', 'high', 'p', 'p_corrected'), _NAN),
        verdict=_without_test(pair),
        n_seeds=len(pair.seeds),
        seeds_covered=len(pair.seeds) > 1,
        same_counts=pair.same,
        acted=', '.join(pair.evidence.active),
        idle=', '.join(pair.evidence.inactive),
        limited_by='',
        seeds_to_decide=None,
        seeds_to_decide_low=None,
        seeds_to_decide_high=None,
        lenders=0,
        **dict.fromkeys(('checkpoints_low', 'checkpoints_high', 'checkpoints_p', 'checkpoints_p_corrected'), _NAN),
        checkpoints_verdict=_without_test(pair),
        share_of_seeds=_NAN,
        share_of_folds=_NAN,
        effective_groups=_NAN,
        p_equivalence=_NAN,
        **dict.fromkeys((f'times_groups_to_decide{end}' for end in ('', '_low', '_high')), _NAN),
        smaller_than_margin=False,
        false_claim_chance=_NAN,
        checkpoints_false_claim_chance=_NAN,
    )
    if pair.same_predictions:
        same = 'equivalent' if margin > 0 else 'undecided'
        numbers = dict.fromkeys(('delta', 'low', 'high', 'checkpoints_low', 'checkpoints_high'), 0.0)
        row |= dict(numbers, verdict=same, checkpoints_verdict=same)
    return row


def _without_test(pair: Pair) -> str:
    if pair.not_learned:
        return 'not learned'
    return 'not effective' if pair.without_effect else 'missing'


def _numbers(est: Estimate, level: float) -> dict:
    """The difference, its two intervals that leave out ``level``, and what they rest on."""
    low, high = interval(est, level, _UNCUT)
    checkpoints_low, checkpoints_high = interval(est.of_these_checkpoints, level, _UNCUT)
    return dict(
        delta=float(est.value),
        low=float(low),
        high=float(high),
        lenders=est.lenders,
        checkpoints_low=float(checkpoints_low),
        checkpoints_high=float(checkpoints_high),
        share_of_seeds=est.share_of_seeds,
        share_of_folds=est.share_of_folds,
        effective_groups=float(est.effective_groups),
    )
