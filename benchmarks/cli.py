"""The command line: ``python run_ablation.py`` in a checkout, ``segmentation-ablation`` where it is installed."""

import argparse
import os
import shlex
import sys
from collections.abc import Collection
from pathlib import Path

from benchmarks.errors import BadInput
from benchmarks.files import ROOT
from benchmarks.plan.grid import Grid, read_grid
from benchmarks.run.driver import Driver
from benchmarks.run.gpu_memory import GpuMemory
from benchmarks.run.launcher import LocalLauncher
from benchmarks.run.map_budget import MapBudget, format_budget
from benchmarks.run.state import State, look_up
from benchmarks.session.devices import choose_device, expose, refuse_unusable_gpu
from benchmarks.session.disk import map_bytes, refuse_too_large_plan
from benchmarks.session.environment import usable_cores
from benchmarks.session.execution import execute, report
from benchmarks.session.experiment import Experiment, make_experiment, read_request
from benchmarks.session.folders import open_store, refuse_unusable_folder
from benchmarks.session.outputs import refuse_foreign_folder
from benchmarks.session.reprofile import profiles_again
from benchmarks.session.settings import Settings
from benchmarks.session.summary import show_plan
from benchmarks.stacks.imports import import_quietly, quieten_mmengine
from benchmarks.store.garbage import collect_garbage, collection_text
from benchmarks.store.sizes import age_s, size_bytes
from benchmarks.store.store import Result, Store

OK, SOME_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
SCRIPT, CONSOLE_COMMAND = 'run_ablation.py', 'segmentation-ablation'
DEFAULT_GRID = Path('configs') / 'grids' / 'quickstart.py'
LABELS_OF_RUN, LABELS_OF_DRY_RUN = 3, 8  # how many cached or missing stages of one kind and reason are named


def main(argv: list[str], root: Path) -> int:
    """Run the command as ``python run_ablation.py``.

    Args:
        argv: The arguments of the command line.
        root: The folder that holds ``configs/`` and the packages.

    Returns:
        The exit status: 0 all cells ok, 1 some failed, 2 bad input, 130 interrupted.
    """
    return _command(parse(argv, root), root, ['python', SCRIPT, *argv])


def console() -> None:
    """Run the command as ``segmentation-ablation``, the command that the installed package provides."""
    argv = sys.argv[1:]
    sys.exit(_command(parse(argv, ROOT, CONSOLE_COMMAND), ROOT, [CONSOLE_COMMAND, *argv]))


def parse(argv: list[str], root: Path, program: str = SCRIPT) -> argparse.Namespace:
    """Parse the flags; argparse itself exits with status 2 on an unknown flag."""
    beside = 'this script' if program == SCRIPT else 'the installed packages'
    parser = argparse.ArgumentParser(
        prog=program,
        description='Train, evaluate and compare stacks of segmentation techniques on a baseline; see README.md.',
        allow_abbrev=False,
    )
    parser.add_argument(
        'grid',
        nargs='?',
        type=Path,
        default=root / DEFAULT_GRID,
        help=f'grid file (default: {DEFAULT_GRID} beside {beside})',
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs'),
        metavar='DIR',
        help='stage store, caches and data, shared by all grids (default: work_dirs)',
    )
    parser.add_argument('--out', type=Path, metavar='DIR', help='records and report (default: WORK_DIR/<grid>)')
    parser.add_argument('--data-root', metavar='DIR', help="data_root of every split of the baseline's data set")
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        metavar='KEY=VALUE',
        default=[],
        help="change the baseline's config, as in mmseg: model.decode_head.dropout_ratio=0.2",
    )
    parser.add_argument('--seeds', type=int, metavar='N', help='seeds per stack, 0 … N-1')
    parser.add_argument(
        '--jobs',
        type=int,
        metavar='N',
        help='how many stages run at once (default: one per core; one on a GPU, because the seconds of trainings that '
        'share a GPU cannot be compared); on a GPU never more than fit into its free memory',
    )
    parser.add_argument('--device', help='cpu, cuda or cuda:N (default: a GPU if there is one)')
    parser.add_argument('--timeout', type=float, metavar='SECONDS', help='end a stage that runs longer')
    parser.add_argument('--retry-failed', action='store_true', help='run stages again that failed before')
    parser.add_argument(
        '--reprofile',
        nargs='*',
        metavar='STACK',
        help='measure latency and memory of these stacks again, for example baseline or cbam+focal (without a STACK: '
        'of all); stacks that share a measurement get the new one together; the earlier one stays until then',
    )
    parser.add_argument(
        '--max-maps',
        metavar='SIZE',
        help='keep at most this size of predicted maps in WORK_DIR, for example 20GB or 0B; the oldest go '
        'first; maps that a refinement still needs stay (default: keep all maps, so that a refinement that is added '
        'later needs no new prediction)',
    )
    parser.add_argument('--dry-run', action='store_true', help='print what would run and why, then stop')
    parser.add_argument('--report-only', action='store_true', help='make the report anew from the records in --out')
    parser.add_argument(
        '--check',
        nargs='*',
        metavar='NAME',
        help='check techniques on small pictures, in about a minute, and print which are good or broken (without a '
        'NAME: all of configs/techniques)',
    )
    parser.add_argument(
        '--collect-garbage',
        action='store_true',
        help='remove stored results of WORK_DIR to which no record refers and which no running grid uses (with '
        '--dry-run: only count them)',
    )
    parser.add_argument(
        '--older-than',
        metavar='AGE',
        help='with --collect-garbage: remove only older results, for example older than 12h, 30d or 8w',
    )
    parser.add_argument(
        '--max-size',
        metavar='SIZE',
        help='with --collect-garbage: remove only until the store has this size, for example 500MB or 20GB; the oldest '
        'results go first',
    )
    return parser.parse_args(argv)


def _command(args: argparse.Namespace, root: Path, command: list[str]) -> int:
    try:
        return _run(args, root, shlex.join(command))
    except BadInput as error:
        print(f'error: {error}', file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print('\nstopped; what had finished is kept. Run the same command again to go on.', file=sys.stderr)
        return INTERRUPTED


def _run(args: argparse.Namespace, root: Path, command: str) -> int:
    _set_environment(args.work_dir, root)
    max_maps = size_bytes(args.max_maps, '--max-maps') if args.max_maps is not None else None
    if args.check is not None:
        return _check_techniques(args, root)
    _refuse_flags_of_another_command(args)
    if args.collect_garbage:
        return _collect_garbage(args)
    grid = read_grid(args.grid)
    out = args.out or args.work_dir / grid.name
    if args.report_only:
        report(out)
        return OK
    _refuse_bad_numbers(args)
    return _run_grid(args, root, grid, out, command, max_maps)


def _set_environment(work_dir: Path, root: Path) -> None:
    """Tell configs and child processes where the work dir and the packages are."""
    os.environ['ABLATION_WORK_DIR'] = str(work_dir)  # configs put the data that they write themselves below it
    os.environ['PYTHONPATH'] = os.pathsep.join(filter(None, [str(root), os.environ.get('PYTHONPATH')]))


def _run_grid(args: argparse.Namespace, root: Path, grid: Grid, out: Path, command: str, max_maps: int | None) -> int:
    refuse_foreign_folder(out)
    device = expose(choose_device(args.device))
    store, launcher = open_store(args.work_dir), LocalLauncher(args.timeout, preload=(__name__,))
    experiment = _prepare(args, root, grid, device, store, launcher)
    plan = experiment.plan
    with store.drivers.using(plan.stages) as own_file:
        store.clear_abandoned()
        again = profiles_again(plan, args.reprofile)
        found, reasons = look_up(store, plan, retry_failed=args.retry_failed, again=again)
        jobs = args.jobs or (1 if device == 'cuda' else usable_cores())
        labels = LABELS_OF_DRY_RUN if args.dry_run else LABELS_OF_RUN
        show_plan(plan, found, reasons, store, jobs, experiment.notes, labels_shown=labels)
        budget = _map_budget(experiment, store, max_maps, own_file, found, reasons)
        refuse_too_large_plan(experiment, reasons, args.work_dir, max_maps, jobs)
        if args.dry_run:
            return OK
        refuse_unusable_folder('--out', out)
        if device == 'cuda' and State(plan, found).open():
            refuse_unusable_gpu(launcher, store)
        store.outputs.add(out, plan.stages)
        driver = Driver(
            plan,
            store,
            launcher,
            found,
            device=device,
            jobs=jobs,
            retry_failed=args.retry_failed,
            again=again,
            budget=budget,
            gpu=GpuMemory(plan, store) if device == 'cuda' and jobs > 1 else None,
        )
        return OK if execute(driver, experiment, out, command) else SOME_FAILED


def _prepare(
    args: argparse.Namespace, root: Path, grid: Grid, device: str, store: Store, launcher: LocalLauncher
) -> Experiment:
    """Check and plan the grid."""
    settings = Settings(args.work_dir, root / 'configs', device, args.seeds, args.data_root, _options(args.cfg_options))
    request = read_request(grid, settings)
    if args.dry_run:
        return make_experiment(request, store)
    # If the check is not remembered, stages will run: start the fork server now, so that it imports torch meanwhile.
    return make_experiment(request, store, meanwhile=launcher.warm_up)


def _map_budget(
    experiment: Experiment,
    store: Store,
    max_maps: int | None,
    own_file: Path,
    found: dict[str, Result],
    reasons: Collection[str],
) -> MapBudget | None:
    """The budget of ``--max-maps``, whose consequences are printed; None without that flag."""
    if max_maps is None:
        return None
    budget = MapBudget(store, max_maps, map_bytes(experiment.data), own_file)
    needed = State(experiment.plan, found).maps_needed()
    for line in format_budget(budget, experiment.plan, reasons, needed):
        print(line)
    return budget


def _collect_garbage(args: argparse.Namespace) -> int:
    collection = collect_garbage(
        open_store(args.work_dir),
        older_than_s=age_s(args.older_than, '--older-than') if args.older_than else 0,
        max_size=size_bytes(args.max_size, '--max-size') if args.max_size else None,
        dry_run=args.dry_run,
    )
    print(collection_text(collection, args.dry_run))
    return OK


def _check_techniques(args: argparse.Namespace, root: Path) -> int:
    _refuse_bad_numbers(args)
    device = expose(choose_device(args.device))
    command = import_quietly('benchmarks.check.command')  # here, because it imports torch and mmseg
    quieten_mmengine()
    timeout_s = args.timeout or command.TIMEOUT_S
    settings = command.CheckSettings(root / 'configs', device, args.jobs or usable_cores(), timeout_s)
    return command.check(args.check, settings)


def _refuse_flags_of_another_command(args: argparse.Namespace) -> None:
    if args.collect_garbage:
        if args.max_maps is not None:
            raise BadInput(
                '--max-maps limits the maps that a run keeps; give it together with a grid instead of --collect-garbage'
            )
        return
    for flag, value in (('--older-than', args.older_than), ('--max-size', args.max_size)):
        if value is not None:
            raise BadInput(f'{flag} limits what --collect-garbage removes; give both together')


def _refuse_bad_numbers(args: argparse.Namespace) -> None:
    for flag, value in (('--seeds', args.seeds), ('--jobs', args.jobs)):
        if value is not None and value < 1:
            raise BadInput(f'{flag} {value}: give at least 1')
    if args.timeout is not None and args.timeout <= 0:
        raise BadInput(f'--timeout {args.timeout:g}: give a number of seconds above 0')


def _options(pairs: list[str]) -> dict:
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={})
    for pair in pairs:
        if '=' not in pair:
            raise BadInput(f'--cfg-options {pair}: write KEY=VALUE')
    return dict(parser.parse_args(['--cfg-options', *pairs]).cfg_options) if pairs else {}
