"""The table of published steps beside what the committed grids measured of each; a table of ``results/README.md``.

A grid counts if it compares steps (``cumulative``). A step is called by the label of its row, so that grids on other
data share it, also where a technique has other values there (sizes for multi-scale training, for example). A tuned
row's step is that from the reference of the row that is not tuned. A published step is the difference of two scores of
``published_dice``.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmarks.record import TUNED_ENDING
from benchmarks.reports.phrases import NOTHING, difference_text, signed, table_cell

STEPS = 'cumulative'


class Grid(NamedTuple):
    """What a committed grid says of published steps.

    Attributes:
        head: The grid's column: its name, linked to its report, its data, and the numbers of seeds and test images.
        claims: Step → published difference in points.
        measured: Step → measured difference with interval and verdict, and its seeds where they are fewer.
    """

    head: str
    claims: dict[str, float]
    measured: dict[str, str]


def claims_table(results: Path) -> str:
    """The table in Markdown.

    Args:
        results: The folder of the committed grids.
    """
    folders = sorted(path.parent for path in results.glob('*/grid.json'))
    grids = [grid for grid in map(read_claims, folders) if grid is not None]
    steps = list(dict.fromkeys(step for grid in grids for step in grid.measured))
    lines = [_line(['step', 'published', *(grid.head for grid in grids)]), '|---' * (2 + len(grids)) + '|']
    return '\n'.join([*lines, *(_line(_cells(step, grids)) for step in steps)])


def read_claims(folder: Path) -> Grid | None:
    """A grid's published and measured steps; None where it compares no steps.

    Args:
        folder: The grid's output folder.
    """
    stacks = pd.read_csv(folder / 'report' / 'table.csv', keep_default_na=False, na_values=[''])
    comparisons = pd.read_csv(folder / 'report' / 'comparisons.csv', keep_default_na=False, na_values=[''])
    dice = comparisons[comparisons['metric'] == 'dice']
    steps = dice[dice['design'].isin([STEPS, f'{STEPS}{TUNED_ENDING}'])]
    if steps.empty:
        return None
    published = dict(zip(stacks['stack'], stacks['published_dice'].astype(float)))
    step = dict(zip(stacks['stack'], stacks['label'].str.removeprefix('+ ')))
    grid = json.loads((folder / 'grid.json').read_text())
    images = int(stacks['n_images'].max())
    seeds = int(stacks['n_seeds'].max())
    link = f'[{folder.name}]({folder.name}/report/README.md)'
    head = f'{link}: {grid["dataset"]["name"]}, {seeds} seeds, {images} images'
    rows = [row for _, row in steps.iterrows()]
    return Grid(
        head,
        {step[row['stack']]: published[row['stack']] - published[row['reference']] for row in rows},
        {step[row['stack']]: f'{difference_text(row)}{_fewer(row, seeds)}' for row in rows},
    )


def _fewer(row: pd.Series, seeds: int) -> str:
    """How many seeds a difference rests on, where the grid has more of another row."""
    return f', {row["n_seeds"]} seeds' if row['n_seeds'] < seeds else ''


def _cells(step: str, grids: Sequence[Grid]) -> list[str]:
    claims = [grid.claims[step] for grid in grids if step in grid.claims and not pd.isna(grid.claims[step])]
    return [
        table_cell(step),
        signed(claims[0]) if claims else NOTHING,
        *(grid.measured.get(step, NOTHING) for grid in grids),
    ]


def _line(cells: Sequence[str]) -> str:
    return f'| {" | ".join(cells)} |'
