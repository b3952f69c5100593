"""Accuracy against speed: the section of a report, from the table of chances."""

import pandas as pd

from benchmarks.reports.phrases import busy_while, percent_points, share_text, some_of_rows, table_cell
from benchmarks.reports.speed_table import Speed

SURE, LIKELY, POSSIBLE = 0.95, 0.5, 0.05
MOST_ROWS, MOST_NAMED = 12, 5


def speed_answer(speed: Speed) -> str:
    """The section in Markdown; empty without rows."""
    table = speed.table
    if table.empty:
        return ''
    sentences = [_fastest(speed), *_front(table), _volume(speed)]
    covers = 'other images and another training' if speed.n_seeds > 1 else 'other images alone (one seed)'
    closing = (
        'A row is on the Pareto front if no other is at least as fast and as accurate, by the Dice and latency that '
        'more images, trainings and measurements would come to. Dice and chances rest on '
        f'{_seeds(speed)}; the figure compares the means of all seeds of each row. '
        f'Chances are shares of draws of Dice and latency together: they allow for {covers}, and for the noise of each '
        'latency (10 % where none was recorded). Rows without a latency, with a failed seed or without learning are '
        'left out. All rows: [speed.csv](speed.csv).'
    )
    if speed.busy:
        sentences.insert(0, _busy(speed))
    listed = '\n'.join(f'- {sentence}' for sentence in sentences)
    return '\n\n'.join(['### Accuracy against speed', listed, _rows(speed), closing])


def _seeds(speed: Speed) -> str:
    return f'the {speed.n_seeds} seeds that all rows here have' if speed.n_seeds > 1 else 'one seed'


def _busy(speed: Speed) -> str:
    """A caution about latencies, and the cure."""
    return (
        f'**{busy_while(len(speed.busy), len(speed.table))}**, so speeds below may be off; measure them again on a '
        'quiet machine with `--reprofile`.'
    )


def _fastest(speed: Speed) -> str:
    """The fastest row that is good enough: the likely one, what else might be, and the one of the means."""
    likely = speed.table.sort_values('p_fastest', ascending=False, kind='stable')
    likely = likely[(likely['p_fastest'] >= POSSIBLE) | (likely['p_fastest'] == likely['p_fastest'].max())]
    named = [
        f'“{row["label"]}” ({row["latency_ms"]:.1f} ms) with a chance of {share_text(row["p_fastest"])}'
        for _, row in likely.iterrows()
    ]
    which = f'fastest row within {percent_points(speed.margin)} of the best Dice'
    if likely['p_fastest'].iloc[0] >= LIKELY:
        others = some_of_rows([name.replace('with a chance of ', '') for name in named[1:]], MOST_NAMED)
        return f'The {which} is {named[0]}{f"; else {others}" if others else ""}.'
    of_means = speed.table.loc[speed.table['fastest_of_means'], 'label'].iloc[0]
    return f'The {which} is not known: {some_of_rows(named, MOST_NAMED)}. By the means alone it is “{of_means}”.'


def _front(table: pd.DataFrame) -> list[str]:
    """Rows that are surely on the front, and the number of rows that surely are not."""
    sure, out = table[table['p_front'] >= SURE], table[table['p_front'] < POSSIBLE]
    sentences = []
    if len(sure):
        named = some_of_rows([f'“{label}”' for label in sure['label']], MOST_NAMED)
        sentences.append(f'On the Pareto front of Dice and latency with a chance of 95 % or more: {named}.')
    if len(out):
        rows = f'{len(out)} of {len(table)} rows {"is" if len(out) == 1 else "are"}'
        sentences.append(
            f'{rows} not on the Pareto front, with a chance of 95 % or more: others are at least as fast and as '
            'accurate.'
        )
    return sentences


def _volume(speed: Speed) -> str:
    """The hypervolume with its reference point, and the row that adds most to it."""
    total, low, high = speed.volume
    latency, dice = speed.reference
    most = speed.table.sort_values('volume_lost', ascending=False, kind='stable').iloc[0]
    text = (
        f'The hypervolume is {total:.1f} [{low:.1f}, {high:.1f}] points of Dice × doublings of speed, above the '
        f'reference point of {latency:.3g} ms and {dice:.1f} %'
    )
    if most['volume_lost'] < 0.01:
        return f'{text}; no single row adds 1 % to it.'
    return f'{text}; “{most["label"]}” alone adds {share_text(most["volume_lost"])} of it.'


def _rows(speed: Speed) -> str:
    """The rows that may be on the front or the cheapest, from the fastest to the slowest."""
    table = speed.table
    shown = table[(table['p_front'] >= POSSIBLE) | (table['p_fastest'] >= POSSIBLE)]
    shown = shown.nlargest(MOST_ROWS, 'p_front', keep='all').head(MOST_ROWS).sort_index()
    lines = [
        '| row | Dice, % | latency p50, ms | on the Pareto front '
        f'| fastest within {speed.margin:g} points of the best |',
        '|---|---|---|---|---|',
    ]
    for _, row in shown.iterrows():
        cells = [table_cell(row['label']), f'{row["dice"]:.1f}', f'{row["latency_ms"]:.1f}']
        lines.append(f'| {" | ".join([*cells, share_text(row["p_front"]), share_text(row["p_fastest"])])} |')
    left = len(table) - len(shown)
    return '\n'.join([*lines, *([f'\n{left} more rows are in the table.'] if left else [])])
