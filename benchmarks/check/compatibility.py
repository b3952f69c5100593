"""Which technique works with which of mmsegmentation's own models: ``python -m benchmarks.check.compatibility``.

Each technique of ``configs/techniques`` is put on each file of mmseg's ``configs/_base_/models``: built, trained a step
and tested on one small picture, on the CPU and without pretrained weights. A result is written as soon as it is there,
so that the script goes on where it was stopped; delete ``compatibility.csv`` to begin anew.
"""

import argparse
import csv
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from benchmarks.check.isolated import Crash, Job, run_isolated
from benchmarks.errors import BadInput, did_you_mean

ROOT = Path(__file__).resolve().parents[2]
TABLE, MARKDOWN = 'compatibility.csv', 'README.md'
ALONE = ''  # what the column `technique` says of the model itself
SIZES_PX = (64, 128, 256, 512)
TIMEOUT_S = 3600.0
LEAST_FREE_BYTES = 2**30
REASON_LENGTH = 200
MODELS_SHOWN = 6


@dataclass(frozen=True)
class Outcome:
    """One line of the table.

    Args:
        model: Name of mmseg's file.
        technique: Name of the technique; empty for the model itself.
        works: Whether it was built, trained a step and tested.
        reason: Why not.
        seconds: How long it took.
    """

    model: str
    technique: str
    works: bool
    reason: str = ''
    seconds: float = 0.0


def main(argv: list[str]) -> int:
    """Run the command; 0 when every combination has been tried, whether it works or not."""
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.check.compatibility', description=__doc__.partition('\n')[0]
    )
    parser.add_argument('--out', type=Path, default=Path('results/compatibility'), metavar='DIR')
    parser.add_argument('--jobs', type=int, default=2, metavar='N', help='models at once')
    parser.add_argument('--models', nargs='+', metavar='NAME', help="of mmseg's configs/_base_/models (default: all)")
    parser.add_argument('--techniques', nargs='+', metavar='NAME', help='of configs/techniques (default: all)')
    args = parser.parse_args(argv)
    os.environ['CUDA_VISIBLE_DEVICES'] = ''
    os.environ['PYTHONPATH'] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')]))
    try:
        models = chosen(model_files(), args.models, '--models')
        techniques = chosen(technique_files(), args.techniques, '--techniques')
    except BadInput as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        _fill(args.out / TABLE, models, techniques, args.jobs)
    except BadInput as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    outcomes = read_outcomes(args.out / TABLE)
    (args.out / MARKDOWN).write_text(markdown(outcomes, list(technique_files())))
    print(f'{args.out / MARKDOWN}: {sum(one.works for one in outcomes)} of {len(outcomes)} combinations work')
    return 0


def model_files() -> dict[str, Path]:
    """mmseg's own model files by name, found without importing it."""
    import importlib.util

    package = Path(importlib.util.find_spec('mmseg').origin).parent
    return _by_name(package / '.mim' / 'configs' / '_base_' / 'models')


def technique_files() -> dict[str, Path]:
    """The techniques' files by name."""
    return _by_name(ROOT / 'configs' / 'techniques')


def _by_name(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob('*.py'))}


def chosen(known: Mapping[str, Path], names: Iterable[str] | None, flag: str) -> dict[str, Path]:
    """Those of these names, or all.

    Raises:
        BadInput: A name is unknown; close matches are named.
    """
    for name in names or ():
        if name not in known:
            raise BadInput(f'{flag} {name}: there is none of this name{did_you_mean(name, known)}')
    return {name: known[name] for name in names or known}


def _fill(table: Path, models: Mapping[str, Path], techniques: Mapping[str, Path], jobs: int) -> None:
    """Try what has not been tried. A model whose process breaks down goes on behind the technique that did it."""
    waiting = {name: _untried(table, name, techniques) for name in models}
    while any(waiting.values()):
        with tempfile.TemporaryDirectory() as folder:
            calls = [
                Job(
                    name,
                    try_model,
                    (name, models[name], waiting[name], table, Path(folder) / name),
                    Path(folder) / f'{name}.log',
                )
                for name in waiting
                if waiting[name]
            ]
            for name, result in run_isolated(calls, jobs, TIMEOUT_S):
                if isinstance(result, Crash):
                    refuse_full_disk(table.parent, Path(folder))
                    culprit = next(iter(_untried(table, name, waiting[name])))
                    _append(table, Outcome(name, culprit, False, _short(result.reason)))
                waiting[name] = _untried(table, name, techniques)
                print(f'{name}: {len(waiting[name])} left', flush=True)


def _untried(table: Path, model: str, techniques: Mapping[str, Path]) -> dict[str, Path]:
    """The techniques that the table lacks for a model; the model itself comes first."""
    tried = {one.technique: one for one in read_outcomes(table) if one.model == model}
    if ALONE in tried and not tried[ALONE].works:
        return {}
    wanted = {ALONE: Path(), **techniques}
    return {name: path for name, path in wanted.items() if name not in tried}


def read_outcomes(table: Path) -> list[Outcome]:
    """The lines of the table; none when it is not there yet."""
    if not table.is_file():
        return []
    with open(table, newline='') as stream:
        return [
            Outcome(row['model'], row['technique'], row['works'] == 'True', row['reason'], float(row['seconds']))
            for row in csv.DictReader(stream)
        ]


def _append(table: Path, outcome: Outcome) -> None:
    """One write of one line, so that processes do not mix theirs."""
    with open(table, 'a', newline='') as stream:
        writer = csv.writer(stream)
        if stream.tell() == 0:
            writer.writerow([field.name for field in fields(Outcome)])
        writer.writerow(astuple(outcome))


def try_model(name: str, model: Path, techniques: Mapping[str, Path], table: Path, folder: Path) -> None:
    """Try techniques on one model, and append each outcome to the table.

    Args:
        name: The model's name.
        model: Its file.
        techniques: What to try; the empty name stands for the model alone.
        table: Where outcomes go.
        folder: Working folder.
    """
    from benchmarks.check.compatibility_trial import Trials
    from benchmarks.check.shortcuts import skipping_slow_steps

    with skipping_slow_steps():
        trials = Trials(model, folder)
        failed = trials.find_size(SIZES_PX)
        if failed:
            refuse_full_disk(table.parent, folder)
        if ALONE in techniques or failed:
            _append(table, Outcome(name, ALONE, not failed, _short(failed or '')))
        for technique, path in techniques.items():
            if technique != ALONE and not failed:
                reason, seconds = trials.run(path)
                if reason:
                    refuse_full_disk(table.parent, folder)
                _append(table, Outcome(name, technique, reason is None, _short(reason or ''), round(seconds, 2)))


def refuse_full_disk(*folders: Path) -> None:
    """Refuse to believe a failure while a disk is full: it says nothing about models or techniques.

    Raises:
        BadInput: Less than ``LEAST_FREE_BYTES`` are free.
    """
    for folder in folders:
        if shutil.disk_usage(folder).free < LEAST_FREE_BYTES:
            raise BadInput(
                f'the disk of {folder} is full; make room and run the same command again, it goes on where it '
                'was stopped'
            )


def _short(reason: str) -> str:
    reason = ' '.join(reason.split())
    return reason if len(reason) <= REASON_LENGTH else reason[:REASON_LENGTH] + ' …'


def markdown(outcomes: list[Outcome], techniques: list[str]) -> str:
    """The table for readers: on how many models each technique works, and why not on the others.

    Args:
        outcomes: The table's lines.
        techniques: Names, in order.
    """
    models = {one.model for one in outcomes if one.technique == ALONE}
    usable = {one.model for one in outcomes if one.technique == ALONE and one.works}
    lines = [
        f"Of mmsegmentation's {len(models)} files in `_base_/models`, {len(usable)} can be built, trained a step "
        f'and tested here without any technique. Each technique on these:',
        '',
        '| technique | works on | does not work on |',
        '|---|---|---|',
    ]
    for name in techniques:
        own = [one for one in outcomes if one.technique == name]
        if own:
            lines.append(f'| `{name}` | {sum(one.works for one in own)} of {len(own)} | {_reasons(own)} |')
    lines += ['', 'Models that do not run by themselves:', '', '| model | reason |', '|---|---|']
    lines += [
        f'| `{one.model}` | {_cell(one.reason)} |'
        for one in sorted(outcomes, key=lambda one: one.model)
        if one.technique == ALONE and not one.works
    ]
    return '\n'.join(lines) + '\n'


def _reasons(outcomes: list[Outcome]) -> str:
    """Reasons, those of most models first, with the models."""
    groups: dict[str, list[str]] = {}
    for one in outcomes:
        if not one.works:
            groups.setdefault(one.reason, []).append(one.model)
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return '; '.join(f'{_some(models)}: {_cell(reason)}' for reason, models in ordered)


def _some(models: list[str]) -> str:
    shown = ', '.join(f'`{name}`' for name in sorted(models)[:MODELS_SHOWN])
    return shown + (f' and {len(models) - MODELS_SHOWN} more' if len(models) > MODELS_SHOWN else '')


def _cell(text: str) -> str:
    return text.replace('|', '\\|').replace('\n', ' ')


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
