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
from benchmarks.analysis.differences import Measured, Scores, measure
from benchmarks.analysis.false_claims import false_claim_chance
from benchmarks.analysis.families import EXPLORATORY, PRIMARY, primary_by_default
from benchmarks.analysis.families import Pair as PairKey
from benchmarks.analysis.metrics import METRIC_OF, Metric
from benchmarks.analysis.more_seeds import SIGNIFICANCE, more_seeds, range_of_groups, range_of_seeds
from benchmarks.analysis.pairs import Facts, Pair
from benchmarks.analysis.resampling import Estimate, intervals, levels_at, p_values

METRICS = ('dice', 'mdice', 'miou', 'boundary_iou')
VERDICTS = ('gain', 'loss', 'equivalent', 'undecided', 'not effective', 'not learned', 'missing')
BOTH_VERDICTS = ('verdict', 'checkpoints_verdict')  # on new seeds, and on these checkpoints
OPPOSITE = dict(gain='loss', loss='gain')  # of a difference that is turned round
_NAN = float('nan')


def verdict(est: Estimate, p_corrected: float, p_equivalence: float) -> str:
    """The verdict of a test that was made: gain, loss, equivalent or undecided; see the table above.

    Args:
        est: The difference, percent points.
        p_corrected: Its corrected p value; NaN leaves it undecided.
        p_equivalence: p of "the true difference is as large as the margin"; NaN without a margin.
    """
    if np.isnan(p_corrected):
        return 'undecided'
    if p_corrected < SIGNIFICANCE:
        return 'gain' if est.value > 0 else 'loss'
    return 'equivalent' if p_equivalence < SIGNIFICANCE else 'undecided'


def p_of_equivalence(estimates: Sequence[Estimate | None], margin: float) -> np.ndarray:
    """The larger p of the two one-sided tests that a true difference is as large as the margin, (N,); 1 if it seems so.

    Below 0.05 the 90 % interval lies within the margin. NaN without a margin, and for None.
    """
    if margin == 0:
        return np.full(len(estimates), _NAN)
    room = np.array([_NAN if est is None else margin - abs(float(est.value)) for est in estimates], float)
    return np.where(room <= 0, 1.0, levels_at(estimates, np.where(room > 0, room, _NAN)) / 2)


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
        :mod:`benchmarks.analysis.more_seeds`; ``failed_alone`` says that the stack has learned nothing in far more
        seeds than the reference (:class:`benchmarks.analysis.pairs.Pair`). Numbers are NaN where they are undefined.
        With one shared seed the interval on new seeds is that on these checkpoints, and only these are tested.
    """
    primary = primary_by_default(comparisons) if primary is None else primary
    judged = {}
    for metric in metrics:
        measured = measure(comparisons, Scores(metric, counts, foreground), counts, facts, seeds)
        for row in judged_rows(measured, margin, judged_at_once(measured, primary)):
            judged[row['stack'], row['reference'], metric] = row
    return rows_of(comparisons, judged, counts, metrics)


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


def p_of_new_seeds(measured: Sequence[Measured]) -> np.ndarray:
    """p of "other seeds and images would show no difference" of each pair; NaN where that is not tested."""
    return p_values([est if est and est.seeds_covered and not pair.not_learned else None for pair, est in measured])


def p_of_checkpoints(measured: Sequence[Measured]) -> np.ndarray:
    """p of "other images would show no difference" of each pair; NaN where that is not tested."""
    return p_values([est.of_these_checkpoints if est and not pair.not_learned else None for pair, est in measured])


def judged_at_once(measured: Sequence[Measured], primary: Collection[PairKey]) -> list[Judgement]:
    """The judgement of each pair by what all of its seeds show."""
    keys = [frozenset((pair.stack, pair.reference)) for pair, _ in measured]
    known = [est is not None for _, est in measured]
    new_seeds, checkpoints = (
        {key: p for key, p, there in zip(keys, find(measured).tolist(), known) if there}
        for find in (p_of_new_seeds, p_of_checkpoints)
    )
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


def judged_rows(measured: Sequence[Measured], margin: float, judgements: Sequence[Judgement]) -> list[dict]:
    """The result of each pair by one metric.

    Args:
        measured: The pairs with their differences; None where there is none.
        margin: Equivalence margin, percent points.
        judgements: How each is judged.
    """
    rows = [_untested(pair, margin) | dict(family=of.family) for (pair, _), of in zip(measured, judgements)]
    known = [place for place, (_, est) in enumerate(measured) if est is not None]
    new_seeds = [est for _, est in measured if est is not None]
    checkpoints = [est.of_these_checkpoints for est in new_seeds]
    levels = np.array([judgements[place].level for place in known])
    for side, estimates in (('', new_seeds), ('checkpoints_', checkpoints)):
        found = zip(
            known, estimates, intervals(estimates, levels).tolist(), p_of_equivalence(estimates, margin).tolist()
        )
        for place, est, (low, high), equivalence in found:
            rows[place] |= {f'{side}low': low, f'{side}high': high}
            rows[place] |= _of_side(side, est, margin, judgements[place], equivalence, measured[place][0].not_learned)
    for place, est in zip(known, new_seeds):
        rows[place] |= dict(
            delta=float(est.value),
            lenders=est.lenders,
            share_of_seeds=est.share_of_seeds,
            share_of_folds=est.share_of_folds,
            effective_groups=float(est.effective_groups),
        )
    undecided = [place for place in known if rows[place]['verdict'] == 'undecided']
    asked = [est for place, est in zip(known, new_seeds) if rows[place]['verdict'] == 'undecided']
    tests = [max(judgements[place].tests, 1) for place in undecided]
    for place, forecast in zip(undecided, _forecasts(asked, margin, tests)):
        rows[place] |= forecast
    return rows


def _of_side(
    side: str, est: Estimate, margin: float, judgement: Judgement, equivalence: float, not_learned: bool
) -> dict:
    """What is judged on new seeds, or with ``checkpoints_`` on these checkpoints.

    Args:
        side: What the names of the columns begin with.
        est: The difference.
        margin: Equivalence margin, percent points.
        judgement: How it is judged.
        equivalence: p of "the true difference is as large as the margin" at a single look.
        not_learned: Whether nothing is tested.
    """
    p, p_corrected = getattr(judgement, f'{side}p'), getattr(judgement, f'{side}p_corrected')
    row = {f'{side}p': p, f'{side}p_corrected': p_corrected}
    if not_learned:
        return row
    at_look = getattr(judgement, f'{side}p_equivalence')
    equivalence = equivalence if at_look is None else at_look
    found = verdict(est, p_corrected, equivalence)
    row |= {f'{side}verdict': found, f'{side}false_claim_chance': false_claim_chance(found, est, margin)}
    if not side and est.seeds_covered:
        row |= dict(p_equivalence=equivalence, smaller_than_margin=equivalence < SIGNIFICANCE)
    return row


def _forecasts(estimates: Sequence[Estimate], margin: float, tests: Sequence[int]) -> list[dict]:
    """What would decide each undecided difference."""
    forecasts = more_seeds(estimates, margin, tests)
    by_seeds = [est if of.limited_by == 'seeds' else None for est, of in zip(estimates, forecasts)]
    by_groups = [None if of.times_groups is None else est for est, of in zip(estimates, forecasts)]
    ranges = zip(range_of_seeds(by_seeds, margin, tests), range_of_groups(by_groups, margin, tests))
    return [
        dict(
            limited_by=of.limited_by,
            seeds_to_decide=of.seeds,
            seeds_to_decide_low=seeds[0],
            seeds_to_decide_high=seeds[1],
            times_groups_to_decide=_known(of.times_groups),
            times_groups_to_decide_low=_known(groups[0]),
            times_groups_to_decide_high=_known(groups[1]),
        )
        for of, (seeds, groups) in zip(forecasts, ranges)
    ]


def _known(number: float | None) -> float:
    return _NAN if number is None else number


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
        failed_alone=pair.failed_alone,
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
