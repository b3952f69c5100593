"""When a technique helps: the section of a report on gains that depend on the images, from the table of strata."""

from collections.abc import Mapping, Sequence

import pandas as pd

from benchmarks.data.strata import BOUNDARY, CONFIDENT, OBJECT, VIEWS
from benchmarks.reports.phrases import interval_text, percent_points, signed
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


def strata_answer(strata: pd.DataFrame, label_of: Mapping[str, str], margin: float) -> str:
    """The section in Markdown; empty where no gain is shown to depend on the images.

    Args:
        strata: The table of strata.
        label_of: The label of each stack.
        margin: Equivalence margin, percent points.
    """
    # A stack of many techniques inherits what one of them does: steps of one technique are told, if there are any.
    steps = strata[strata['changed'] == 1]
    strata = strata if steps.empty else steps
    both, these = _sentences(strata, label_of, ''), _sentences(strata, label_of, CHECKPOINTS)
    parts = [_list(lead, found) for lead, found in ((_BOTH, both), (_THESE, these)) if found]
    if not parts:
        return ''
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


def _sentences(strata: pd.DataFrame, label_of: Mapping[str, str], level: str) -> list[str]:
    """A text per comparison and kind of strata in which gains are shown to differ; the largest differences first.

    Of the comparisons of one stack the one with the largest difference is told.

    Args:
        strata: The table of strata.
        label_of: The label of each stack.
        level: The columns that decide: '' for another training, too, ``CHECKPOINTS`` for the networks that were
            trained. The latter leaves out what the former shows.
    """
    found: dict[tuple[str, str], tuple[float, str]] = {}
    for (stack, reference, by), rows in strata.groupby(['stack', 'reference', 'by'], sort=False):
        differs = rows[rows[f'more_{level}verdict'].isin(_SHOWN)]
        if differs.empty or (level and rows['more_verdict'].isin(_SHOWN).any()):
            continue
        text = (
            f'“{label_of[stack]}” against “{label_of[reference]}”, {_BY[by]}: {_strata(rows, level)}. '
            f'{_more(differs, by, level)}'
        )
        size = differs['more'].abs().max()
        found[stack, by] = max(found.get((stack, by), (0.0, '')), (size, text))
    return [text for _, text in sorted(found.values(), key=lambda entry: -entry[0])]


def _strata(rows: pd.DataFrame, level: str) -> str:
    """What happens in each stratum, those with the same verdict together."""
    parts = []
    for verdict, verb in _VERBS.items():
        named = [
            f'{row["stratum"]}, {_number(row, "gain", level)}'
            for _, row in rows[rows[f'{level}verdict'] == verdict].iterrows()
        ]
        if named:
            parts.append(f'{verb} {" and ".join(named)}')
    return '; '.join(parts)


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
