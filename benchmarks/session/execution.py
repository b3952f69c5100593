"""Runs a plan to its end, and writes the records and the report."""

import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from benchmarks.errors import BadInput
from benchmarks.files import cannot_be_written, is_full_disk
from benchmarks.plan.grid import Grid
from benchmarks.record import read_grid_json
from benchmarks.run.driver import Driver
from benchmarks.run.state import State
from benchmarks.session.display import Display
from benchmarks.session.doing import doing, duration
from benchmarks.session.environment import usable_cores
from benchmarks.session.experiment import Experiment
from benchmarks.session.grid_record import grid_content
from benchmarks.session.interim import REPORT, InterimReports, write_interim
from benchmarks.session.outputs import write_outputs
from benchmarks.session.owner import changes_since, refuse_another_grids_folder
from benchmarks.session.panels import Call, Kept, keep_panels
from benchmarks.session.summary import failed_cells
from benchmarks.session.time_left import TimeLeft
from benchmarks.session.up_to_date import UpToDateCheck, signature
from benchmarks.store.sole_user import sole_user
from benchmarks.store.store import Store


def execute(
    driver: Driver, experiment: Experiment, out: Path, command: str, time_left: TimeLeft, *, call: Call
) -> bool:
    """Run the driver's plan, and write records and report.

    Args:
        driver: Runs the plan.
        experiment: The checked and planned grid.
        out: The output folder.
        command: The command line, for the report.
        time_left: Estimates how long the run still takes.
        call: See :func:`conclude`.

    Returns:
        Whether every cell is ok, and its records could be written.
    """
    started = time.monotonic()
    state = drive(driver, experiment, out, command, time_left)
    return conclude(experiment, state, driver.store, out, command, started, call=call)


def drive(driver: Driver, experiment: Experiment, out: Path, command: str, time_left: TimeLeft) -> State:
    """Run the driver's plan to its end; show how it goes, and keep a report of what is finished.

    Args: as the first ones of :func:`execute`.
    """
    with (
        interim_reports(experiment, driver.store, out, command) as interim,
        Display(driver.store, time_left=time_left) as display,
    ):
        interim.know(driver.state)

        def show(state: State) -> None:
            display(state)
            interim(state)

        return driver.run(show)


def interim_reports(
    experiment: Experiment, store: Store, out: Path, command: str, *, look_is_over: bool = False
) -> InterimReports:
    """Reports of what is finished; the arguments are those of :func:`write_interim`."""
    write = partial(write_interim, experiment, out, command, look_is_over=look_is_over)
    share_machine = partial(store.machine, alone=False, stage=f'the report of {experiment.request.grid.name}')
    return InterimReports(write, out, share_machine, usable_cores())


def conclude(
    experiment: Experiment,
    state: State,
    store: Store,
    out: Path,
    command: str,
    started: float,
    n_before: int | None = None,
    *,
    call: Call,
) -> bool:
    """Write the records and the report of a run, and say how long it took and which cells failed.

    Args:
        experiment: The checked and planned grid.
        state: Where the run has ended.
        store: The store of its results.
        out: The output folder.
        command: The command line, for the report.
        started: When the run began (monotonic clock).
        n_before: How many results were there before; None for those that the state says.
        call: Calls a function in another process of this machine, which has the output folder as a node may not, and
            returns its result.

    Returns:
        Whether every cell is ok, and its records could be written.
    """
    if not fits_on_the_disk(out, lambda: _write(experiment, state, store, out, command, call)):
        return False
    before = len(state.cached) if n_before is None else n_before
    print(
        f'{duration(time.monotonic() - started)} for {len(state.results) - before} stages ({before} were there before)'
    )
    failed = failed_cells(experiment.plan, state.results)
    for line in failed:
        print(f'failed: {line}', file=sys.stderr)
    return not failed


def fits_on_the_disk(out: Path, write: Callable[[], None]) -> bool:
    """Write to the output folder as its only user; False, and said so, if the disk is full or cannot be written to."""
    try:
        with sole_user(out):
            write()
    except OSError as error:
        if not cannot_be_written(error):
            raise
        cure = 'make room' if is_full_disk(error) else 'make the folder writable, or name another one with --out'
        print(
            f'{out} cannot hold the records and the report: {error.strerror}. The results are kept: {cure}, and run '
            f'the same command again',
            file=sys.stderr,
        )
        return False
    return True


def report_again(grid: Grid, seeds: int | None, out: Path, *, panels: bool = True) -> None:
    """Make the report of a grid anew from its records, and say how the grid has changed since they were written.

    Args:
        grid: The grid.
        seeds: The number of seeds that the command line asks for; None for the grid's own.
        out: The output folder.
        panels: Whether the report shows test images, if the records have some.

    Raises:
        BadInput: The folder holds another grid's records, or none from which a report can be made.
    """
    refuse_another_grids_folder(grid, out)
    with sole_user(out) if out.is_dir() else nullcontext():  # a missing folder is refused, and not made
        report(out, panels=panels)
    changes = changes_since(grid, seeds, read_grid_json(out))
    if changes:
        print(
            f'note: the records in {out} were written by another state of {grid.file}: they have '
            f'{"; ".join(changes)}. The report shows the records. Run the grid to bring them up to date'
        )


def report(out: Path, *, panels: bool = True) -> None:
    """Make the report from the records in an output folder, and print its beginning.

    Raises:
        BadInput: The folder holds no records from which a report can be made.
    """
    from benchmarks.reports.report import make_report  # here, because it imports pandas and matplotlib

    try:
        with doing('making the report'):
            page = make_report(out, panels=panels)
        _show(page)
    except ValueError as error:
        raise BadInput(f'no report can be made from {out}: {error}') from error


def _write(experiment: Experiment, state: State, store: Store, out: Path, command: str, call: Call) -> None:
    """Write records and report, unless they are up to date."""
    grid = grid_content(experiment, command, out)
    up_to_date = UpToDateCheck(experiment.request.settings.cache, out)
    panels = experiment.request.settings.panels
    now = signature(experiment.plan, store, state.results, grid | dict(panels=panels))
    if up_to_date.holds(now):
        _show(out / REPORT)
        return
    with doing(f'writing the records to {out}'):
        kept = list[Kept]()

        def write_panels(fresh: Path) -> None:
            kept.append(keep_panels(experiment.plan, state.results, grid, store, call, fresh))

        write_outputs(experiment.plan, state.results, grid, out, *([write_panels] if panels else []))
    report(out)
    for complaint in (one.complaint for one in kept if one.complaint):
        print(f'note: {complaint}')
    if not any(one.may_help for one in kept):
        up_to_date.remember(now)


def _show(path: Path) -> None:
    print(path.read_text().split('\n## ')[0])
    print(f'report: {path}')
    print(f'page: {path.with_name("index.html")}')
