"""What a job of Slurm does: it runs a part of a plan on its node, as a driver with the local launcher does.

A job that is told to end (SIGTERM before a pre-emption, SIGUSR2 before its time limit) ends its stages, says so in its
note, and stores no failure: its finished stages are in the store, and the others are submitted again.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.plan.plan import Plan
from benchmarks.run.driver import Driver
from benchmarks.run.gpu_memory import GpuMemory
from benchmarks.run.launcher import LocalLauncher
from benchmarks.run.map_budget import MapBudget
from benchmarks.run.slurm.book import Note, write_note
from benchmarks.run.state import State, look_up
from benchmarks.store.store import Store

TOLD_TO_END = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
HEARD_S = 5.0  # by then this process has heard the signal that has ended one of its stages
WARNING = signal.SIGUSR2  # comes before the time limit
SIGNAL_BEFORE_S = 60  # the limit, so that a job ends its stages itself
# Slurm looks once a minute, and warns up to a minute earlier than it is asked to; the rest is for a slow node.
WARNED_AT_MOST_S = SIGNAL_BEFORE_S + 60 + 30
LIMIT_NEAR = 0.8  # of the time limit: an earlier signal never announces it
KILLED_SERVER = 255  # exit status of a stage whose server was ended before it


class ToldToEnd(BaseException):
    """A signal has told the job to end.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(frozen=True)
class Job:
    """All that a job needs; plain values, so that it can be sent anywhere.

    Args:
        plan: Its stages, and all that these depend on.
        store: Root of the store.
        folder: Where its note goes.
        device: ``cpu`` or ``cuda``.
        side_by_side: How many stages run at once.
        limit_s: The job's time limit.
        timeout_s: Seconds before a stage is ended.
        retry_failed: Whether stages run again whose stored result is a failure.
        again: Keys of stages to run again although they have a good result.
        keys: Keys of the stages that it was submitted for. A failure of another stage stays, because a job never runs
            other jobs' failures again.
        max_maps: The bytes of maps that are kept; None for no limit.
        map_bytes: The most bytes that the maps of one prediction take.
        cwd: The folder in which the grid runs.
        path: Where modules are imported from.
        environment: Variables to set.
    """

    plan: Plan
    store: str
    folder: str
    device: str
    side_by_side: int
    limit_s: float
    timeout_s: float | None = None
    retry_failed: bool = False
    again: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    max_maps: int | None = None
    map_bytes: int = 0
    cwd: str = '.'
    path: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


def run_job(job: Job) -> str:
    """Run a job to its end; an exception is noted, and not raised.

    Returns:
        Why it has ended, as in :class:`benchmarks.run.slurm.book.Note`.
    """
    started = time.monotonic()
    os.chdir(job.cwd)
    os.environ.update(job.environment)
    sys.path += [entry for entry in job.path if entry not in sys.path]
    noted = _Noted(Path(job.folder), started)
    try:
        with _told_to_end():
            _drive(job, noted)
        ended, reason = 'done', ''
    except ToldToEnd as told:
        ended, reason = ended_by(told.number, time.monotonic() - started, job.limit_s), ''
    except Exception as error:
        ended, reason = 'error', f'{type(error).__name__}: {error}'
    write_note(Path(job.folder), Note(noted.at_work, ended, reason))
    return ended


def ended_by(number: int, after_s: float, limit_s: float) -> str:
    """Why a signal has ended a job: ``limit`` for its time limit, ``preempted`` for all else.

    A site may send the warning before a pre-emption, too (``send_user_signal`` of Slurm), so one that comes before
    Slurm would warn is none of the time limit. Any other signal means the limit only after the warning was due.

    Args:
        number: The signal.
        after_s: Seconds from the job's start to the signal.
        limit_s: The job's time limit in seconds.
    """
    before_s = WARNED_AT_MOST_S if number == WARNING else SIGNAL_BEFORE_S
    return 'limit' if after_s > max(LIMIT_NEAR * limit_s, limit_s - before_s) else 'preempted'


class _Noted:
    """Keeps a job's note: which stages run, and when they began."""

    def __init__(self, folder: Path, started: float) -> None:
        self.folder, self.started = folder, started
        self.at_work: dict[str, float] = {}
        write_note(folder, Note())  # of a job that the queue has begun again, the old note does not hold

    def __call__(self, state: State) -> None:
        at_work = {key: since - self.started for key, since in state.running.items()}
        if at_work != self.at_work:
            self.at_work = at_work
            write_note(self.folder, Note(at_work))


def _drive(job: Job, noted: _Noted) -> None:
    store, plan = Store(Path(job.store)), job.plan
    with store.drivers.using(plan.stages) as own_file:
        retried = job.keys if job.retry_failed else frozenset[str]()
        found, _ = look_up(store, plan, retry_failed=retried, again=job.again, before=frozenset())
        budget = None
        if job.max_maps is not None:
            budget = MapBudget(store, job.max_maps, job.map_bytes, plan.stages.keys(), own_file)
        driver = Driver(
            plan,
            store,
            NodeLauncher(job.timeout_s),
            found,
            device=job.device,
            jobs=job.side_by_side,
            retry_failed=job.retry_failed,
            again=job.again,
            budget=budget,
            gpu=GpuMemory(plan, store) if job.device == 'cuda' and job.side_by_side > 1 else None,
        )
        driver.run(noted)


class NodeLauncher(LocalLauncher):
    """The local launcher in a job: a stage that dies of a signal to the whole job has not failed."""

    def poll(self) -> dict[str, str | None]:
        """As that of the local launcher.

        Raises:
            ToldToEnd: The job is told to end.
        """
        ended = super().poll()
        # A signal ends a stage, or the stage ends itself by it, or it ends the server, which then cannot tell how.
        statuses = (*(-number for number in TOLD_TO_END), *(128 + number for number in TOLD_TO_END), KILLED_SERVER)
        if {self._why(status) for status in statuses} & set(ended.values()):
            time.sleep(HEARD_S)  # Slurm signals all processes of a job, and a stage may hear it first
        return ended


@contextmanager
def _told_to_end(signals: Sequence[signal.Signals] = TOLD_TO_END) -> Iterator[None]:
    """Raise :class:`ToldToEnd` in the block when one of the signals comes; a further one changes nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    told = False

    def tell(number: int, _: object) -> None:
        nonlocal told
        if not told:
            told = True
            raise ToldToEnd(number)

    before: dict[signal.Signals, Callable | int | None] = {number: signal.signal(number, tell) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
