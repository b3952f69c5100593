"""Keeps records and a report of what is finished in the output folder, while a grid runs and after an interruption.

A process beside the driver writes them, so that no stage starts later for it. It has a low priority. It shares the
machine as stages do (:mod:`benchmarks.store.machine`): a stage that measures alone waits for its end, and it waits for
such a stage. The next report waits until the last one has cost no more than a hundredth of the time of all cores.

Nothing that goes wrong with such a report ends the run: a line says so.
"""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.files import is_full_disk
from benchmarks.kinds import BY_NAME
from benchmarks.plan.plan import Plan
from benchmarks.record import PROFILE_ENDING, read_grid_json, stack_name
from benchmarks.reports.interim import planned_cells
from benchmarks.run.child_process import ChildProcess, print_nothing
from benchmarks.run.outcome import is_open
from benchmarks.run.state import State
from benchmarks.session.experiment import Experiment
from benchmarks.session.grid_record import grid_content
from benchmarks.session.outputs import write_outputs
from benchmarks.store.sole_user import sole_user
from benchmarks.store.store import Result

LEAST_S = 30.0  # from one report to the next
LAST_REPORT_S = 8.0  # schedulers give a job that they stop 30 s at least, and people 10 s
SHARE = 0.01  # of the time of all cores
NICENESS = 10  # a training on the same core keeps nine tenths of it
REPORT = Path('report') / 'README.md'
Results = Mapping[str, Result]


def open_parts(plan: Plan, results: Results) -> dict[str, list[str]]:
    """What of a plan is neither finished nor failed: the names of cells, and of the stacks whose cost is not measured.

    Args:
        plan: The plan.
        results: Finished stages by key.
    """
    state = State(plan, dict(results))
    waiting = {
        key: key not in results and not state.blocked(plan.stages[key]) for key in dict.fromkeys(plan.profiles.values())
    }
    return dict(
        cells=[cell.name for cell in plan.cells if is_open(cell, results)],
        profiles=[stack_name(stack) for stack, key in plan.profiles.items() if waiting[key]],
    )


def write_interim(
    experiment: Experiment, out: Path, command: str, results: Results, *, look_is_over: bool = False
) -> str:
    """Write the records and the report of what is finished.

    Args:
        experiment: The checked and planned grid.
        out: The output folder.
        command: The command line, for the report.
        results: Finished stages by key.
        look_is_over: Whether the last look of the experiment has been taken; otherwise it runs.

    Returns:
        Why they could not be written; empty if they were.
    """
    try:
        from benchmarks.reports.report import make_report  # here, because it imports pandas and matplotlib

        with sole_user(out):
            taken = experiment if look_is_over else _at_finished_looks(experiment)
            grid = grid_content(taken, command, out)
            write_outputs(experiment.plan, results, grid | dict(open=open_parts(experiment.plan, results)), out)
            make_report(out)
    except OSError as error:
        if is_full_disk(error):
            return f'{out} cannot hold the report of what is finished: {error.strerror}'
        return _no_report(error)
    except Exception as error:
        return _no_report(error)
    return ''


class InterimReports:
    """Writes reports of what is finished; call it with the run's state, and use it as a context manager.

    Leaving the context ends the writing process. If an exception leaves it, Ctrl-C among them, what has finished since
    the last report is written first.

    Args:
        write: Writes the results that it is given, and returns a complaint or nothing.
        out: The output folder.
        share_machine: Gives a context in which no stage measures.
        cores: The cores that the run may use.
    """

    def __init__(
        self,
        write: Callable[[Results], str],
        out: Path,
        share_machine: Callable[[], AbstractContextManager],
        cores: int,
    ) -> None:
        self.write, self.out, self.share_machine, self.cores = write, out, share_machine, cores
        self.began_at, self.cost_s = time.monotonic(), 0.0  # of the last report
        self.state: State | None = None
        self.looked_at = 0  # the number of results at the last look
        self.written = self.in_writing = frozenset[str]()
        self.complaint = ''
        self.child: ChildProcess | None = None

    def __enter__(self) -> 'InterimReports':
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        self._end()
        if kind is None or self.state is None or _finished(self.state) <= self.written:
            return
        print(self._last_report(self.state) or f'report of what is finished: {self.out / REPORT}')

    def _last_report(self, state: State) -> str:
        """Write what is finished, in a process that can be ended: who stops a run may kill it soon after."""
        try:
            with ChildProcess(partial(_quietly, self.write, state.results_so_far)) as child:
                if child.has_ended(within_s=LAST_REPORT_S):
                    return child.result()
        except (OSError, RuntimeError) as error:
            return _no_report(error)
        return f'a report takes longer than {LAST_REPORT_S:g} s, and was given up; all results are kept'

    def know(self, state: State) -> None:
        """Learn where the run stands, so that an interruption before the first call leaves a report, too."""
        if self.state is None:
            self.state = state
            self.written = _reported(self.out, state)

    def __call__(self, state: State) -> None:
        """Start a report if one is due, and take note of one that has ended."""
        self.know(state)
        if self.child is not None:
            if self.child.has_ended():
                self._take_in(state)
        elif self._is_time(state) and len(state.results) != self.looked_at:
            self.looked_at = len(state.results)
            self.in_writing = _finished(state)
            if not self.in_writing <= self.written and (state.running or state.open()):
                self._begin(state)

    def _is_time(self, state: State) -> bool:
        """Whether the last report began long enough ago. A stage that measures keeps all cores waiting for a report."""
        measuring = any(BY_NAME[state.plan.stages[key].kind].measures_alone for key in state.running)
        cost_s = self.cost_s if measuring else self.cost_s / self.cores
        return time.monotonic() - self.began_at >= max(LEAST_S, cost_s / SHARE)

    def _begin(self, state: State) -> None:
        self.began_at = time.monotonic()
        self.child = ChildProcess(partial(_beside, self.write, self.share_machine, state.results_so_far))
        try:
            self.child.__enter__()
        except OSError as error:  # no memory, or too many processes
            self.child = None
            self._complain(state, _no_report(error))

    def _take_in(self, state: State) -> None:
        assert self.child is not None
        try:
            complaint, self.cost_s = self.child.result()
        except RuntimeError as error:
            complaint = _no_report(error)
        self._end()
        if complaint:
            self._complain(state, complaint)
        else:
            self.written, self.complaint = self.in_writing, ''

    def _complain(self, state: State, complaint: str) -> None:
        if complaint != self.complaint:
            state.messages.append(f'{complaint}; the run goes on')
        self.complaint = complaint

    def _end(self) -> None:
        """End the writing process, which may leave a hidden file that it was writing."""
        if self.child is None:
            return
        self.child.__exit__()
        self.child = None
        hidden = list((self.out / REPORT).parent.glob('.*.tmp'))
        if hidden:
            with suppress(OSError), sole_user(self.out):  # another process may be writing one of them
                for path in hidden:
                    path.unlink(missing_ok=True)


def _quietly(write: Callable[[Results], str], results: Results) -> str:
    print_nothing()
    return write(results)


def _beside(
    write: Callable[[Results], str], share_machine: Callable[[], AbstractContextManager], results: Results
) -> tuple[str, float]:
    """In the process beside the driver: the complaint, and the processor seconds that it took."""
    os.nice(NICENESS)
    print_nothing()
    with share_machine():
        return write(results), sum(os.times()[:4])  # user and system, of this process and those that it has started


def _finished(state: State) -> frozenset[str]:
    """The names of the records of what stands in a report with numbers or a failure."""
    plan, still_open = state.plan, open_parts(state.plan, state.results)
    cells = {cell.name for cell in plan.cells}.difference(still_open['cells'])
    profiles = {stack_name(stack) for stack in plan.profiles}.difference(still_open['profiles'])
    return frozenset({f'{cell}.json' for cell in cells} | {f'{stack}{PROFILE_ENDING}' for stack in profiles})


def _reported(out: Path, state: State) -> frozenset[str]:
    """What is finished, if a report in the folder shows all of it; nothing if it lacks a part, or is of another plan.

    A look writes its records without a report, so a report that is older than a record is none of it. A rerun takes the
    first looks again, and the report of a later one shows them, too.
    """
    finished, own = _finished(state), {cell.name for cell in state.plan.cells}
    try:
        grid = read_grid_json(out)
        cells = set(planned_cells(grid))
        newest = max(((out / 'records' / name).stat().st_mtime_ns for name in finished), default=0)
        made = (out / REPORT).stat().st_mtime_ns
    except (OSError, ValueError):
        return frozenset()
    of_this_plan = own <= cells if grid.get('looks') else own == cells
    return finished if newest <= made and of_this_plan else frozenset()


def _at_finished_looks(experiment: Experiment) -> Experiment:
    """Without the look that runs, unless it is the first: verdicts are those of looks that were taken."""
    looks = experiment.looks
    if looks is None or len(looks.taken) < 2:
        return experiment
    return replace(experiment, looks=replace(looks, taken=looks.taken[:-1]))


def _no_report(error: Exception) -> str:
    text = ' '.join(str(error).split())
    return f'no report of what is finished could be made ({type(error).__name__}: {text})'
