"""The command line of ``run_ablation.py``."""

import argparse
import errno
import os
import shlex
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.errors import BadInput
from benchmarks.plan.grid import read_grid
from benchmarks.run.contract import Launcher
from benchmarks.run.driver import Driver
from benchmarks.run.gpu_memory import GpuMemory
from benchmarks.run.launcher import LocalLauncher
from benchmarks.run.map_budget import MapBudget, format_budget
from benchmarks.run.state import State, look_up
from benchmarks.session.devices import choose_device, expose, why_unusable
from benchmarks.session.disk import map_bytes, refuse_full_disk
from benchmarks.session.display import Display, duration
from benchmarks.session.experiment import Experiment, Settings
from benchmarks.session.outputs import grid_content, harvest, refuse_foreign_folder, sole_writer
from benchmarks.session.summary import failed_cells, show_plan
from benchmarks.session.up_to_date import MadeOf, signature
from benchmarks.stacks.imports import quieten_mmengine
from benchmarks.store.garbage import collect_garbage, collection_text
from benchmarks.store.sizes import age_s, size_bytes
from benchmarks.store.store import Store

OK, SOME_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
REPORT = Path('report') / 'README.md'
LABELS_OF_RUN, LABELS_OF_DRY_RUN = 3, 8  # how many of the stages found or missing for one reason are named


def parse(argv: list[str], root: Path) -> argparse.Namespace:
    """Parse the flags; argparse itself exits with status 2 on a flag it does not know."""
    parser = argparse.ArgumentParser(
        prog='run_ablation.py',
        description='Train, evaluate and compare stacks of segmentation techniques on a baseline; see README.md.',
        allow_abbrev=False,
    )
    parser.add_argument(
        'grid',
        nargs='?',
        type=Path,
        default=root / 'configs' / 'grids' / 'quickstart.py',
        help='grid file (default: configs/grids/quickstart.py beside this script)',
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
        help='stages at once (default: one per core; one on a '
        'GPU, because the seconds of trainings that share it cannot be compared); on a GPU at most as '
        'many as its free memory has room for',
    )
    parser.add_argument('--device', help='cpu, cuda or cuda:N (default: a GPU if there is one)')
    parser.add_argument('--timeout', type=float, metavar='SECONDS', help='end a stage that runs longer')
    parser.add_argument('--retry-failed', action='store_true', help='run stages again that failed before')
    parser.add_argument(
        '--max-maps',
        metavar='SIZE',
        help='keep at most as much of predicted maps in WORK_DIR, such '
        'as 20GB, or 0B for none, but for those that a refinement still has to read; the oldest go '
        'first (default: keep all, so that a refinement added later predicts nothing)',
    )
    parser.add_argument('--dry-run', action='store_true', help='print what would run and why, then stop')
    parser.add_argument('--report-only', action='store_true', help='make the report anew from the records in --out')
    parser.add_argument(
        '--check',
        nargs='*',
        metavar='NAME',
        help='check techniques on small pictures, in seconds each, '
        'and say of each what is good or broken (without a NAME: all of configs/techniques)',
    )
    parser.add_argument(
        '--collect-garbage',
        action='store_true',
        help='remove stored results of WORK_DIR that no '
        'record refers to and no grid is running for (with --dry-run: only say which)',
    )
    parser.add_argument(
        '--older-than',
        metavar='AGE',
        help='with --collect-garbage: only what was stored longer ago, such as 12h, 30d or 8w',
    )
    parser.add_argument(
        '--max-size',
        metavar='SIZE',
        help='with --collect-garbage: only until the store holds at most '
        'as much, such as 500MB or 20GB; the oldest goes first',
    )
    return parser.parse_args(argv)


def main(argv: list[str], root: Path) -> int:
    """Run the command; returns the exit status: 0 all cells ok, 1 some failed, 2 bad input, 130 interrupted."""
    args = parse(argv, root)
    try:
        return _run(args, root, shlex.join(['python', 'run_ablation.py', *argv]))
    except BadInput as error:
        print(f'error: {error}', file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print('\nstopped; what had finished is kept. Run the same command again to go on.', file=sys.stderr)
        return INTERRUPTED


def _run(args: argparse.Namespace, root: Path, command: str) -> int:
    os.environ['ABLATION_WORK_DIR'] = str(args.work_dir)  # configs put data that they write themselves below it
    os.environ['PYTHONPATH'] = os.pathsep.join(filter(None, [str(root), os.environ.get('PYTHONPATH')]))
    max_maps = size_bytes(args.max_maps, '--max-maps') if args.max_maps is not None else None
    if args.check is not None:
        return _check_techniques(args, root)
    if args.collect_garbage:
        if max_maps is not None:
            raise BadInput(
                '--max-maps says what a run keeps of its maps; give it together with a grid instead of '
                '--collect-garbage'
            )
        return _collect_garbage(args)
    for flag, value in (('--older-than', args.older_than), ('--max-size', args.max_size)):
        if value is not None:
            raise BadInput(f'{flag} says what garbage is; give it together with --collect-garbage')
    grid = read_grid(args.grid)
    out = args.out or args.work_dir / grid.name
    if args.report_only:
        return _report(out)
    _check_numbers(args)
    refuse_foreign_folder(out)
    device = expose(choose_device(args.device))
    store = _open_store(args.work_dir)
    settings = Settings(args.work_dir, root / 'configs', device, args.seeds, args.data_root, _options(args.cfg_options))
    experiment = Experiment(grid, settings)
    launcher = LocalLauncher(args.timeout, preload=(__name__,))
    # What has not been checked has not been run: the stages' server imports what the check imports, on another core.
    experiment.check(meanwhile=None if args.dry_run else launcher.warm_up)
    plan = experiment.plan
    with store.drivers.using(plan.stages) as own:
        store.clear_abandoned()
        found, reasons = look_up(store, plan, retry_failed=args.retry_failed)
        jobs = args.jobs or (1 if device == 'cuda' else _cores())
        show_plan(
            plan,
            found,
            reasons,
            store,
            jobs,
            experiment.notes,
            labels_shown=LABELS_OF_DRY_RUN if args.dry_run else LABELS_OF_RUN,
        )
        budget = MapBudget(store, max_maps, map_bytes(experiment), own) if max_maps is not None else None
        for line in format_budget(budget, plan, reasons, State(plan, found).maps_needed()) if budget else []:
            print(line)
        refuse_full_disk(args.work_dir, plan, reasons, experiment, max_maps, jobs)
        if args.dry_run:
            return OK
        _refuse_unusable('--out', out)
        if device == 'cuda' and State(plan, found).open():
            _refuse_unusable_gpu(launcher, store)
        store.outputs.add(out, plan.stages)
        driver = Driver(
            plan,
            store,
            launcher,
            found,
            device=device,
            jobs=jobs,
            retry_failed=args.retry_failed,
            budget=budget,
            gpu=GpuMemory(plan, store) if device == 'cuda' and jobs > 1 else None,
        )
        return _execute(driver, experiment, out, command)


def _collect_garbage(args: argparse.Namespace) -> int:
    limits = dict(
        older_than_s=age_s(args.older_than, '--older-than') if args.older_than else 0,
        max_size=size_bytes(args.max_size, '--max-size') if args.max_size else None,
    )
    print(collection_text(collect_garbage(_open_store(args.work_dir), **limits, dry_run=args.dry_run), args.dry_run))
    return OK


def _check_techniques(args: argparse.Namespace, root: Path) -> int:
    from benchmarks.check.command import Checks, check

    _check_numbers(args)
    device = expose(choose_device(args.device))
    quieten_mmengine()
    options = dict(timeout_s=args.timeout) if args.timeout else {}
    return check(args.check, Checks(root / 'configs', device, args.jobs or _cores(), **options))


def _execute(driver: Driver, experiment: Experiment, out: Path, command: str) -> int:
    started = time.monotonic()
    with Display(driver.store) as display:
        state = driver.run(display)
    try:
        with sole_writer(out):
            _write(experiment, state, driver.store, out, command)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print(
            f'{out} cannot hold the records and the report: {error.strerror}. The results are kept: make room, and run '
            f'the same command again',
            file=sys.stderr,
        )
        return SOME_FAILED
    print(
        f'{duration(time.monotonic() - started)} for {len(state.results) - len(state.cached)} stages '
        f'({len(state.cached)} were there before)'
    )
    failed = failed_cells(experiment.plan, state.results)
    for line in failed:
        print(f'failed: {line}', file=sys.stderr)
    return SOME_FAILED if failed else OK


def _write(experiment: Experiment, state: State, store: Store, out: Path, command: str) -> None:
    """Write records and report, unless they are there and made of the same."""
    made = MadeOf(experiment.cache, out)
    now = signature(experiment.plan, store, state.results, grid_content(experiment, command))
    if made.is_still(now):
        _show(out / REPORT)
        return
    harvest(experiment, state.results, out, command)
    _report(out)
    made.remember(now)


def _report(out: Path) -> int:
    from benchmarks.reports.report import make_report

    try:
        _show(make_report(out))
    except ValueError as error:
        raise BadInput(f'no report can be made from {out}: {error}') from error
    return OK


def _show(report: Path) -> None:
    print(report.read_text().split('\n## ')[0])
    print(f'report: {report}')


def _open_store(work_dir: Path) -> Store:
    _refuse_unusable('--work-dir', work_dir)
    try:
        return Store.in_work_dir(work_dir)
    except OSError as error:
        raise BadInput(f'--work-dir {work_dir}: its store cannot be used ({error}); choose another folder') from error


def _refuse_unusable(flag: str, folder: Path) -> None:
    """Refuse a folder that cannot be made or written to, before anything is computed for it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise BadInput(
            f'{flag} {folder} cannot be used ({error.strerror}); choose a folder that can be made and written to'
        ) from error


def _refuse_unusable_gpu(launcher: Launcher, store: Store) -> None:
    """Refuse a GPU that a stage could not use; another driver's measuring stage is not disturbed by trying."""
    with store.machine(alone=False):
        try:
            reason = launcher.call(why_unusable)
        except RuntimeError:
            reason = 'the process that tried it died'
    if reason is not None:
        raise BadInput(f'there is a GPU, but this torch cannot use it: {reason}; cure that, or run with --device cpu')


def _cores() -> int:
    """The cores that this process may use: a job of a cluster or a container often has a few of the machine's."""
    if hasattr(os, 'sched_getaffinity'):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_numbers(args: argparse.Namespace) -> None:
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


def console() -> int:
    """The installed command ``segmentation-ablation``: ``configs/`` lies beside this package."""
    return main(sys.argv[1:], Path(__file__).resolve().parents[1])
