"""A run of a grid, from the flags to the report."""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.plan.grid import Grid
from benchmarks.plan.looks import FIRST_LOOK, most_seeds
from benchmarks.plan.question import question_of
from benchmarks.run.map_budget import MapBudget
from benchmarks.run.state import State
from benchmarks.session.asked import ask
from benchmarks.session.asking import asking
from benchmarks.session.budget import parse_budget, refuse_gpu_hours_without_a_gpu
from benchmarks.session.data_summary import show_data, show_lints
from benchmarks.session.detached import submit_and_collect
from benchmarks.session.devices import refuse_unusable_gpu
from benchmarks.session.disk import announced_maps, refuse_too_large_plan
from benchmarks.session.execution import execute
from benchmarks.session.experiment import Experiment, make_experiment, read_request
from benchmarks.session.folders import open_store, refuse_unusable_folder
from benchmarks.session.grid_place import settings_of_launchers, store_asked
from benchmarks.session.look import Look, Ways
from benchmarks.session.outputs import refuse_foreign_folder
from benchmarks.session.owner import refuse_another_grids_folder, source_of
from benchmarks.session.place import Place, choose_place
from benchmarks.session.reprofile import profiles_again
from benchmarks.session.settings import Settings
from benchmarks.session.summary import show_plan
from benchmarks.session.until_decided import LookAfterLook, announced_looks, grid_looks
from benchmarks.store.store import Store

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
) -> bool | None:
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
        Whether every cell is ok; None while jobs that nobody waits for are not finished.

    Raises:
        BadInput: Names the culprit and the cure; nothing has run.
    """
    started = time.monotonic()
    refuse_foreign_folder(out)
    store = open_store(args.work_dir)
    of_grid, shared, remote = settings_of_launchers(grid), store_asked(args, grid), None
    if shared is not None:
        from benchmarks.session.remote import open_remote  # here, because it imports fsspec

        url, giver = shared
        remote = open_remote(url, dry_run=args.dry_run, giver=giver)
    place = choose_place(args, preload, of_grid)
    device, jobs = place.device, place.jobs
    refuse_gpu_hours_without_a_gpu(args.budget, device)
    refuse_another_grids_folder(grid, out, store.outputs)
    experiment = _planned(args, root, grid, options, store, place)
    plan = experiment.plan
    ways = Ways(store, place, args.retry_failed, max_maps, store.outputs.keys_of(out), remote)
    with store.drivers.using(plan.stages) as own_file:
        store.clear_abandoned()
        again = profiles_again(plan, args.reprofile)
        look = ways.look(experiment, again)
        map_budget = _show(look, ways, out, own_file, dry_run=args.dry_run)
        refuse_too_large_plan(experiment, look.reasons, args.work_dir, max_maps, jobs)
        if args.dry_run:
            return True
        refuse_unusable_folder('--out', out)
        if device == 'cuda' and place.queue is None and State(plan, look.found).open():
            refuse_unusable_gpu(place.launcher, store)
        store.outputs.add(out, plan.stages, source_of(grid, out))
        ask(experiment, State(plan, look.found), command, out)
        if place.queue is not None:
            return submit_and_collect(look, ways, place.queue, out, command, args.timeout, frozenset(again))
        driver = ways.driver(look, map_budget, again)
        if experiment.looks is None:
            return execute(driver, experiment, out, command, look.time_left, call=place.local.call)
        budget = parse_budget(args.budget, place.gpus or 1)
        return LookAfterLook(ways, out, command, budget, started).run(look, driver)


def _planned(
    args: argparse.Namespace, root: Path, grid: Grid, options: Mapping[str, Any], store: Store, place: Place
) -> Experiment:
    """The checked and planned grid; with ``--until-decided`` for its first look."""
    most = most_seeds(grid, args.seeds) if args.until_decided else None
    seeds = args.seeds if most is None else FIRST_LOOK
    configs = root / 'configs'
    settings = Settings(
        args.work_dir,
        configs,
        place.device,
        seeds,
        args.data_root,
        options,
        args.tune,
        nodes=place.nodes,
        panels=not args.no_panels,
        processes=args.processes_per_training,
    )
    request = read_request(grid, settings)
    looks = None if most is None else grid_looks(request, most)
    experiment = make_experiment(request, store, place.local)
    return experiment if looks is None else replace(experiment, looks=looks.take(experiment.plan.seeds_of))


def _show(look: Look, ways: Ways, out: Path, own_file: Path, *, dry_run: bool) -> MapBudget | None:
    """Print the data, the plan, and what it can answer; gives the budget of maps, whose consequences are told, too."""
    experiment = look.experiment
    request, plan, looks = experiment.request, experiment.plan, experiment.looks
    show_data(experiment.data)
    show_lints(experiment.lints)
    for text in experiment.schedule_warnings:
        print(f'warning: {text}')
    labels = LABELS_OF_DRY_RUN if dry_run else LABELS_OF_RUN
    notes = [*experiment.notes, *experiment.trial_notes]
    show_plan(
        plan,
        look.found,
        look.reasons,
        ways.store,
        ways.jobs,
        notes,
        labels_shown=labels,
        time_left=look.time_left,
        brought=look.brought,
    )
    budget = ways.budget(look, own_file)
    question = question_of(request.grid, request.stacks.layout, looks)
    asked = asking(question, plan, len(request.seeds) if looks is None else looks.planned[-1])
    asked += announced_looks(experiment, ways.store, dry_run=dry_run)
    if dry_run:
        from benchmarks.session.planned_power import announced_power  # here, because it imports scipy

        asked += announced_power(experiment, out, ways.store.outputs)
    for line in (*asked, *announced_maps(experiment, look.reasons, ways.max_maps)):
        print(line)
    return budget
