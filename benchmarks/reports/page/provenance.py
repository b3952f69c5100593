"""Where the numbers of a row come from: its reading, config changes, seeds, keys and profile."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from markupsafe import Markup

from benchmarks.record import cell_name, seeds_of
from benchmarks.reports.page.config_changes import Change, config_changes, read_config
from benchmarks.reports.page.prose import to_html
from benchmarks.reports.phrases import one_line
from benchmarks.reports.readings import Known, reading
from benchmarks.reports.results import Results

MOST_ROWS, MOST_CHANGES, MOST_CELLS = 200, 60, 20


class Cell(NamedTuple):
    """One seed of a row.

    Attributes:
        seed: The seed.
        status: ``ok``, a failure, or ``not run``.
        reason: Why it failed, with the stage; empty for an ok cell.
        keys: The key of each stage.
        config: The file of its config, beside the page; empty where there is none.
    """

    seed: int
    status: str
    reason: str
    keys: dict[str, str]
    config: str


class Provenance(NamedTuple):
    """Where a row comes from.

    Attributes:
        number: Its number in the table.
        label: Its name.
        stack: The name of its stack.
        techniques: Its techniques.
        reading: What the report says of it.
        reference: The label of the row whose config is compared; empty for none.
        changes: What its config changes against that one, at most ``MOST_CHANGES``; None where a config is not kept.
        more_changes: The number of further changes.
        cells: Its seeds, at most ``MOST_CELLS``.
        more_cells: The number of further seeds.
        profile: Facts of its profile by name.
    """

    number: int
    label: str
    stack: str
    techniques: str
    reading: Markup
    reference: str
    changes: list[Change] | None
    more_changes: int
    cells: list[Cell]
    more_cells: int
    profile: dict[str, str]


def provenances(out: Path, results: Results, stacks: pd.DataFrame, dice: pd.DataFrame) -> Iterator[Provenance]:
    """The provenance of the first ``MOST_ROWS`` rows.

    Args:
        out: The folder of the records; configs are read from its folder ``configs/``, and may be missing.
        results: The records of the grid.
        stacks: The stack table.
        dice: The comparisons by the metric of the question.
    """
    configs, known = _Configs(out, results), Known.of(stacks, dice)
    label_of = dict(zip(stacks['stack'], stacks['label']))
    margin = results.grid['equivalence_margin']
    for number, row in enumerate(results.grid['rows'][:MOST_ROWS], start=1):
        stack, of_row = row['stack'], stacks.iloc[number - 1]
        reference = next(iter(known.comparisons.get(stack, [])), None)
        changes = None if reference is None else configs.changes(reference, stack)
        cells = [_cell(results, stack, seed) for seed in seeds_of(results.grid, row)]
        yield Provenance(
            number,
            row['label'],
            stack,
            ', '.join(row['techniques']),
            to_html(reading(of_row, known, margin)),
            '' if reference is None else label_of.get(reference, reference),
            changes and changes[:MOST_CHANGES],
            max(len(changes or []) - MOST_CHANGES, 0),
            cells[:MOST_CELLS],
            max(len(cells) - MOST_CELLS, 0),
            _profile(results.profiles.get(stack)),
        )


class _Configs:
    """The configs of the stacks of a grid, of their first seed with a record; each is read once."""

    def __init__(self, out: Path, results: Results) -> None:
        self._folder, self._results = Path(out) / 'configs', results
        self._read: dict[str, dict[str, Any] | None] = {}

    def changes(self, reference: str, stack: str) -> list[Change] | None:
        """What the config of a stack changes; None where one of the two is not kept."""
        before, after = self._of(reference), self._of(stack)
        return None if before is None or after is None else list(config_changes(before, after))

    def _of(self, stack: str) -> dict[str, Any] | None:
        if stack not in self._read:
            cells = (cell_name(stack, seed) for seed in self._results.grid['seeds'])
            names = [_config_file(self._results.records[cell]) for cell in cells if cell in self._results.records]
            self._read[stack] = read_config(self._folder / names[0]) if names else None
        return self._read[stack]


def _config_file(record: dict) -> str:
    """The name of a cell's config. A record that names another folder does not lead out of ``configs/``."""
    return Path(record['config']).name


def _cell(results: Results, stack: str, seed: int) -> Cell:
    record = results.records.get(cell_name(stack, seed))
    if record is None:
        return Cell(seed, 'not run', '', {}, '')
    reason = f'{record["failed_stage"]}: {one_line(record["reason"] or "")}' if record['status'] != 'ok' else ''
    keys = {kind: key for kind, key in record['keys'].items() if key}
    return Cell(seed, record['status'], reason, keys, f'../configs/{_config_file(record)}')


def _profile(profile: dict | None) -> dict[str, str]:
    if profile is None:
        return {}
    facts = dict(status=profile['status'], key=profile['key'])
    if profile['status'] != 'ok':
        return facts | dict(reason=one_line(profile['reason'] or ''))
    busy = (profile.get('machine') or {}).get('busy')
    facts |= dict(device=f'{profile["device"]}, {profile["threads"]} threads', inferences=str(profile['n_samples']))
    return facts | (dict(busy=one_line(busy)) if busy else {})
