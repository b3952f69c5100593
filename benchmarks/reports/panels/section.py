"""The section of panels in ``README.md``, and their PNG files beside it."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import pandas as pd

from benchmarks.data.panels import FOLDER, Panel, read_panels
from benchmarks.files import write_atomic
from benchmarks.reports.panels.sheet import sheet
from benchmarks.reports.panels.tiles import TITLES, tiles_of
from benchmarks.reports.phrases import one_line, plain, signed, table_cell
from benchmarks.reports.results import Results

HEADING = 'Panels of test images'
SHEETS = 'panels'  # the folder beside README.md


def panels_of(out: Path, results: Results) -> list[Panel]:
    """The panels that the records have of rows of the grid."""
    stacks = {row['stack'] for row in results.grid['rows']}
    return [panel for panel in read_panels(out) if {panel.facts['stack'], panel.facts['reference']} <= stacks]


def write_sheets(out: Path, panels: Sequence[Panel], grid: Mapping, labels: Mapping[str, str]) -> None:
    """Write ``<out>/report/panels/NN.png``, in the place of those of an earlier report.

    Args:
        out: The output folder.
        panels: The panels.
        grid: The content of ``grid.json``.
        labels: The label of each stack.
    """
    folder = Path(out) / 'report' / SHEETS
    shutil.rmtree(folder, ignore_errors=True)
    for number, panel in enumerate(panels):
        tiles = tiles_of(panel, len(grid['classes']), grid['background'])
        content = sheet(tiles, panel_title(panel, labels), tile_notes(panel))
        write_atomic(folder / f'{number:02d}.png', content, sync=False)


def panel_section(panels: Sequence[Panel], stacks: pd.DataFrame) -> str:
    """The section below its heading; empty without panels."""
    return '\n\n'.join(_parts(panels, dict(zip(stacks['stack'], stacks['label'])))) if panels else ''


def _parts(panels: Sequence[Panel], labels: Mapping[str, str]) -> Iterator[str]:
    yield how_chosen(panels)
    lines = [
        '| row | reference | seed | image | chosen as | Dice | Dice of the reference | Δ |',
        '|---|---|---|---|---|---|---|---|',
    ]
    yield '\n'.join(lines + [f'| {" | ".join(map(table_cell, row))} |' for row in panel_rows(panels, labels)])
    for number, panel in enumerate(panels):
        alt = one_line(panel_title(panel, labels)).replace('[', '(').replace(']', ')')
        yield f'![{alt}]({SHEETS}/{number:02d}.png)'


def how_chosen(panels: Sequence[Panel]) -> str:
    """How the images were chosen, and how to read them."""
    steps = sorted({panel.facts['step'] for panel in panels} - {1})
    reduced = f' Of large images one of {" or ".join(map(str, steps))} rows and columns is shown.' if steps else ''
    return (
        f'Of {_pairs(panels)}, in the last seed that both rows have finished: the test images with the largest '
        'gain, the largest loss and the median difference of Dice. A rule has chosen them, so they show extremes, and '
        'not how often they happen. The lower row is the frame in the upper one, where the two predictions differ most '
        'near a boundary. Errors: grey is right, orange too much, blue missed, yellow another class, stripes void.'
        f'{reduced} The label maps lie in `{FOLDER}/`.'
    )


def _pairs(panels: Sequence[Panel]) -> str:
    """The pairs of rows that are shown."""
    of_answer = [panel for panel in panels if panel.facts.get('recommended')]
    asked = [panel for panel in panels if not panel.facts.get('recommended')]
    number = len(list(groupby(asked, key=lambda panel: (panel.facts['stack'], panel.facts['reference']))))
    primary = 'the first primary comparison' if number == 1 else f'the first {number} primary comparisons'
    parts = ['the row that the answer recommends, against the baseline'] * bool(of_answer) + [primary] * bool(number)
    return ', and of '.join(parts)


def panel_rows(panels: Sequence[Panel], labels: Mapping[str, str]) -> list[list[str]]:
    """The table behind the panels: row, reference, seed, image, rule, both scores and their difference."""
    return [
        [
            labels.get(facts['stack'], facts['stack']),
            labels.get(facts['reference'], facts['reference']),
            str(facts['seed']),
            facts['image'],
            facts['rule'],
            plain(facts['dice']),
            plain(facts['reference_dice']),
            signed(facts['dice'] - facts['reference_dice'], 2),
        ]
        for facts in (panel.facts for panel in panels)
    ]


def panel_title(panel: Panel, labels: Mapping[str, str]) -> str:
    """What a panel shows, in a line."""
    ((stack, reference, seed, image, rule, _, _, delta),) = panel_rows([panel], labels)
    return f'{stack} against {reference}, seed {seed}: {rule}, {delta} points of Dice, image {image}'


def tile_notes(panel: Panel) -> list[str]:
    """A note for each tile: the scores below the predictions."""
    scores = dict(reference=panel.facts['reference_dice'], stack=panel.facts['dice'])
    return [f'Dice {plain(scores[title])} %' if title in scores else '' for title in TITLES]
