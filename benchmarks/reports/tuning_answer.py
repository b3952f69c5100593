"""What tuning adds: the section of a report with tuned and other rows side by side, and the values that were chosen."""

from collections.abc import Mapping

import pandas as pd

from benchmarks.analysis.metrics import Metric
from benchmarks.record import TUNED_ENDING, TUNING_DESIGN
from benchmarks.reports.phrases import NOTHING, difference_text, plain, table_cell

MOST_CHOICES = 4  # different choices of a row's seeds that are named


def tuning_answer(
    tuning: Mapping, trials: pd.DataFrame, stacks: pd.DataFrame, comparisons: pd.DataFrame, metric: Metric
) -> str:
    """The section in Markdown; empty where nothing was tuned.

    Args:
        tuning: The field ``tuning`` of ``grid.json``; empty where nothing was tuned.
        trials: The table of trials, with each choice once.
        stacks: The stack table.
        comparisons: The comparisons by the metric of the question.
        metric: That metric.
    """
    gains = comparisons[comparisons['design'].str.split('@').str[0] == TUNING_DESIGN]
    if not tuning or gains.empty:
        return ''
    rows = stacks.set_index('stack')
    head = (
        f'| row | {metric.title}, {metric.value_unit} | tuned | tuned − not tuned | gain of the row | '
        'its gain, tuned | chosen (how often) | validation Dice |'
    )
    intro = (
        f'Each technique with a search had {tuning["trials"]} trials; the first has the values of its file. Values '
        f'were chosen by Dice on {tuning["n_images"]} validation images, which no test shows, and the test images were '
        'scored once. So **tuned − not tuned** is what the choice of values is worth; the gains beside it are against '
        'the same reference. Validation Dice is that of the first trial → that of the choice, mean over choices: '
        'where it rises and the test does not, the choice fits the validation images alone. Latencies of tuned rows '
        f'are measured with the values that the first seed chose. {_of_trainings(tuning)}All trials: '
        '[tuning.csv](tuning.csv).'
    )
    lines = [_line(gain, rows, trials, comparisons, metric) for _, gain in gains.iterrows()]
    return '\n\n'.join(['### What tuning adds', intro, '\n'.join([head, '|' + '---|' * (head.count('|') - 1), *lines])])


def _of_trainings(tuning: Mapping) -> str:
    """Which trials are trainings; empty where none is, and in records from before there were such."""
    trained = tuning.get('trained')
    if not trained:
        return ''
    return (
        f'Each trial of {", ".join(trained)} and of the baseline is a training of its own; one that diverged has no '
        'score. Rows whose training is tuned are compared with the tuned baseline, which had as many trials. '
    )


def _line(gain: pd.Series, rows: pd.DataFrame, trials: pd.DataFrame, comparisons: pd.DataFrame, metric: Metric) -> str:
    """One row of the table."""
    before, after = _gains(gain, comparisons)
    own = trials[trials['stack'] == gain['stack']]
    cells = [
        table_cell(rows.loc[gain['reference'], 'label']),
        plain(rows.loc[gain['reference'], metric.name]),
        plain(rows.loc[gain['stack'], metric.name]),
        difference_text(gain),
        before,
        after,
        _choices(own),
        _validation(own),
    ]
    return f'| {" | ".join(cells)} |'


def _gains(gain: pd.Series, comparisons: pd.DataFrame) -> tuple[str, str]:
    """The gain of the row without tuning and with it, as the same design compares both; dashes where none does."""
    for _, tuned in comparisons[comparisons['stack'] == gain['stack']].iterrows():
        name, at, condition = tuned['design'].partition('@')
        if name.endswith(TUNED_ENDING):
            design = f'{name.removesuffix(TUNED_ENDING)}{at}{condition}'
            of_row = (comparisons['stack'] == gain['reference']) & (comparisons['design'] == design)
            plain_gain = comparisons[of_row].iloc[0]
            return difference_text(plain_gain), difference_text(tuned)
    return NOTHING, NOTHING


def _choices(trials: pd.DataFrame) -> str:
    """The values that were chosen, the most frequent ones first, with the number of choices."""
    chosen = trials[trials['chosen']]
    texts = []
    for technique, of_technique in chosen.groupby('technique', sort=False):
        counted = of_technique['values'].value_counts(sort=False).sort_values(ascending=False, kind='stable')
        named = [f'{values} ({number})' for values, number in counted.head(MOST_CHOICES).items()]
        more = len(counted) - MOST_CHOICES
        texts.append(f'{technique}: {"; ".join([*named, *([f"{more} others"] if more > 0 else [])])}')
    return table_cell('. '.join(texts)) or NOTHING


def _validation(trials: pd.DataFrame) -> str:
    """The score of the file's values and that of the choice on the validation images, of each technique."""
    texts = []
    for _, of_technique in trials.groupby('technique', sort=False):
        first = of_technique.loc[of_technique['trial'] == 0, 'validation_dice'].mean()
        best = of_technique.loc[of_technique['chosen'], 'validation_dice'].mean()
        texts.append(f'{plain(first)} → {plain(best)}')
    return '; '.join(texts) or NOTHING
