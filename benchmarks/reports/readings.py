"""How to read each row of a report: the verdict of each comparison in one sentence, with its reason."""

from collections.abc import Mapping, Set
from typing import Any, NamedTuple, Self

import pandas as pd

from benchmarks.analysis.families import PRIMARY
from benchmarks.analysis.learning import LOSS, ONE_CLASS
from benchmarks.analysis.metrics import DICE
from benchmarks.record import AGAIN_DESIGN, CONTROL_DESIGN
from benchmarks.reports.choice import from_more_to_fewer
from benchmarks.reports.forecast import what_would_decide
from benchmarks.reports.interim import OPEN
from benchmarks.reports.phrases import amount, first_of_pairs, interval_text, is_step, signed, unit_of, verdict_words

Comparison = Mapping[Any, Any]  # a row of the comparison table
_OF_CHECKPOINTS = dict(
    gain=('gains', 'gain'), loss=('loses', 'lose'), equivalent=('stays within the margin', 'stay within the margin')
)
_SIGNS = {
    ONE_CLASS: 'the network gives every pixel of every test image the same class',
    LOSS: 'the loss of its training never fell below that of the best constant prediction',
}


def readings(stacks: pd.DataFrame, dice: pd.DataFrame, margin: float) -> str:
    """One item per stack, and a last line about the steps from row to row, if any design has steps.

    Args:
        stacks: The stack table.
        dice: The comparisons by the metric of the question.
        margin: Equivalence margin in its unit.
    """
    known = Known.of(stacks, dice)
    items = [f'- **{row["label"]}**: {reading(row, known, margin)}' for row in stacks.to_dict('records')]
    return '\n'.join([*items, *_steps(stacks, dice)])


class Known(NamedTuple):
    """What the tables say, by stack: its comparisons by the other row, and its label; and all references and metrics.

    A row with a part of its reference's techniques says what the rest gains or loses when it is added: its comparison
    is turned round. A pair that another design compares in that direction stands with the row that has them all.
    """

    comparisons: dict[str, dict[str, list[Comparison]]]
    label_of: dict[str, str]
    references: set[str]
    metrics: set[str]

    @classmethod
    def of(cls, stacks: pd.DataFrame, dice: pd.DataFrame) -> Self:
        """The other arguments are those of :func:`readings`."""
        comparisons: dict[str, dict[str, list[Comparison]]] = {}
        told = from_more_to_fewer(dice).sort_values('left_out', key=lambda names: names != '', kind='stable')
        for comparison in told.to_dict('records'):
            row, other = comparison['stack'], comparison['reference']
            if comparison['left_out'] and other not in comparisons.get(row, {}):
                row, other = other, row
            comparisons.setdefault(row, {}).setdefault(other, []).append(comparison)
        label_of, references = dict(zip(stacks['stack'], stacks['label'])), {*dice['reference'], *told['reference']}
        return cls(comparisons, label_of, references, set(dice['metric']))

    def techniques(self, names: str) -> str:
        """The labels of techniques with + between their names."""
        labels = [self.label_of.get(name, name).removeprefix('+ ') for name in names.split('+')]
        return ' and '.join(f'“{label}”' for label in labels)


def reading(row: Mapping[Any, Any], known: Known, margin: float) -> str:
    """What there is to say of one row of the stack table.

    Args:
        row: The row.
        known: What the tables say.
        margin: Equivalence margin in the unit of the question's metric.
    """
    return ' '.join([*_sentences(row, known, margin), *_spread(row, known.metrics)])


def _sentences(row: Mapping[Any, Any], known: Known, margin: float) -> list[str]:
    """What there is to say of a stack."""
    sentences = [] if row['status'] == 'ok' else [_failure(row)]
    if row['seeds_not_learned']:
        sentences.append(_not_learned(row))
    for other, same_pair in known.comparisons.get(row['stack'], {}).items():
        with_what = f'against “{known.label_of[other]}”'
        if same_pair[0]['stack'] == other:
            with_what = f'for {known.techniques(same_pair[0]["left_out"])} added to this row'
        against = f'{with_what} ({", ".join(one["design"] for one in same_pair)})'
        testing = [one for one in same_pair if one['design'] in (AGAIN_DESIGN, CONTROL_DESIGN)]
        # All have one result; a row that tests the grid itself has more to say.
        sentences.append(_reading((testing or same_pair)[0], against, margin))
    if row['changed_pixels'] is not pd.NA and row['changed_pixels'] == 0:
        sentences.append('Its refinement changed no pixel in any seed.')
    if sentences:
        return sentences
    is_reference = row['stack'] in known.references
    return ['the reference of other rows.' if is_reference else 'compared with nothing in this grid.']


def _spread(row: Mapping[Any, Any], metrics: Set[str]) -> list[str]:
    """How far the seeds of a stack lie apart; nothing for a single seed."""
    if pd.isna(row['dice_spread_of_seeds']):
        return []
    of_dice = '' if metrics <= {DICE.name} else ' of Dice'
    spread = row['dice_spread_of_seeds']
    return [f'Its best and its worst of {row["n_seeds"]} seeds differ by {spread:.1f} points{of_dice}.']


def _failure(row: Mapping[Any, Any]) -> str:
    """The status of a stack with failed or open cells."""
    if row['status'].startswith(OPEN):
        seen = (
            'what follows rests on the seeds that have finished so far' if row['n_seeds'] else 'it has no numbers yet'
        )
        return f'{row["status"]}; {seen}.'
    if row['n_seeds']:
        return f'{row["status"]}; what follows rests on the seeds that survived, which may flatter it.'
    return f'{row["status"]}; it has no numbers, which says nothing about its accuracy.'


def _not_learned(row: Mapping[Any, Any]) -> str:
    """What a stack says whose network has learned nothing in some seeds, and the signs of it.

    A positive control is a harm on purpose, and needs no cure.
    """
    signs = ' and '.join(_SIGNS[sign] for sign in row['not_learned_by'].split(', '))
    cure = '' if row['role'] == 'control' else ' Look at the learning rate, the loss and the length of the training.'
    return f'not learned in {row["seeds_not_learned"]} of {row["n_seeds"]} seeds: {signs}.{cure}'


def _reading(comparison: Comparison, against: str, margin: float) -> str:
    """The verdict of one pair, with its number and its reason."""
    if comparison['verdict'] == OPEN:
        return f'{OPEN} {against}: they share no finished seed yet.'
    if comparison['verdict'] == 'missing':
        return f'missing {against}: there is nothing to compare.{_hidden_harm(comparison)}'
    if comparison['verdict'] == 'not learned':
        if comparison.get('harm_shows'):
            return f'the harm of the positive control shows {against}: it learned nothing in far more of their seeds.'
        return (
            f'no verdict {against}: a network of this row or of its reference has learned nothing in a shared seed, so '
            f'the difference says nothing about the technique.{_hidden_harm(comparison)}'
        )
    if comparison['verdict'] == 'not effective':
        return (
            f'not effective {against}: every count of every image is the same in all {comparison["n_seeds"]} '
            f'shared seeds, so it did nothing at run time{_inactive_parts(comparison)}.{_hidden_harm(comparison)}'
        )
    if comparison['same_counts']:
        return (
            f'the same predictions {against}: every count of every image is the same in all '
            f'{comparison["n_seeds"]} shared seeds. {_means(comparison)}{_hidden_harm(comparison)}'
        )
    return _number_and_reason(comparison, against, margin) + _test_of_the_grid(comparison)


def _number_and_reason(comparison: Comparison, against: str, margin: float) -> str:
    """The verdict of a comparison that has a difference."""
    interval = interval_text(comparison['low'], comparison['high'], sign=True)
    number = f'{signed(comparison["delta"])} {unit_of(comparison)} {interval}'
    return (
        f'{verdict_words(comparison)}: {number} {against}, {_because(comparison, margin)}{_false(comparison)}'
        f'{_inactive_parts(comparison)}.{_these_checkpoints(comparison)}'
    )


def _false(comparison: Comparison) -> str:
    """The least share of such claims that is false, for a verdict that claims something; nothing below 1 %."""
    if not comparison['false_claim_chance'] >= 0.01:
        return ''
    what = 'it may hide a difference' if comparison['verdict'] == 'equivalent' else 'it may be a false alarm'
    do = 'do' if comparison['verdict'] == 'equivalent' else 'are'
    return f'; {what}: {_least(comparison["false_claim_chance"])} such claims {do}, at even odds'


def _least(share: float) -> str:
    """A lower bound of a share of one percent or more."""
    return f'at least {int(100 * share)} in 100'


def _these_checkpoints(comparison: Comparison) -> str:
    """What the networks at hand gain or lose, where new seeds are undecided or equivalent; or nothing."""
    verdict, seeds = comparison['checkpoints_verdict'], comparison['n_seeds']
    on_new_seeds = comparison['verdict']
    blind = verdict == 'equivalent' and comparison['limited_by'] == 'control'
    if comparison['design'] == AGAIN_DESIGN:  # whichever seeds these are, the stack is the same
        return ''
    says_more = on_new_seeds in ('undecided', 'equivalent') and on_new_seeds != verdict
    if not says_more or verdict not in _OF_CHECKPOINTS or blind:
        return ''
    one, many = _OF_CHECKPOINTS[verdict]
    interval = interval_text(comparison['checkpoints_low'], comparison['checkpoints_high'], sign=True)
    subject = f'This network {one}' if seeds == 1 else f'These {seeds} networks {many}'
    others = f'{"another training" if seeds == 1 else "other trainings"} may not'
    if on_new_seeds == 'equivalent':
        others = 'the mean over trainings stays within the margin'
    chance = comparison['checkpoints_false_claim_chance']
    false = f'; {_least(chance)} such claims are false, at even odds' if chance >= 0.01 else ''
    return f' {subject} ({interval} over other test images{false}); {others}.'


def _test_of_the_grid(comparison: Comparison) -> str:
    """What the comparison of an A/A arm or of a positive control says of the grid; nothing for other comparisons."""
    if comparison['design'] == AGAIN_DESIGN:
        chance = ' It is the same stack trained with other seeds, so its difference is chance'
        if comparison['verdict'] in ('gain', 'loss'):
            return f'{chance}: a false alarm. Trust no other difference of this size.'
        return f'{chance}.'
    return _hidden_harm(comparison)


def _hidden_harm(comparison: Comparison) -> str:
    """That a positive control does not show; nothing where it shows, and for other comparisons."""
    if comparison['design'] == CONTROL_DESIGN and not comparison['harm_shows']:
        return ' This known harm does not show; unless another one does, no row of this grid is called equivalent.'
    return ''


def _means(comparison: Comparison) -> str:
    """How a stack arrives at the labels of its reference."""
    if comparison['acted']:
        return f'It acted ({comparison["acted"]}), so look at its cost.'
    return 'Its maps differ, but no label does.'


def _inactive_parts(comparison: Comparison) -> str:
    """The parts of the stack that never did their work, or nothing."""
    return f'; {comparison["idle"]} never acted' if comparison['idle'] else ''


def _because(comparison: Comparison, margin: float) -> str:
    """The reason for a verdict."""
    seeds = f'{comparison["n_seeds"]} seed{"s" if comparison["n_seeds"] > 1 else ""}'
    if not comparison['seeds_covered']:
        return f'{seeds}: new seeds are not tested, another training might say the opposite'
    if pd.isna(comparison['p_corrected']):
        one = 'a group or a fold' if 'share_of_folds' in comparison else 'one'
        return f'{seeds}: not tested, there are fewer than two image groups or a score is undefined without {one}'
    tested = f'{seeds}, {_p_value(comparison)}{_lenders(comparison)}'
    if comparison['verdict'] == 'equivalent':
        p = _p(comparison['p_equivalence'])
        return f'{tested}; the difference is smaller than {amount(margin, comparison)} ({p})'
    if comparison['verdict'] == 'undecided':
        return f'{tested}; {_undecided(comparison)}'
    if comparison['smaller_than_margin']:
        return f'{tested}; it is there, but smaller than {amount(margin, comparison)}'
    return tested


def _p_value(comparison: Comparison) -> str:
    """The corrected p, by the correction of its family."""
    return f'{"corrected" if comparison["family"] == PRIMARY else "screened"} {_p(comparison["p_corrected"])}'


def _p(value: float) -> str:
    return 'p < 0.001' if value < 0.001 else f'p = {value:.3f}'


def _lenders(comparison: Comparison) -> str:
    """The arms from which the seed variance is borrowed, or nothing."""
    return f', seed variance borrowed from {comparison["lenders"]} arms' if comparison['lenders'] else ''


def _undecided(comparison: Comparison) -> str:
    """The reason why a tested comparison is undecided."""
    if comparison['limited_by'] == 'control':
        return (
            'small enough to count as none, but the positive control, a known harm, does not show in this grid either'
        )
    excludes_0 = comparison['low'] > 0 or comparison['high'] < 0
    if comparison['design'] == AGAIN_DESIGN:  # no advice: its true difference is 0 by construction
        return 'alone its interval excludes 0' if excludes_0 else 'no difference is shown'
    if excludes_0:
        return (
            'alone its interval excludes 0, but among this many comparisons that may be chance: compare fewer'
            f'{"" if comparison["limited_by"] in ("groups", "folds") else ", or run more seeds"}{_forecast(comparison)}'
        )
    return f'neither a difference nor its absence is shown{_forecast(comparison)}'


def _forecast(comparison: Comparison) -> str:
    """What would decide an undecided comparison if its difference and its variances stay; or nothing."""
    said = what_would_decide(comparison)
    return f'; at this difference {said}{_share(comparison)}' if said else ''


def _share(comparison: Comparison) -> str:
    """How much of the variance is due to each of its sources."""
    share, folds = comparison['share_of_seeds'], comparison.get('share_of_folds', float('nan'))
    if pd.isna(share):
        return ''
    if pd.isna(folds):
        return f'; of its variance {share:.0%} comes from seeds, {1 - share:.0%} from test groups'
    rest = max(1 - share - folds, 0.0)
    return f'; of its variance {share:.0%} comes from seeds, {folds:.0%} from the folds, {rest:.0%} from test groups'


def _steps(stacks: pd.DataFrame, dice: pd.DataFrame) -> list[str]:
    """A line on the rows that gain over the row before; none without such comparisons."""
    of_pair = first_of_pairs(dice[is_step(dice)])
    names, labels = list(stacks['stack']), list(stacks['label'])
    steps = [(label, of_pair.get(pair)) for label, pair in zip(labels[1:], zip(names[1:], names))]
    compared = [(label, step) for label, step in steps if step is not None]
    if not compared:
        return []
    gains = [label for label, step in compared if step['verdict'] == 'gain']
    named = ', '.join(f'“{label}”' for label in gains) if gains else 'none'
    return ['', f'Steps from one row to the next that are gains: {named} (of {len(compared)} compared).']
