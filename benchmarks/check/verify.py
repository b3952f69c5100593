"""Says whether a cell of a finished grid comes out again: ``run_ablation.py --verify RESULTS CELL``.

The cell runs anew from its dumped config. Its counts must equal those of ``records/counts.csv.gz``. Other processors,
GPUs and library versions round differently, and a training carries a difference of one bit on until the weights are
others. So there the cell counts as another seed of its row: its Dice must lie in the prediction interval of the row's
seeds (:func:`benchmarks.analysis.prediction.prediction_interval`).
"""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.analysis.counts import CellCounts, Counts, counts_frame, counts_from_frame, same_counts
from benchmarks.analysis.metrics import DICE
from benchmarks.analysis.prediction import FEWEST_SEEDS, LEVEL, prediction_interval
from benchmarks.analysis.scores import foreground_classes, score
from benchmarks.check.cell_again import (
    StageFailed,
    Ways,
    changes_of_work,
    fresh_store,
    has_choice,
    plan_again,
    run_again,
)
from benchmarks.errors import BadInput, did_you_mean
from benchmarks.record import read_grid_json, read_records, write_counts
from benchmarks.session.environment import environment
from benchmarks.session.finished import own_module_folders
from benchmarks.stacks.own_modules import make_importable
from benchmarks.stages.facts import read_facts

COMPUTE_NOTHING = {'pandas', 'ray', 'submitit'}  # of the distributions in an environment: they change no count
COUNTS_FILE = Path('records') / 'counts.csv.gz'


class Verdict(NamedTuple):
    """Whether a cell came out again, and the sentences that say so."""

    holds: bool
    lines: list[str]


def verify(out: Path, cell: str, ways: Ways) -> bool:
    """Run a cell again, and print whether it came out as recorded.

    Args:
        out: The folder of a finished grid.
        cell: The name of a cell, such as ``baseline__seed0``.
        ways: How it runs.

    Returns:
        Whether it did.

    Raises:
        BadInput: The folder has no such cell with a result, or the cell cannot be run here.
    """
    grid, record = recorded_cell(out, cell)
    make_importable(own_module_folders(out))
    with fresh_store(ways.work_dir) as store:
        plan = plan_again(out, record, store, ways)
        changes = changes_of_work(plan, record, ways.work_dir)
        if changes:
            print(f'note: not the same work as that of the record: other keys of {", ".join(changes)}')
        if has_choice(record):
            print('note: the values that were chosen for this tuned cell are taken as given, and not chosen again')
        try:
            rows = [dict(cell=cell, **row) for row in read_facts(run_again(plan, store, ways))]
        except StageFailed as failure:
            print(f'{cell} does not come out again: {failure}')
            return False
    verdict = judge(out, grid, record, rows, unlike_machines(grid, environment(), ways.device))
    for line in verdict.lines:
        print(line)
    return verdict.holds


def recorded_cell(out: Path, cell: str) -> tuple[dict, dict]:
    """``grid.json`` and the record of a cell.

    Raises:
        BadInput: The folder is no finished grid's, has no such cell, or the cell failed.
    """
    try:
        grid, records = read_grid_json(out), {record['cell']: record for record in read_records(out)}
    except ValueError as error:
        raise BadInput(f'--verify {out}: {error}') from error
    if cell not in records:
        raise BadInput(f"--verify: {out} has no record of a cell '{cell}'{did_you_mean(cell, records)}")
    if records[cell]['status'] != 'ok':
        raise BadInput(
            f'--verify: the cell {cell} has no result to compare with, it ended as {records[cell]["status"]} '
            f'({records[cell]["reason"]}); name another one'
        )
    return grid, records[cell]


def unlike_machines(grid: Mapping[str, Any], here: Mapping[str, Any], device: str) -> list[str]:
    """In what this machine differs from that of the records, of all that may change a bit of a result.

    Args:
        grid: The content of ``grid.json``.
        here: :func:`benchmarks.session.environment.environment` of this machine.
        device: The device that the cell runs on.
    """
    there = grid['environment']
    facts: list[tuple[str, Any, Any]] = [('the device', grid['device'], device)]
    if device == 'cpu':
        facts.append(('the processor', (there.get('cpu') or {}).get('model'), here['cpu']['model']))
    else:
        facts.append(('the GPU', sorted(set(there.get('gpus') or [])), sorted(set(here['gpus']))))
    before, now = there.get('packages') or {}, here['packages']
    facts += [(name, before[name], now.get(name)) for name in sorted(before.keys() - COMPUTE_NOTHING)]
    return [f'{name} ({was} there, {is_now} here)' for name, was, is_now in facts if was != is_now]


def judge(
    out: Path, grid: Mapping[str, Any], record: Mapping[str, Any], rows: list[dict], unlike: list[str]
) -> Verdict:
    """Compare the counts of a cell that has run again with the recorded ones.

    Args:
        out: The folder of the finished grid.
        grid: Its ``grid.json``.
        record: The record of the cell.
        rows: The new counts, a row for each image and class.
        unlike: In what this machine differs from that of the records; empty for a machine of the same kind.

    Raises:
        BadInput: The recorded counts cannot be read, or are of other images.
    """
    recorded, now = _recorded_counts(out, _names_of_row(out, record)), _new_counts(rows)
    before, after = _cells(record['cell'], recorded, now)
    foreground = foreground_classes(len(grid['classes']), grid['background'])
    old, new = (score(DICE.name, counts, foreground) for counts in (before, after))
    name, images, dice = record['cell'], len(now.images), f'Dice {new:.4f} %, and {old:.4f} % are recorded'
    if same_counts(before, after):
        return Verdict(True, [f'{name}: all counts of {images} images are equal ({dice})'])
    differs = f'{name}: {_differing(before, after)} of {images} images have other counts ({dice})'
    if not unlike:
        said = 'This machine is of the kind that made the records, so the cell does not come out again'
        return Verdict(False, [differs, said])
    seeds = [score(DICE.name, counts, foreground) for counts in recorded.cells.values()]
    return Verdict(*_by_interval([differs, f'This machine is of another kind: {"; ".join(unlike)}'], new, seeds))


def _cells(name: str, recorded: Counts, now: Counts) -> tuple[CellCounts, CellCounts]:
    """The recorded and the new counts of a cell.

    Raises:
        BadInput: None are recorded, or they are of other images.
    """
    if name not in recorded.cells:
        raise BadInput(f'--verify: {COUNTS_FILE} has no counts of {name}; run the grid again with this --out')
    if recorded.images != now.images:
        raise BadInput(
            f'{name} is tested on other images now ({len(now.images)}, and {len(recorded.images)} are recorded); put '
            f'the same data in their place, or name their folder with --data-root'
        )
    return recorded.cells[name], now.cells[name]


def _by_interval(lines: list[str], dice: float, seeds: list[float]) -> tuple[bool, list[str]]:
    interval = prediction_interval(seeds)
    if interval is None:
        said = f'Its row has {len(seeds)} seeds with a Dice, and a prediction interval needs {FEWEST_SEEDS}'
        return False, [*lines, f'{said}: nothing can be said']
    holds = interval.holds(dice)
    return holds, [
        *lines,
        f'{dice:.4f} % lies {"inside" if holds else "outside"} the {100 * LEVEL:.0f} % prediction interval over the '
        f'{len(seeds)} seeds of its row, {interval.low:.4f} to {interval.high:.4f} %',
    ]


def _names_of_row(out: Path, record: Mapping[str, Any]) -> list[str]:
    """The cells of a record's row, in a grid with folds those of its fold."""
    row = record['stack'], record.get('fold')
    return [one['cell'] for one in read_records(out) if (one['stack'], one.get('fold')) == row]


def _recorded_counts(out: Path, names: Sequence[str]) -> Counts:
    """The recorded counts of the cells of a row.

    Raises:
        BadInput: They cannot be read.
    """
    try:
        frame = counts_frame(out / COUNTS_FILE)
        return counts_from_frame(frame[frame['cell'].isin(names)], str(out / COUNTS_FILE))
    except (ValueError, OSError) as error:
        raise BadInput(f'--verify: the recorded counts cannot be read: {error}') from error


def _new_counts(rows: Iterable[Mapping[str, Any]]) -> Counts:
    """The counts of a cell that has just run, written and read as records are, so that equal numbers stay equal."""
    with tempfile.TemporaryDirectory() as folder:
        return counts_from_frame(counts_frame(write_counts(Path(folder), rows)))


def _differing(before: CellCounts, now: CellCounts) -> int:
    """The number of images with other counts or distances."""
    apart = [(one != other) & ~((one != one) & (other != other)) for one, other in zip(before, now)]  # NaN equals NaN
    return sum(any(part[image].any() for part in apart) for image in range(len(before.area)))
