"""The cell that ``--export`` takes: of a row, or named itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.errors import BadInput, did_you_mean
from benchmarks.record import read_grid_json, read_records, stack_name


def chosen_cell(out: Path, wanted: str) -> tuple[dict, dict]:
    """``grid.json``, and the record of the cell to export.

    Of a row it is the first seed with a result, in a grid with folds that of its first fold. It is not the best one: to
    choose among seeds by their scores on the test images would make the row's scores too low for it, and its own too
    high for new images.

    Args:
        out: The folder of a finished grid.
        wanted: The name of a row, or of a cell.

    Raises:
        BadInput: There is no such row or cell, it has no result, or it changes its test images.
    """
    try:
        grid, records = read_grid_json(out), read_records(out)
    except ValueError as error:
        raise BadInput(f'--export: {error}') from error
    by_cell = {record['cell']: record for record in records}
    of_row = [record for record in records if record['stack'] == wanted]
    if wanted not in by_cell and not of_row:
        rows = [row['stack'] for row in grid['rows']]
        raise BadInput(f"--export: {out} has no row '{wanted}'{did_you_mean(wanted, rows)}")
    candidates = [by_cell[wanted]] if wanted in by_cell else of_row
    candidates.sort(key=lambda record: (record['seed'], record.get('fold') or 0))
    record = next((record for record in candidates if record['status'] == 'ok'), None)
    if record is None:
        reasons = '; '.join(f'{one["cell"]}: {one["status"]} ({one["reason"]})' for one in candidates)
        raise BadInput(f'--export: no cell of {wanted} has a result ({reasons})')
    _refuse_condition(grid, record)
    return grid, record


def _refuse_condition(grid: Mapping[str, Any], record: Mapping[str, Any]) -> None:
    """Refuse a stack under a condition, which would put noise or blur on each new image."""
    conditions = [name for name in record['techniques'] if name in grid.get('conditions', [])]
    if conditions:
        clean = stack_name(name for name in record['techniques'] if name not in conditions)
        raise BadInput(
            f'--export: {", ".join(conditions)} changes the test images, and would change new ones; export {clean}, '
            f'which has the same weights'
        )


def weights_step(record: Mapping[str, Any]) -> tuple[str, str]:
    """(kind, key) of the stage whose checkpoint the cell predicts with."""
    kind = 'combine' if 'combine' in record['keys'] else 'train'
    return kind, record['keys'][kind]
