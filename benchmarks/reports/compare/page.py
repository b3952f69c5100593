"""The page that compares two output folders, and its tables.

``README.md`` says what moved and what changed; ``moved.csv`` has each row and score, ``changes.csv`` each setting. The
same folders give the same bytes.
"""

import re
from pathlib import Path

import pandas as pd

from benchmarks.analysis.metrics import Metric, metric_asked
from benchmarks.analysis.two_grids import PAIRED
from benchmarks.files import write_atomic
from benchmarks.reports.compare.comparison import ALL_ROWS, LATENCY, Comparison, Side, compare_folders
from benchmarks.reports.phrases import (
    interval_text,
    of_checkpoints,
    one_line,
    plain,
    short,
    signed,
    some_of_rows,
    table_cell,
)
from benchmarks.reports.table import write_csv

PAGE, MOVED, CHANGED = 'README.md', 'moved.csv', 'changes.csv'
NAMED = 10  # rows in a sentence
SHOWN = 40  # changes of one kind in the page; the table has all
_MARKUP = re.compile(r'[\\`*_{}\[\]<>|&#~$]')
LONGEST = 80  # characters of a value in the page


def write_comparison(before: Path, after: Path, out: Path) -> Path:
    """Compare two output folders, and write the page and its tables to ``out``.

    Returns:
        Path: The page.

    Raises:
        ValueError: A record is missing or damaged, or the folders share no row; names the culprit.
    """
    found = compare_folders(before, after)
    write_csv(found.moved, out / MOVED)
    write_csv(found.changes, out / CHANGED)
    return write_atomic(out / PAGE, comparison_page(found).encode('utf-8'))


def comparison_page(found: Comparison) -> str:
    """The text of the page."""
    metric = metric_asked(found.after.results.grid)
    asked = found.moved[found.moved['metric'] == metric.name]
    sections = [
        '# What moved, and what changed',
        f'before: {_called(found.before)}  \nafter: {_called(found.after)}',
        _answer(asked, metric),
        *(_unfinished(side) for side in (found.before, found.after)),
        _rows_of_one_side(found),
        '## What moved',
        _moved_table(found, asked, metric),
        _other_scores(found.moved, metric),
        _how(found, asked),
        '## What changed',
        *_changed(found.changes),
        '## What did not change',
        'All that is not named above: values of the dumped configs, keys of stages, packages, machine and data. A '
        'stage whose key changed without a change of its config has other code, data or libraries.',
    ]
    return '\n\n'.join(section for section in sections if section) + '\n'


def _called(side: Side) -> str:
    return f'{_code(str(side.folder))} ({_name(side.results.grid["title"])})'


def _answer(asked: pd.DataFrame, metric: Metric) -> str:
    """How many rows moved, and which."""
    went = asked[asked['verdict'].isin(['gain', 'loss'])]
    if went.empty:
        text = f'**By {metric.title} no row moved beyond noise**, of {len(asked)}.'
        same = int((asked['verdict'] == 'not effective').sum())
        return f'{text} In {same} rows every count of every image is the same.' if same else text
    named = [f'“{_name(row["label"])}” ({signed(row["delta"])}, {row["verdict"]})' for _, row in went.iterrows()]
    return f'**By {metric.title} {len(went)} of {len(asked)} rows moved beyond noise:** {some_of_rows(named, NAMED)}.'


def _unfinished(side: Side) -> str:
    open_cells = side.results.grid.get('open', {}).get('cells', ())
    return f'{_code(str(side.folder))} is not finished: {len(open_cells)} of its cells are open.' if open_cells else ''


def _rows_of_one_side(found: Comparison) -> str:
    lines = []
    for side, other in ((found.before, found.after), (found.after, found.before)):
        alone = [f'“{_name(label)}”' for stack, label in side.table['label'].items() if stack not in other.table.index]
        if alone:
            lines.append(f'Only in {_code(str(side.folder))}: {some_of_rows(alone, NAMED)}.')
    return ' '.join(lines)


def _moved_table(found: Comparison, asked: pd.DataFrame, metric: Metric) -> str:
    latency = found.moved[found.moved['metric'] == LATENCY].set_index('stack')
    unit = f'{metric.title}, {metric.value_unit}'
    heads = ['row', f'{unit}, before', f'{unit}, after', 'after − before [95 %]', 'verdict', 'latency p50, ms']
    lines = [heads, ['---'] * len(heads)]
    for _, row in asked.iterrows():
        delta = '–'
        if not pd.isna(row['delta']):
            delta = f'{signed(row["delta"])} {interval_text(row["low"], row["high"], sign=True)}'
        speed = '–'
        if row['stack'] in latency.index:
            of_row = latency.loc[row['stack']]
            speed = f'{short(of_row["before"])} → {short(of_row["after"])}, {of_row["verdict"]}'
        scores = [plain(row['before']), plain(row['after'])]
        lines.append([_name(row['label']), *scores, delta, _verdict(row), speed])
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def _verdict(row: pd.Series) -> str:
    """The verdict in the words of two runs, and that on these checkpoints where it says more."""
    words = {'not effective': 'every count is the same', 'missing': 'nothing to compare'}
    verdict = row['verdict']
    if row['same_counts'] and verdict != 'not effective':
        return 'every count is the same, by other maps'
    text = f'**{verdict}**' if verdict in ('gain', 'loss') else words.get(verdict, verdict)
    return f'{text}{of_checkpoints(row)}'


def _other_scores(moved: pd.DataFrame, metric: Metric) -> str:
    others = moved[~moved['metric'].isin([metric.name, LATENCY]) & moved['verdict'].isin(['gain', 'loss'])]
    if others.empty:
        return 'By no other score a row moved.'
    named = [f'“{_name(row["label"])}” ({row["metric"]}, {row["verdict"]})' for _, row in others.iterrows()]
    return f'By other scores: {some_of_rows(named, NAMED)}. All are in {_code(MOVED)}.'


def _how(found: Comparison, asked: pd.DataFrame) -> str:
    """Which rows are paired, and what the words mean."""
    paired = int((asked['how'] == PAIRED).sum())
    why = found.unpaired or 'they share no seed'
    parts = []
    if paired:
        parts.append(f'{paired} rows are paired by image and seed: the same images and seeds, before and after.')
    if paired < len(asked):
        parts.append(
            f'{len(asked) - paired} rows are not paired ({why}): their intervals add the variances of both runs, and '
            'are longer.'
        )
    return ' '.join(parts) + (
        ' A gain or a loss has p < 0.05 on new seeds and images, corrected by Holm over all rows; undecided shows '
        'neither a difference nor its absence. Two latencies are equal within the noise that was recorded with them, '
        'at least 10 %.'
    )


def _changed(changes: pd.DataFrame) -> list[str]:
    """A table for each kind of setting; what changed in all rows comes first."""
    if changes.empty:
        return ['Nothing: grid, environment, data, configs and the keys of all stages are the same.']
    sections = []
    for part, of_part in changes.groupby('part', sort=False):
        lines = [f'| row | {part} | before | after |', '|---|---|---|---|']
        for _, change in of_part.head(SHOWN).iterrows():
            cells = [_code(change['name']), *(_value(change[side]) for side in ('before', 'after'))]
            row = ALL_ROWS if change['row'] == ALL_ROWS else _code(change['row'])
            lines.append(f'| {row} | {" | ".join(cells)} |')
        more = len(of_part) - SHOWN
        sections.append('\n'.join(lines) + (f'\n\n{more} more are in {_code(CHANGED)}.' if more > 0 else ''))
    return sections


def _value(text: str | None) -> str:
    if text is None:
        return '–'
    text = one_line(text)
    return _code(text if len(text) <= LONGEST else f'{text[:LONGEST]}…')


def _name(text: str) -> str:
    """A user's name in Markdown; nothing in it is read as Markdown or HTML."""
    return _MARKUP.sub(r'\\\g<0>', one_line(text))


def _code(text: str) -> str:
    """A text as code in Markdown, also within a table; nothing in it is read as Markdown or HTML."""
    text = table_cell(one_line(text)) or ' '
    fence = '``' if '`' in text else '`'
    pad = ' ' if '`' in text else ''
    return f'{fence}{pad}{text}{pad}{fence}'
