"""A run of a grid, from the flags to the report."""

import argparse
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.plan.grid import Grid
from benchmarks.plan.question import question_of
from benchmarks.run.driver import Driver
from benchmarks.run.gpu_memory import GpuMemory
from benchmarks.run.launcher import LocalLauncher
from benchmarks.run.map_budget import MapBudget, format_budget
from benchmarks.run.state import State, look_up
from benchmarks.session.asked import ask
from benchmarks.session.asking import asking
from benchmarks.session.data_summary import show_data, show_lints
from benchmarks.session.devices import choose_device, expose, refuse_unusable_gpu
from benchmarks.session.disk import announced_maps, map_bytes, refuse_too_large_plan
from benchmarks.session.environment import usable_cores
from benchmarks.session.execution import execute
from benchmarks.session.experiment import Experiment, make_experiment, read_request
from benchmarks.session.folders import open_store, refuse_unusable_folder
from benchmarks.session.outputs import refuse_foreign_folder
from benchmarks.session.owner import refuse_another_grids_folder, source_of
from benchmarks.session.reprofile import profiles_again
from benchmarks.session.settings import Settings
from benchmarks.session.summary import show_plan
from benchmarks.session.time_left import TimeLeft
from benchmarks.session.work import extent_in
from benchmarks.store.store import Result, Store

LABELS_OF_RUN, LABELS_OF_DRY_RUN = 3, 8  # how many cached or missing stages of one kind and reason are named


def run_grid(
    args: argparse.Namespace,
    root: Path,
    grid: Grid,
    out: Path,
    command: str,
    *,
    options: Mapping[str, Any],
    max_maps: int | None,
    preload: Sequence[str],
) -> bool:
    """Check, plan and run a grid, and write its records and report; with ``--dry-run`` only print the plan.

    Args:
        args: The flags.
        root: The folder that holds ``configs/``.
        grid: The grid.
        out: The output folder.
        command: The command line, for the report.
        options: ``--cfg-options``, parsed.
        max_maps: ``--max-maps`` in bytes; None for no limit.
        preload: See :class:`benchmarks.run.launcher.LocalLauncher`.

    Returns:
        Whether every cell is ok.

    Raises:
        BadInput: Names the culprit and the cure; nothing has run.
    """
    refuse_foreign_folder(out)
    device = expose(choose_device(args.device))
    store, launcher = open_store(args.work_dir), LocalLauncher(args.timeout, preload=preload)
    refuse_another_grids_folder(grid, out, store.outputs)
    settings = Settings(args.work_dir, root / 'configs', device, args.seeds, args.data_root, options)
    experiment = make_experiment(read_request(grid, settings), store, launcher)
    plan = experiment.plan
    with store.drivers.using(plan.stages) as own_file:
        store.clear_abandoned()
        again = profiles_again(plan, args.reprofile)
        before = store.outputs.keys_of(out)
        found, reasons = look_up(store, plan, retry_failed=args.retry_failed, again=again, before=before)
        jobs = args.jobs or (1 if device == 'cuda' else usable_cores())
        labels = LABELS_OF_DRY_RUN if args.dry_run else LABELS_OF_RUN
        time_left = TimeLeft(plan, store, jobs, extent_in(experiment.data), settings.cache)
        show_data(experiment.data)
        show_lints(experiment.lints)
        for text in experiment.schedule_warnings:
            print(f'warning: {text}')
        notes = [*experiment.notes, *experiment.trial_notes]
        show_plan(plan, found, reasons, store, jobs, notes, labels_shown=labels, time_left=time_left)
        budget = _map_budget(experiment, store, max_maps, own_file, found, reasons)
        question = question_of(grid, experiment.request.stacks.layout)
        asked = asking(question, plan, len(experiment.request.seeds))
        for line in (*asked, *announced_maps(experiment, reasons, max_maps)):
            print(line)
        refuse_too_large_plan(experiment, reasons, args.work_dir, max_maps, jobs)
        if args.dry_run:
            return True
        refuse_unusable_folder('--out', out)
        if device == 'cuda' and State(plan, found).open():
            refuse_unusable_gpu(launcher, store)
        store.outputs.add(out, plan.stages, source_of(grid, out))
        ask(experiment, State(plan, found), command, out)
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
        return execute(driver, experiment, out, command, time_left)


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
