"""Records: the measured facts of a run as files, written atomically and read back strictly.

Layout under the output folder::

    grid.json                          the grid's rows, comparisons and data, and the environment of its run
    records/<stack>__seed<seed>.json   one cell; in a grid with folds <stack>__seed<seed>__fold<fold>.json
    records/<stack>__profile.json      the cost of one stack, measured alone
    records/counts.csv.gz              one row per cell x image x class
    records/strata.csv.gz              pixels by object size, boundary distance, confidence and agreement of views
                                       (benchmarks/data/strata.py)
    records/labels/                    test images and label maps that a report shows (benchmarks/data/panels.py)

Records hold facts only, no derived score. An undefined value is ``null`` in JSON and an empty field in the CSV.
"""

import csv
import gzip
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from io import TextIOWrapper
from itertools import groupby
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, NoReturn, get_args

from benchmarks.files import atomic_file, write_atomic
from benchmarks.kinds import OF_CELLS

VERSION = 3
WITH_FOLDS = 4  # of the files of a grid with folds: earlier programs would take a fold for the whole test
READABLE = (2, 3, WITH_FOLDS)  # version 2 lacks `maps_sha256`
PROFILE_ENDING = '__profile.json'
BASELINE = 'baseline'
TUNED_BASELINE = 'baseline[tuned]'  # the row of the baseline with values that were chosen
AGAIN = 'baseline_again'  # the row of an A/A arm: the baseline, trained with other seeds
AGAIN_DESIGN, CONTROL_DESIGN = 'aa', 'positive_control'
# Comparisons of tuned rows: with the row that is not tuned, and as a design compares rows (`cumulative_tuned`).
TUNING_DESIGN, TUNED_ENDING = 'tuning', '_tuned'
ROLES = ('', 'again', 'control')  # of a row; the latter two test the grid, not a technique
STATUSES = ('ok', 'failed', 'diverged', 'out_of_memory', 'timeout', 'preempted')
COUNT_NAMES = ('cell', 'image', 'group')
COUNTS = ('class', 'tp', 'fp', 'fn', 'boundary_tp', 'boundary_fp', 'boundary_fn', 'edge_close', 'edge_total')
DISTANCES = ('hd95_px', 'assd_px')
# What `edge_close` counts: an edge that is off by one pixel, straight or diagonally, is accepted.
NSD_TOLERANCE_PX = 1.5
COUNT_COLUMNS = (*COUNT_NAMES, *COUNTS, *DISTANCES)
CLASS_NAME = 'class_name'  # a further column; files from before it existed lack it

# The fields of each file and their types; fields that belong together share a line. `| None` may be null: a device
# without a memory counter reports null for it.
# fmt: off
_Number = int | float
_CELL = dict(
    cell=str, stack=str, techniques=list, seed=int,
    status=str, reason=str | None, failed_stage=str | None,
    keys=dict, config=str,
    train=dict | None, changed_pixels=int | None, acted=dict,
)
# Of each image, one for the plain image; earlier records lack it. The fold stands in the records of a grid with folds,
# the searches in those of a tuned row: of each technique its trials, their Dice on validation, the chosen trial, and
# with successive halving the images or steps of each; Dice on validation in that of a point of a sweep.
_CELL_LATER = dict(views=int, fold=int, searches=list, validation_dice=_Number | None)
_SEARCH = dict(technique=str, trials=list, dice=list, chosen=int)
_CELL_SINCE_3 = dict(maps_sha256=str | None)
_KEYS = dict(train=str, predict=str, refine=str | None)
_TRAIN = dict(
    seconds=_Number, iterations=int, threads=int, final_loss=_Number | None,
    peak_mib=_Number | None, peak_reserved_mib=_Number | None, host_peak_mib=_Number,
)
# A training that ran before these fields existed lacks them.
_TRAIN_LATER = dict(
    best_constant=dict | None, grad_norm=dict | None,
    loss_by_tenth=list | None, lr_by_tenth=list | None, loss_spikes=int | None, device_memory_mib=_Number | None,
)
_PARTS_OF_TRAIN = dict(
    best_constant=dict(steps=int, loss=_Number, constant=_Number),
    grad_norm=dict(updates=int, median=_Number, largest=_Number, first=_Number, last=_Number),
)
_PROFILE = dict(stack=str, status=str, reason=str | None, key=str)
_PROFILE_OK = dict(
    device=str, threads=int, n_samples=int, warmup=int, latency_ms=dict,
    infer_peak_mib=_Number | None, infer_peak_reserved_mib=_Number | None, host_peak_mib=_Number,
    params=int, flops=int,
)
# A profile that was measured before these fields existed lacks them.
_PROFILE_LATER = dict(shared_with=list, machine=dict | None, weights=str | None, parts_ms=dict | None)
_MACHINE = dict(tries=int, busy=str | None, noise=_Number, drift=_Number, calibration_ms=list)
_LATENCY = dict(preprocess=list, views=list, refine=list, total=list)
_PARTS = dict(load=list, views=dict, refine=dict)  # of preprocess, of each view and of each refinement
_GRID = dict(
    name=str, title=str, command=str, device=str, environment=dict, notes=list,
    dataset=dict, classes=list, background=int | None,
    seeds=list, rows=list, comparisons=list, equivalence_margin=_Number,
)
# A grid that was written before these fields existed lacks them.
_GRID_LATER = dict(
    variants=list, fractions=list, seeds_asked=int, baseline_seeds=int | str | None,
    lints=list, controls=list, conditions=list, latency_budget_ms=_Number | None, looks=list, folds=list,
    open=dict, tuning=dict, validation_share=_Number | None, n_validation_images=int,
)
_DATASET = dict(name=str, n_images=dict, fingerprint=dict)
_DATASET_LATER = dict(cards=dict, leaks=list)  # leaks: sentences on what splits share
_ROW = dict(stack=str, techniques=list, label=str, published_dice=_Number | None)
_ROW_LATER = dict(role=str, seeds=list)
_COMPARISON = dict(design=str, stack=str, reference=str)
_TUNING = dict(trials=int, techniques=list, n_images=int, fingerprint=str)
_TUNING_LATER = dict(trained=list)  # those of the techniques whose training is tuned
_FOLD = dict(fold=int, n_images=dict, n_groups=dict, fingerprint=dict, cards=dict)
# What was asked before the results; earlier records lack it.
_QUESTION = dict(metric=str, equivalence_margin=_Number, method=str, primary=list, n_results=int)
_OPEN = dict(cells=list, profiles=list)  # names of what has no record yet, while a run goes on
_LOOKS = dict(seeds=list, levels=list, followed=list)  # of a question whose seeds are spent until it is decided
# fmt: on


def _never_crashing(check: Callable[..., None]) -> Callable[..., None]:
    """A check that refuses what it cannot even look at, such as a list of objects where one of names is needed."""

    @wraps(check)
    def checked(record: Mapping[str, Any], source: str | None = None) -> None:
        try:
            check(record, *([] if source is None else [source]))
        except (TypeError, AttributeError, LookupError, OverflowError) as error:
            place = source or 'a record'
            raise ValueError(
                f'{place}: is no record ({type(error).__name__}: {error}); delete it and run the grid again'
            ) from error

    return checked


def stack_name(techniques: Iterable[str]) -> str:
    """The name of a stack: its techniques joined by ``+``, or ``baseline`` when there are none."""
    return '+'.join(techniques) or BASELINE


def cell_name(stack: str, seed: int, fold: int | None = None) -> str:
    """The name of a cell, ``<stack>__seed<seed>`` or ``<stack>__seed<seed>__fold<fold>``; its files have it, too."""
    return f'{stack}__seed{seed}' + ('' if fold is None else f'__fold{fold}')


def version_of(folds: object) -> int:
    """The version of the files of a grid, by its folds: none, or something that is not empty."""
    return WITH_FOLDS if folds else VERSION


def seeds_of(grid: Mapping[str, Any], row: Mapping[str, Any]) -> list[int]:
    """The seeds of a row of a grid; rows that were written before they had seeds of their own have all of the grid."""
    return row.get('seeds', grid['seeds'])


@_never_crashing
def validate(record: Mapping[str, Any], source: str | None = None) -> None:
    """Check the record of a cell.

    Args:
        record: The record, as in ``records/<cell>.json``.
        source: The file that it came from, for messages; by default the file that it would be written to.

    Raises:
        ValueError: A field is missing, has the wrong type, or contradicts another; the message names file and field.
    """
    source = source or f'records/{record.get("cell", "<no cell>")}.json'
    _require(record, _CELL, source)
    _check_version(record, source)
    _require(record, _present(_CELL_LATER, record), source)
    if record['version'] >= 3:
        _require(record, _CELL_SINCE_3, source)
    _check_stack(record, source)
    _check_status(record, source)
    _require(record['keys'], _KEYS, source, 'keys.')
    if record['train'] is not None:
        _require(record['train'], _TRAIN, source, 'train.')
        _require(record['train'], _present(_TRAIN_LATER, record['train']), source, 'train.')
        for part, fields in _PARTS_OF_TRAIN.items():
            if record['train'].get(part) is not None:
                _require(record['train'][part], fields, source, f'train.{part}.')
        for course in ('loss_by_tenth', 'lr_by_tenth'):
            if not all(_is(number, _Number) for number in record['train'].get(course) or ()):
                _refuse(source, f'train.{course}', 'holds something else than numbers')
    for part, count in record['acted'].items():
        if not _is(count, int) or count < 0:
            _refuse(source, f'acted.{part}', f'is {count!r}; an integer >= 0 is needed')
    _check_searches(record, source)
    expected = cell_name(record['stack'], record['seed'], record.get('fold'))
    if record['cell'] != expected:
        _refuse(source, 'cell', f'is {record["cell"]!r}, but stack, seed and fold make it {expected!r}')
    if record['status'] == 'ok':
        if record['failed_stage'] is not None:
            _refuse(source, 'failed_stage', f"is {record['failed_stage']!r} although status is 'ok'; write null")
        if record['train'] is None:
            _refuse(source, 'train', "is null although status is 'ok'; write the training's facts")
    elif record['failed_stage'] not in OF_CELLS:
        _refuse(
            source,
            'failed_stage',
            f'is {record["failed_stage"]!r}; with status {record["status"]!r} it names '
            f'the stage that failed, one of {OF_CELLS}',
        )


@_never_crashing
def validate_profile(profile: Mapping[str, Any], source: str | None = None) -> None:
    """Check the profile of a stack; the arguments and the error are those of :func:`validate`."""
    source = source or f'records/{profile.get("stack", "<no stack>")}__profile.json'
    _require(profile, _PROFILE, source)
    _check_version(profile, source)
    _check_status(profile, source)
    if profile['status'] != 'ok':
        return
    _require(profile, _PROFILE_OK, source)
    _require(profile, _present(_PROFILE_LATER, profile), source)
    if profile.get('machine') is not None:
        _require(profile['machine'], _MACHINE, source, 'machine.')
    _require(profile['latency_ms'], _LATENCY, source, 'latency_ms.')
    if profile.get('parts_ms') is not None:
        _check_parts(profile['parts_ms'], profile['latency_ms'], source)
    for name in _LATENCY:
        samples = profile['latency_ms'][name]
        if not all(_is(sample, _Number) and sample >= 0 for sample in samples):
            _refuse(source, f'latency_ms.{name}', 'holds something else than milliseconds >= 0')
    if len(profile['latency_ms']['total']) != profile['n_samples'] or not profile['n_samples']:
        _refuse(
            source,
            'n_samples',
            f'is {profile["n_samples"]}, but latency_ms.total holds '
            f'{len(profile["latency_ms"]["total"])} samples (at least one is needed)',
        )


@_never_crashing
def validate_grid(grid: Mapping[str, Any], source: str = 'grid.json') -> None:
    """Check the description of a grid; the arguments and the error are those of :func:`validate`."""
    _require(grid, _GRID, source)
    _require(grid, {name: kind for name, kind in _GRID_LATER.items() if name in grid}, source)
    _check_version(grid, source)
    _require(grid['dataset'], _DATASET, source, 'dataset.')
    _require(grid['dataset'], _present(_DATASET_LATER, grid['dataset']), source, 'dataset.')
    if 'open' in grid:
        _require(grid['open'], _OPEN, source, 'open.')
    _check_background(grid, source)
    if grid['equivalence_margin'] < 0:
        _refuse(source, 'equivalence_margin', f'is {grid["equivalence_margin"]}; percent points >= 0 are needed')
    if not all(_is(seed, int) for seed in grid['seeds']) or len(set(grid['seeds'])) != len(grid['seeds']):
        _refuse(source, 'seeds', f'is {grid["seeds"]}; distinct integers are needed')
    for index, row in enumerate(grid['rows']):
        _require(row, _ROW, source, f'rows[{index}].')
        _require(row, {name: kind for name, kind in _ROW_LATER.items() if name in row}, source, f'rows[{index}].')
        if row.get('role', '') not in ROLES:
            _refuse(source, f'rows[{index}].role', f'is {row["role"]!r}; one of {ROLES} is needed')
        if not set(seeds_of(grid, row)) <= set(grid['seeds']) or not seeds_of(grid, row):
            _refuse(
                source, f'rows[{index}].seeds', f'is {row["seeds"]}; seeds of the grid ({grid["seeds"]}) are needed'
            )
        _check_stack(row, source, f'rows[{index}].')
    _check_questions(grid, source)
    if 'tuning' in grid:
        _require(grid['tuning'], _TUNING, source, 'tuning.')
        _require(grid['tuning'], _present(_TUNING_LATER, grid['tuning']), source, 'tuning.')
    _check_folds(grid, source)
    stacks = [row['stack'] for row in grid['rows']]
    _check_looks(grid, stacks, source)
    if len(set(stacks)) != len(stacks):
        _refuse(source, 'rows', f'names a stack twice: {sorted(s for s in set(stacks) if stacks.count(s) > 1)}')
    if not all(_is(text, str) for text in grid.get('lints', [])):
        _refuse(source, 'lints', 'holds something else than sentences')
    if not all(_is(pair, list) and set(pair) <= set(stacks) for pair in grid.get('controls', [])):
        _refuse(source, 'controls', f'is {grid["controls"]!r}; pairs of rows are needed')
    for index, comparison in enumerate(grid['comparisons']):
        _require(comparison, _COMPARISON, source, f'comparisons[{index}].')
        for side in ('stack', 'reference'):
            if comparison[side] not in stacks:
                _refuse(source, f'comparisons[{index}].{side}', f'is {comparison[side]!r}, which is no row of the grid')


def write_record(out: Path, record: Mapping[str, Any]) -> Path:
    """Validate and write the record of a cell to ``<out>/records/<cell>.json``; NaN and infinity become null."""
    record = _without_nonfinite(record)
    validate(record)
    return _write_json(Path(out) / 'records' / f'{record["cell"]}.json', record)


def read_records(out: Path) -> list[dict]:
    """All cell records of ``out`` in the order of their file names; an empty list when there are none."""
    return _read_all(out, 'cell', '.json', validate)


def write_profile(out: Path, profile: Mapping[str, Any]) -> Path:
    """Validate and write the profile of a stack to ``<out>/records/<stack>__profile.json``."""
    profile = _without_nonfinite(profile)
    validate_profile(profile)
    return _write_json(Path(out) / 'records' / f'{profile["stack"]}{PROFILE_ENDING}', profile)


def read_profiles(out: Path) -> list[dict]:
    """All stack profiles of ``out`` in the order of their file names; an empty list when there are none."""
    return _read_all(out, 'stack', PROFILE_ENDING, validate_profile)


def write_grid(out: Path, grid: Mapping[str, Any]) -> Path:
    """Validate and write ``<out>/grid.json``."""
    validate_grid(grid)
    return _write_json(Path(out) / 'grid.json', grid)


def read_grid_json(out: Path) -> dict:
    """Read and validate ``<out>/grid.json``.

    Raises:
        ValueError: The file is missing or is no JSON, or a field is wrong.
    """
    path = Path(out) / 'grid.json'
    if not path.is_file():
        raise ValueError(f'{path} does not exist; run the grid with this --out first')
    grid = _read_json(path)
    validate_grid(grid, str(path))
    return grid


def write_counts(out: Path, rows: Iterable[Mapping[str, Any]], classes: Sequence[str] = ()) -> Path:
    """Write ``<out>/records/counts.csv.gz`` cell by cell; the rows of a cell in any order give the same bytes.

    Args:
        out: The output folder.
        rows: One mapping per cell x image x class with the keys of ``COUNT_COLUMNS``, the cells in the order of their
            names. A value of ``DISTANCES`` is None or NaN if it is undefined, because the class is absent from the
            prediction or from the truth.
        classes: The names of the classes, which become the last column, ``class_name``; without names there is none.

    Raises:
        ValueError: A column is missing or unknown, a count is no integer >= 0, two rows are of one cell, image and
            class, or a cell comes after one with a greater name.
    """
    path = Path(out) / 'records' / 'counts.csv.gz'
    lines = (_count_line(row, path) for row in rows)
    with packed_table(path, [*COUNT_COLUMNS, CLASS_NAME] if classes else COUNT_COLUMNS) as write:
        for of_cell in by_cell(lines, path):
            of_cell.sort(key=_image_and_class)
            for previous, line in zip(of_cell, of_cell[1:]):
                if _image_and_class(previous) == _image_and_class(line):
                    image, class_index = _image_and_class(line)
                    _refuse(str(path), 'image', f'{image!r} comes twice for cell {line[0]!r}, class {class_index}')
            write([*line, classes[_image_and_class(line)[1]]] if classes else line for line in of_cell)
    return path


@contextmanager
def packed_table(path: Path, columns: Sequence[str]) -> Iterator[Callable[[Iterable[Sequence]], None]]:
    """A context that writes a CSV file in gzip; the same rows give the same bytes.

    It holds a piece of the table at a time in memory: a table of all cells of a large grid has gigabytes.

    Returns:
        A function that writes rows.
    """
    with (
        atomic_file(path) as file,
        # An empty name and a zero time: otherwise the gzip header changes from run to run.
        gzip.GzipFile(filename='', mode='wb', fileobj=file, mtime=0) as packed,
        TextIOWrapper(packed, encoding='utf-8', newline='') as text,
    ):
        writer = csv.writer(text, lineterminator='\n')
        writer.writerow(columns)
        yield writer.writerows


def by_cell(lines: Iterable[list], path: Path) -> Iterator[list[list]]:
    """The lines of each cell, whose name is their first field.

    Raises:
        ValueError: A cell comes after one with a greater name, or once more.
    """
    last = ''
    for cell, of_cell in groupby(lines, key=lambda line: line[0]):
        if cell <= last:
            _refuse(str(path), 'cell', f'{cell!r} comes after {last!r}; cells are written in the order of their names')
        yield list(of_cell)
        last = cell


def _count_line(row: Mapping[str, Any], path: Path) -> list:
    unknown = set(row) ^ set(COUNT_COLUMNS)
    if unknown:
        _refuse(str(path), sorted(unknown)[0], f'is missing or unknown; the columns are {COUNT_COLUMNS}')
    for name in COUNTS:
        # Numpy integers count as integers here without importing numpy: they know __index__, floats don't.
        if not hasattr(row[name], '__index__') or row[name] < 0:
            _refuse(
                str(path),
                name,
                f'is {row[name]!r} for cell {row["cell"]!r}, image {row["image"]!r}; an integer >= 0 is needed',
            )
    distances = ['' if row[n] is None or math.isnan(row[n]) else repr(float(row[n])) for n in DISTANCES]
    return [str(row[n]) for n in COUNT_NAMES] + [int(row[n]) for n in COUNTS] + distances


def _image_and_class(line: list) -> tuple[str, int]:
    _, image, _, class_index, *_ = line
    return image, class_index


def _read_all(out: Path, field: str, ending: str, check: Callable[[Mapping[str, Any], str], None]) -> list[dict]:
    """The checked content of each file of one kind; a file is named after its ``field``."""
    contents = []
    for path in sorted((Path(out) / 'records').glob(f'*{ending}')):
        if path.name.endswith(PROFILE_ENDING) != (ending == PROFILE_ENDING):
            continue
        content = _read_json(path)
        check(content, str(path))
        if path.name != content[field] + ending:
            _refuse(str(path), field, f'is {content[field]!r}, which belongs in {content[field]}{ending}')
        contents.append(content)
    return contents


def _write_json(path: Path, content: Mapping[str, Any]) -> Path:
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    return write_atomic(path, (text + '\n').encode('utf-8'))


def _read_json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f'{path}: is no JSON ({error}); delete it and run the grid again') from None
    if not isinstance(content, dict):
        raise ValueError(f'{path}: is no JSON object; delete it and run the grid again')
    return content


def _without_nonfinite(value: Any) -> Any:
    # JSON has no NaN, and the loss of a diverged training is often one: the record must still be written.
    if isinstance(value, Mapping):
        return {key: _without_nonfinite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nonfinite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _is(value: Any, kind: type | UnionType) -> bool:
    # True is an int in Python, yet never a count or a seed.
    return isinstance(value, kind) and not isinstance(value, bool)


def _require(record: Mapping[str, Any], fields: Mapping[str, Any], source: str, prefix: str = '') -> None:
    if not isinstance(record, Mapping):
        _refuse(source, prefix.rstrip('.') or 'content', 'is no JSON object')
    for name, kind in fields.items():
        if name not in record:
            _refuse(source, prefix + name, 'is missing')
        if not _is(record[name], kind):
            names = ['null' if part is NoneType else part.__name__ for part in get_args(kind) or (kind,)]
            _refuse(source, prefix + name, f'is {record[name]!r}; {" or ".join(names)} is needed')


def _present(fields: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the fields that a record has."""
    return {name: kind for name, kind in fields.items() if name in record}


def _check_version(record: Mapping[str, Any], source: str) -> None:
    if record.get('version') not in READABLE:
        readable = ' and '.join(map(str, READABLE))
        _refuse(
            source,
            'version',
            f'is {record.get("version")!r}; this program reads versions {readable}. '
            'Run the grid again with this --out, or read the file with the version of the program that wrote it',
        )


def _check_stack(record: Mapping[str, Any], source: str, prefix: str = '') -> None:
    expected = stack_name(record['techniques'])
    if record['stack'] != expected:
        _refuse(source, prefix + 'stack', f'is {record["stack"]!r}, but its techniques make it {expected!r}')
    if '/' in expected or os.sep in expected or expected.startswith('.'):
        _refuse(source, prefix + 'stack', f'is {expected!r}, which cannot name a file; rename the technique')


def _check_status(record: Mapping[str, Any], source: str) -> None:
    if record['status'] not in STATUSES:
        _refuse(source, 'status', f'is {record["status"]!r}; one of {STATUSES} is needed')
    if (record['status'] == 'ok') != (record['reason'] is None):
        _refuse(
            source,
            'reason',
            f'is {record["reason"]!r} with status {record["status"]!r}; '
            'a reason is needed exactly when the status is not ok',
        )


def _check_background(grid: Mapping[str, Any], source: str) -> None:
    if not grid['classes']:
        _refuse(source, 'classes', 'is empty')
    if grid['background'] is not None and not 0 <= grid['background'] < len(grid['classes']):
        _refuse(
            source,
            'background',
            f'is {grid["background"]}, but there are {len(grid["classes"])} classes; '
            'write the index of a class, or null when there is none',
        )


def _check_questions(grid: Mapping[str, Any], source: str) -> None:
    questions = grid.get('questions', [])
    if not _is(questions, list):
        _refuse(source, 'questions', f'is {questions!r}; list is needed')
    for index, question in enumerate(questions):
        _require(question, _QUESTION, source, f'questions[{index}].')
        if 'looks' in question:
            _require(question['looks'], _LOOKS, source, f'questions[{index}].looks.')
        for pair in question['primary']:
            if not _is(pair, list) or len(pair) != 2 or not all(_is(name, str) for name in pair):
                _refuse(source, f'questions[{index}].primary', f'holds {pair!r}; [stack, reference] is needed')


def _check_searches(record: Mapping[str, Any], source: str) -> None:
    for index, search in enumerate(record.get('searches', [])):
        place = f'searches[{index}].'
        _require(search, _SEARCH, source, place)
        if len(search['dice']) != len(search['trials']) or not all(_is(one, _Number | None) for one in search['dice']):
            _refuse(source, f'{place}dice', f'is {search["dice"]}; a number or null for each of the trials is needed')
        if not 0 <= search['chosen'] < len(search['trials']):
            _refuse(source, f'{place}chosen', f'is {search["chosen"]}, which is no trial')
        for name in ('images', 'steps'):
            seen = search.get(name)
            if seen is not None and not (_is(seen, list) and len(seen) == len(search['trials'])):
                _refuse(source, f'{place}{name}', f'is {seen!r}; a number for each of the trials is needed')


def _check_parts(parts: Mapping[str, Any], latency: Mapping[str, Any], source: str) -> None:
    """Each part has a time for each sample that was timed apart, or none at all."""
    _require(parts, _PARTS, source, 'parts_ms.')
    times = [parts['load'], *parts['views'].values(), *parts['refine'].values()]
    wrong = [samples for samples in times if samples and not _are_milliseconds(samples, len(latency['preprocess']))]
    if wrong:
        _refuse(source, 'parts_ms', f'holds {wrong[0]!r}; milliseconds >= 0 for each sample are needed')


def _are_milliseconds(samples: Any, number: int) -> bool:
    return _is(samples, list) and len(samples) == number and all(_is(ms, _Number) and ms >= 0 for ms in samples)


def _check_folds(grid: Mapping[str, Any], source: str) -> None:
    for index, fold in enumerate(grid.get('folds', [])):
        _require(fold, _FOLD, source, f'folds[{index}].')
        if fold['fold'] != index:
            _refuse(source, f'folds[{index}].fold', f'is {fold["fold"]}; folds are numbered from 0')


def _check_looks(grid: Mapping[str, Any], stacks: Sequence[str], source: str) -> None:
    """The looks that have been taken name the number of seeds of each row, which is what the rows have at the last."""
    if 'looks' not in grid:
        return
    asked = (grid.get('questions') or [{}])[-1].get('looks')
    if asked is None or not grid['looks']:
        _refuse(source, 'looks', 'is there without a look, or without looks in the last of the questions')
    for index, taken in enumerate(grid['looks']):
        if not _is(taken, dict) or set(taken) != set(stacks) or not all(_is(number, int) for number in taken.values()):
            _refuse(source, f'looks[{index}]', f'is {taken!r}; a number of seeds for each row is needed')


def _refuse(source: str, field: str, complaint: str) -> NoReturn:
    raise ValueError(f'{source}: field {field!r} {complaint}')
