"""Shows a run as it goes: live lines on a terminal, plain lines elsewhere."""

import sys
import time
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table

from benchmarks.plan.plan import Stage
from benchmarks.run.state import State
from benchmarks.session.doing import duration
from benchmarks.session.time_left import TimeLeft
from benchmarks.store.store import Store

PLAIN_INTERVAL_S = 30
ESTIMATES_SHARE = 0.02  # of the driver's time, for estimates of the time that is left


def describe(stage: Stage, progress: dict) -> str:
    """One line of a running stage: its name, step, loss and remaining time."""
    text = f'{stage.kind:8}{stage.label}'
    if 'waits_for' in progress:
        return f'{text}  waits for {progress["waits_for"]}'
    if progress:
        text += f'  {progress["step"]}/{progress["total"]}'
        if progress.get('loss') is not None:
            text += f'  loss {progress["loss"]:.4f}'
        text += f'  {duration(progress["eta_s"])} left'
    return text


class Display:
    """Call it with the run's state; use it as a context manager.

    Args:
        store: Where running stages report their progress.
        stream: The output; a terminal gets live lines. None stands for standard output.
        time_left: Learns from finished stages, and estimates what is left; None shows no estimate.
    """

    def __init__(self, store: Store, stream: TextIO | None = None, time_left: TimeLeft | None = None) -> None:
        self.store, self.time_left = store, time_left
        self.console = Console(file=stream or sys.stdout, highlight=False)
        self.live = Live(console=self.console, auto_refresh=False) if self.console.is_terminal else None
        self.printed: set[str] | None = None  # keys of the stages whose end is on the screen
        self.messages_printed = 0
        self.last_plain = time.monotonic()
        self.estimate: float | None = None
        self.estimate_again_at = 0.0

    def __enter__(self) -> 'Display':
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()

    def __call__(self, state: State) -> None:
        self._print_news(state)
        if self.live:
            self.live.update(self._table(state), refresh=True)
        elif time.monotonic() - self.last_plain > PLAIN_INTERVAL_S:
            self.last_plain = time.monotonic()
            for line in [self._overall(state), *self._running(state)]:
                self._print(line)

    def _print_news(self, state: State) -> None:
        """Print the messages and finished stages that are new since the last call."""
        if self.printed is None:
            self.printed = set(state.cached)
        for line in state.messages[self.messages_printed :]:
            self._print(line)
        self.messages_printed = len(state.messages)
        # Where as many have ended as were printed, none is new; to compare the keys of a large plan takes long.
        new = state.results.keys() - self.printed if len(state.results) != len(self.printed) else ()
        for key in new:
            self.printed.add(key)
            stage, result = state.plan.stages[key], state.results[key]
            if self.time_left:
                self.time_left.learn(key, result)
            self._print(
                f'{stage.kind:8}{stage.label}: {result.status}' + (f' — {result.reason}' if result.reason else '')
            )

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, soft_wrap=True)
        self.console.file.flush()

    def _overall(self, state: State) -> str:
        done, total = len(state.results), len(state.plan.stages)
        text = f'{done}/{total} stages, {duration(time.monotonic() - state.started)} elapsed'
        left = self._left_s(state) if done < total else None
        return text if left is None else f'{text}, about {duration(left)} left'

    def _left_s(self, state: State) -> float | None:
        """The estimate of the seconds that are left, which in a large plan takes long; so it is kept for a while."""
        now = time.monotonic()
        if self.time_left and now >= self.estimate_again_at:
            self.estimate = self.time_left.left_s(state)
            self.estimate_again_at = now + (time.monotonic() - now) / ESTIMATES_SHARE
        return self.estimate

    def _running(self, state: State) -> list[str]:
        """A line for each running stage, and for each of another driver for which a job of this one is idle."""

        def line(key: str) -> str:
            return '  ' + describe(state.plan.stages[key], self.store.progress(key))

        waiting = [f'{line(key)}  (this run waits for {driver})' for key, driver in state.waits_for.items()]
        return [*map(line, state.running), *waiting]

    def _table(self, state: State) -> Table:
        done, total = len(state.results), max(len(state.plan.stages), 1)
        width = 40
        bar = '█' * (width * done // total) + '░' * (width - width * done // total)
        table = Table.grid()
        table.add_row(f'{bar} {self._overall(state)}')
        for line in self._running(state):
            table.add_row(line)
        return table
