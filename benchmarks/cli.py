"""The command line: ``python run_ablation.py`` in a checkout, ``segmentation-ablation`` where it is installed.

Only the flags are imported at the top. A command imports what it needs once the flags are understood, so that
``--help`` and a mistyped flag answer at once; a test holds that.
"""

import argparse
import os
import shlex
import sys
from pathlib import Path

from benchmarks.errors import BadInput, Mistakes
from benchmarks.files import ROOT, cannot_be_written
from benchmarks.session.flags import CONSOLE_COMMAND, LARGEST_ASKED, NO_STORE, SCRIPT, parse
from benchmarks.session.stopping import exit_status, stopped_by, stops_heard

OK, SOME_FAILED, BAD_INPUT, UNFINISHED = 0, 1, 2, 3


def main(argv: list[str], root: Path) -> int:
    """Run the command as ``python run_ablation.py``.

    Args:
        argv: The arguments of the command line.
        root: The folder that holds ``configs/`` and the packages.

    Returns:
        The exit status: 0 all cells ok, 1 some failed (or --verify finds other counts), 2 bad input, 3 submitted, and
        not finished, 130 interrupted (143 by SIGTERM, 129 by SIGHUP).
    """
    return _command(parse(argv, root), root, ['python', SCRIPT, *argv])


def console() -> None:
    """Run the command as ``segmentation-ablation``, the command that the installed package provides."""
    argv = sys.argv[1:]
    sys.exit(_command(parse(argv, ROOT, CONSOLE_COMMAND), ROOT, [CONSOLE_COMMAND, *argv]))


def _command(args: argparse.Namespace, root: Path, command: list[str]) -> int:
    with stops_heard():
        try:
            return _run(args, root, shlex.join(command))
        except BadInput as error:
            print(f'error: {error}', file=sys.stderr)
            return BAD_INPUT
        except OSError as error:
            if not cannot_be_written(error):
                raise
            print(
                f'error: {error.filename or "a file"} cannot be written: {error.strerror}. Stored results are kept: '
                'make room, or the folder writable, and run the same command again',
                file=sys.stderr,
            )
            return SOME_FAILED
        except KeyboardInterrupt as error:
            print(f'\n{stopped_by(error)}', file=sys.stderr)
            return exit_status(error)


def _run(args: argparse.Namespace, root: Path, command: str) -> int:
    _set_environment(args.work_dir, root)
    _refuse_bad_flags(args, root)
    if args.verify is not None:
        return _verify(args)
    if args.export is not None:
        return _export(args)
    if args.check is not None:
        return _check_techniques(args, root)
    if args.collect_garbage:
        return _collect_garbage(args)
    if args.compare is not None:
        from benchmarks.session.comparing import compare

        before, after = args.compare
        compare(before, after, args.out)
        return OK
    from benchmarks.plan.grid import read_grid

    grid = read_grid(args.grid)
    out = args.out or args.work_dir / grid.name
    if args.report_only:
        from benchmarks.session.execution import report_again

        report_again(grid, args.seeds, out, panels=not args.no_panels)
        return OK
    from benchmarks.session.invocation import run_grid
    from benchmarks.session.options import parse_options

    options, max_maps = parse_options(args.cfg_options), _size(args.max_maps, '--max-maps')
    all_ok = run_grid(args, root, grid, out, command, options=options, max_maps=max_maps, preload=(__name__,))
    return UNFINISHED if all_ok is None else OK if all_ok else SOME_FAILED


def _set_environment(work_dir: Path, root: Path) -> None:
    """Tell configs and child processes where the work dir and the packages are."""
    os.environ['ABLATION_WORK_DIR'] = str(work_dir)  # configs put the data that they write themselves below it
    os.environ['PYTHONPATH'] = os.pathsep.join(filter(None, [str(root), os.environ.get('PYTHONPATH')]))


def _verify(args: argparse.Namespace) -> int:
    from benchmarks.check.cell_again import Ways
    from benchmarks.check.verify import verify
    from benchmarks.session.devices import choose_device, expose

    device = expose(choose_device(args.device))
    out, cell = args.verify
    ways = Ways(args.work_dir, device, args.jobs or 1, args.timeout, args.data_root, (__name__,))
    return OK if verify(Path(out), cell, ways) else SOME_FAILED


def _export(args: argparse.Namespace) -> int:
    from benchmarks.session.devices import expose
    from benchmarks.session.export.folder import export
    from benchmarks.session.finished import finished_folder

    expose('cpu')
    export(finished_folder(args.grid, args.work_dir), args.export, args.work_dir, args.out)
    return OK


def _collect_garbage(args: argparse.Namespace) -> int:
    from benchmarks.session.folders import open_store
    from benchmarks.store.garbage import collect_garbage, collection_text

    collection = collect_garbage(
        open_store(args.work_dir),
        older_than_s=_age(args.older_than) or 0,
        max_size=_size(args.max_size, '--max-size'),
        dry_run=args.dry_run,
    )
    print(collection_text(collection, args.dry_run))
    return OK


def _check_techniques(args: argparse.Namespace, root: Path) -> int:
    from benchmarks.check.checker import TIMEOUT_S, CheckSettings
    from benchmarks.check.command import check
    from benchmarks.plan.grid import read_grid
    from benchmarks.session.devices import choose_device, expose
    from benchmarks.session.environment import usable_cores
    from benchmarks.stacks.own_modules import make_importable

    device = expose(choose_device(args.device))
    grid = read_grid(args.grid)
    make_importable(grid.module_folders)
    settings = CheckSettings(
        root / 'configs',
        device,
        args.jobs or usable_cores(),
        args.timeout or TIMEOUT_S,
        args.work_dir / 'cache',
        tuple(map(Path, grid.technique_folders)),
        args.on_all_baselines,
    )
    return check(args.check, settings)


def _refuse_bad_flags(args: argparse.Namespace, root: Path) -> None:
    """Refuse flags with unusable values, and flags of another command; all mistakes are told at once."""
    from benchmarks.session.finished import refuse_flags_of_runs

    mistakes = Mistakes()
    with mistakes.noted():
        refuse_flags_of_runs(args, root)
    with mistakes.noted():
        _refuse_flags_of_another_command(args)
    for flag, value in (
        ('--seeds', args.seeds),
        ('--jobs', args.jobs),
        ('--processes-per-training', args.processes_per_training),
    ):
        if value is not None and value < 1:
            mistakes.all.append(f'{flag} {value}: give at least 1')
    if args.tune is not None and args.tune < 2 and args.tune != LARGEST_ASKED:
        mistakes.all.append(f'--tune {args.tune}: give at least 2, because the first trial has the own values')
    if args.timeout is not None and not args.timeout > 0:
        mistakes.all.append(f'--timeout {args.timeout:g}: give a number of seconds above 0')
    for flag, value in (('--max-maps', args.max_maps), ('--max-size', args.max_size)):
        with mistakes.noted():
            _size(value, flag)
    with mistakes.noted():
        _age(args.older_than)
    with mistakes.noted():
        _refuse_budget(args)
    with mistakes.noted():
        _refuse_flags_of_another_launcher(args)
    with mistakes.noted():
        _refuse_store_without_a_run(args)
    mistakes.refuse()


def _refuse_budget(args: argparse.Namespace) -> None:
    """Refuse a budget that cannot be read, or that nothing spends."""
    from benchmarks.session.budget import parse_budget

    if args.budget is not None and not args.until_decided:
        raise BadInput('--budget limits how many seeds --until-decided spends; give both together')
    parse_budget(args.budget)


def _refuse_flags_of_another_launcher(args: argparse.Namespace) -> None:
    """Refuse flags that the chosen launcher does not read."""
    given = (('--slurm', args.slurm, 'slurm'), ('--ray', args.ray, 'ray'), ('--address', args.address, 'ray'))
    wrong = [
        f'{flag} belongs to --launcher {owner}; give both together'
        for flag, value, owner in given
        if value and args.launcher != owner
    ]
    others = (('--check', args.check is not None), ('--collect-garbage', args.collect_garbage))
    if args.launcher != 'local':
        wrong += [
            f'--launcher runs a grid, and {flag} runs on this machine; leave one out' for flag, asked in others if asked
        ]
    if args.launcher == 'slurm' and args.until_decided:
        wrong.append('--until-decided judges finished looks, and --launcher slurm does not wait for them; use another')
    if wrong:
        raise BadInput(*wrong)


def _refuse_store_without_a_run(args: argparse.Namespace) -> None:
    """Refuse a remote store where no driver brings results down and takes them up."""
    others = (
        ('--check', args.check is not None),
        ('--collect-garbage', args.collect_garbage),
        ('--report-only', args.report_only),
    )
    wrong = [f'--store serves a run of a grid, and {flag} is none; leave one out' for flag, asked in others if asked]
    if args.launcher == 'slurm' and args.store != NO_STORE:
        wrong.append(
            '--store serves hosts that share no file system, and the jobs of --launcher slurm share the work dir; '
            'leave one out, or run the command with the local launcher in a job of its own on each node'
        )
    if args.store is not None and wrong:
        raise BadInput(*wrong)


def _refuse_flags_of_another_command(args: argparse.Namespace) -> None:
    if args.check is not None:
        return
    if args.on_all_baselines:
        raise BadInput('--on-all-baselines belongs to --check NAME; give both together')
    if args.collect_garbage:
        if args.max_maps is not None:
            raise BadInput(
                '--max-maps limits the maps that a run keeps; give it together with a grid instead of --collect-garbage'
            )
        return
    given = [
        flag for flag, value in (('--older-than', args.older_than), ('--max-size', args.max_size)) if value is not None
    ]
    if given:
        raise BadInput(*(f'{flag} limits what --collect-garbage removes; give both together' for flag in given))


def _size(text: str | None, flag: str) -> int | None:
    from benchmarks.store.sizes import size_bytes

    return None if text is None else size_bytes(text, flag)


def _age(text: str | None) -> float | None:
    from benchmarks.store.sizes import age_s

    return None if text is None else age_s(text, '--older-than')
