"""When a technique helps: the section of a report on gains that depend on the images, from the table of strata."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from benchmarks.analysis.families import Pair
from benchmarks.data.strata import BOUNDARY, CONFIDENT, OBJECT, VIEWS
from benchmarks.reports.phrases import interval_text, percent_points, signed, some_of_rows
from benchmarks.reports.pixel_gains import SURE
from benchmarks.reports.strata_table import CLASS, CONDITION, DIFFICULTY, SIZE

MOST_LISTED = 6
_BOTH = 'Shown for other images and another training:'
_THESE = 'Shown for other images and the networks that were trained; another training may do otherwise:'
_SHOWN = ('gain', 'loss')
_VERBS = dict(gain='gains on', loss='loses on', equivalent='makes no difference on', undecided='open on')
CHECKPOINTS = 'checkpoints_'
_BY = {
    SIZE: 'by the area of a class in an image',
    CLASS: 'by class',
    DIFFICULTY: 'by how well the reference does in its other seeds',
    CONDITION: 'by condition',
    OBJECT: 'by the size of the objects',
    BOUNDARY: 'by the distance to a boundary',
    CONFIDENT: 'by the confidence of the map that is refined',
    SURE: 'by how sure the reference is of an image',
    VIEWS: 'by how far the views agree on an image',
}


def strata_answer(
    strata: pd.DataFrame, label_of: Mapping[str, str], margin: float, primary: Collection[Pair] = ()
) -> str:
    """The section in Markdown; empty where no gain is shown to depend on the images.

    Args:
        strata: The table of strata.
        label_of: The label of each stack.
        margin: Equivalence margin, percent points.
        primary: The pairs that the grid asks about first.
    """
    # A stack of many techniques inherits what one of them does: steps of one technique are told, if there are any.
    steps = strata[strata['changed'] == 1]
    strata = strata if steps.empty else steps
    both, these = (_sentences(strata, label_of, primary, level) for level in ('', CHECKPOINTS))
    parts = [_list(lead, found) for lead, found in ((_BOTH, both), (_THESE, these)) if found]
    if not parts:
        return ''
    parts += _alike(strata, label_of)
    none = f' “No difference” is within {percent_points(margin)}.' if margin > 0 else ''
    closing = (
        'Dice of one class in one image, or of its objects of a size, under a condition that of whole images; of '
        'pixels the share labelled right; percent points [95 %, uncorrected]. '
        'Strata were looked through, not asked for: of the differences that are called about 5 % are false.'
        f'{none} Open does not mean different from the others. All strata: [strata.csv](strata.csv).'
    )
    return '\n\n'.join(['### When does a technique help', *parts, closing])


def _list(lead: str, sentences: Sequence[str]) -> str:
    more = len(sentences) - MOST_LISTED
    items = [*sentences[:MOST_LISTED], *([f'and {more} more in the table.'] if more > 0 else [])]
    return '\n'.join([f'{lead}\n', *(f'- {item}' for item in items)])


def _sentences(strata: pd.DataFrame, label_of: Mapping[str, str], primary: Collection[Pair], level: str) -> list[str]:
    """A text per comparison and kind of strata in which gains are shown to differ.

    Each comparison is told once before any is told twice, by the kind in which its gains differ most. So one large loss
    does not take the places of all others. Of the texts that are each the first, the second, … of their comparison
    those of primary pairs stand first, and then those with the largest differences.

    Args:
        strata: The table of strata.
        label_of: The label of each stack.
        primary: The pairs that the grid asks about first.
        level: The columns that decide: '' for another training, too, ``CHECKPOINTS`` for the networks that were
            trained. The latter leaves out what the former shows.
    """
    found = []
    kinds = [strata[name] for name in ('stack', 'reference', 'by')]
    told = strata[f'more_{level}verdict'].isin(_SHOWN).groupby(kinds).transform('any')
    if level:
        told &= ~strata['more_verdict'].isin(_SHOWN).groupby(kinds).transform('any')
    for (stack, reference, by), rows in strata[told].groupby(['stack', 'reference', 'by'], sort=False):
        differs = rows[rows[f'more_{level}verdict'].isin(_SHOWN)]
        text = (
            f'“{label_of[stack]}” against “{label_of[reference]}”, {_BY[by]}: {_strata(rows, level)}. '
            f'{_more(differs, by, level)}'
        )
        found.append((differs['more'].abs().max(), Pair((stack, reference)), text))
    named: Counter[Pair] = Counter()
    ordered = []
    for size, pair, text in sorted(found, key=lambda entry: -entry[0]):
        ordered.append((named[pair], pair not in primary, -size, text))
        named[pair] += 1
    return [text for *_, text in sorted(ordered, key=lambda entry: entry[:3])]


def _alike(strata: pd.DataFrame, label_of: Mapping[str, str]) -> list[str]:
    """A sentence on the comparisons in which no stratum is shown to differ; none if there is no such comparison."""
    shown = strata['more_verdict'].isin(_SHOWN) | strata[f'more_{CHECKPOINTS}verdict'].isin(_SHOWN)
    differs = shown.groupby([strata['stack'], strata['reference']], sort=False).any()
    named = [
        f'“{label_of[stack]}” against “{label_of[reference]}”'
        for (stack, reference), shown_to in differs.items()
        if not shown_to
    ]
    return [f'No stratum is shown to differ from the others: {some_of_rows(named, MOST_LISTED)}.'] if named else []


def _strata(rows: pd.DataFrame, level: str) -> str:
    """What happens in each stratum, those with the same verdict together."""
    parts = []
    for verdict, verb in _VERBS.items():
        named = [
            f'{row["stratum"]}, {_number(row, "gain", level)}{_corrected(row, level)}'
            for _, row in rows[rows[f'{level}verdict'] == verdict].iterrows()
        ]
        if named:
            parts.append(f'{verb} {" and ".join(named)}')
    return '; '.join(parts)


def _corrected(row: pd.Series, level: str) -> str:
    """That an interval excludes 0 alone, where the stratum is open after the correction; or nothing."""
    excludes_0 = row[f'{level}low'] > 0 or row[f'{level}high'] < 0
    return ' (excludes 0, not after correction)' if excludes_0 and row[f'{level}verdict'] == 'undecided' else ''


def _more(differs: pd.DataFrame, by: str, level: str) -> str:
    """The strata whose gain is shown to differ; of two strata that mirror each other one."""
    elsewhere = 'the clean images' if by == CONDITION else 'the rest'
    mirrored = by != CONDITION and len(differs) == 2 and abs(differs['more'].sum()) < 1e-9
    said = [
        f'{row["stratum"]} minus {elsewhere}, {_number(row, "more", f"more_{level}")}'
        for _, row in (differs.iloc[:1] if mirrored else differs).iterrows()
    ]
    return f'Shown to differ: {"; ".join(said)}.'


def _number(row: pd.Series, name: str, before: str) -> str:
    return f'{signed(row[name])} {interval_text(row[f"{before}low"], row[f"{before}high"], sign=True)}'
