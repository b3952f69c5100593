"""What the mean hides: the section of a report on classes and the median image that go against the mean image."""

from collections.abc import Iterator, Mapping

import pandas as pd

from benchmarks.reports.hidden_table import MEAN, MEDIAN, POOLED
from benchmarks.reports.phrases import interval_text, signed

MOST_LISTED = 6
_SHOWN = ('gain', 'loss')
_VERBS = dict(gain='gains', loss='loses')
_THESE = ', of these networks alone'


def hidden_answer(hidden: pd.DataFrame, label_of: Mapping[str, str], margin: float) -> str:
    """The section in Markdown; empty where nothing that is shown goes against the mean image, or beyond it.

    Args:
        hidden: The table of what the mean hides.
        label_of: The label of each stack.
        margin: Equivalence margin, percent points; what lies within is not told.
    """
    sentences = list(_sentences(hidden, label_of, margin))
    if not sentences:
        return ''
    more = len(sentences) - MOST_LISTED
    items = [*sentences[:MOST_LISTED], *([f'{more} more are in the table.'] if more > 0 else [])]
    closing = (
        'Dice, percent points [95 %, uncorrected], the most surprising first. These were looked through, not asked '
        'for: of what is called by one score about 5 % is false. Interval and verdict of the mean image are those of '
        '[comparisons.csv](comparisons.csv). The interval of a median held in 95 to 98 % of '
        'simulated test sets; where many images have the same score, it is a guess. All: [hidden.csv](hidden.csv).'
    )
    return '\n\n'.join(['### What does the mean hide', '\n'.join(f'- {item}' for item in items), closing])


def _sentences(hidden: pd.DataFrame, label_of: Mapping[str, str], margin: float) -> Iterator[str]:
    """One on each comparison and class, or the median, that shows another gain or loss than the mean image does."""
    told: set[tuple[str, str, str]] = set()
    means = {(row['stack'], row['reference']): row for row in hidden[hidden['score'] == MEAN].to_dict('records')}
    for row in hidden[hidden['score'] != MEAN].to_dict('records'):
        mean = means[row['stack'], row['reference']]
        level = next((of for of in ('', 'checkpoints_') if row[f'{of}verdict'] in _SHOWN), None)
        if level is None or row[f'{level}verdict'] == mean[f'{level}verdict']:
            continue
        of_class = (row['stack'], row['reference'], row['class_name'])
        small = max(abs(row[f'{level}low']), abs(row[f'{level}high'])) <= margin
        if small or of_class in told:  # pooled and per image mostly say the same of a class
            continue
        told.add(of_class)
        yield (
            f'“{label_of[row["stack"]]}” against “{label_of[row["reference"]]}”{_THESE if level else ""}: {_what(row)} '
            f'{_VERBS[row[f"{level}verdict"]]} {_number(row, level)}; the mean image '
            f'{_VERBS.get(mean[f"{level}verdict"], "is")} {_number(mean, level)}'
            f'{"" if mean[f"{level}verdict"] in _SHOWN else ", " + mean[f"{level}verdict"]}.'
        )


def _what(row: Mapping) -> str:
    if row['score'] == MEDIAN:
        return 'the median image'
    return f'class “{row["class_name"]}”{" pooled over images" if row["score"] == POOLED else ""}'


def _number(row: Mapping, level: str) -> str:
    return f'{signed(row["delta"])} {interval_text(row[f"{level}low"], row[f"{level}high"], sign=True)}'
