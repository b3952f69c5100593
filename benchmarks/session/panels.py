"""Keeps the images and label maps that a report shows, when a run has ended.

A process like a stage's reads them, because that takes torch. Nothing that goes wrong here ends the run: a line says
so.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.errors import some_of
from benchmarks.plan.plan import Plan
from benchmarks.run.child_process import print_nothing
from benchmarks.stages.wanted_panels import Wanted
from benchmarks.store.store import Result, Store

COMPLAINTS_NAMED = 2
LIMIT_S = 600.0  # for all panels of a report; a refinement that never returns must not keep the report
TOO_LONG = 124  # the exit status of a process that has taken longer, as `timeout` has it


class Kept(NamedTuple):
    """What became of the panels.

    Attributes:
        complaint: What the report lacks, and why; empty if it lacks nothing.
        may_help: Whether another try may give more: this one ended before it could say which panels there are.
    """

    complaint: str = ''
    may_help: bool = False


Call = Callable[[Callable[[], Any]], Any]  # calls a function in a process like a stage's, and returns its result


def keep_panels(
    plan: Plan, results: Mapping[str, Result], grid: Mapping[str, Any], store: Store, call: Call, out: Path
) -> Kept:
    """Write what the panels of a report show below ``<out>/records/labels``.

    Args:
        plan: The plan that was run.
        results: Finished stages by key.
        grid: The content of ``grid.json``.
        store: The store of the results; the panels share its machine with the stages of other drivers.
        call: See :data:`Call`.
        out: The output folder, which has the records.

    Returns:
        What became of them.
    """
    from benchmarks.reports.choice import recommended  # here, because these import pandas
    from benchmarks.reports.results import read_results
    from benchmarks.session.panel_choice import wanted_panels

    try:
        wanted = wanted_panels(plan, results, grid, recommended(read_results(out)))
        complaints = call(partial(_make, wanted, store.root, out)) if wanted else []
    except Exception as error:
        text = ' '.join(str(error).split())
        if text.endswith(f'exit status {TOO_LONG}'):
            text = f'they took longer than {LIMIT_S / 60:g} min'
        return Kept(f'the report has no panels of test images ({type(error).__name__}: {text})', may_help=True)
    if not complaints:
        return Kept()
    return Kept(f'the report lacks panels of test images: {some_of(complaints, COMPLAINTS_NAMED)}')


def _make(wanted: list[Wanted], store: Path, out: Path) -> list[str]:
    from benchmarks.stages.panel_images import make_panels  # it imports torch, which the driver does without

    print_nothing()  # mmengine lists the hooks of each test
    with Store(store).machine(alone=False, stage='the panels of a report'), _ends_after(LIMIT_S):
        return make_panels(wanted, out)


@contextmanager
def _ends_after(seconds: float) -> Iterator[None]:
    """End this process if the block takes longer; no exception would interrupt compiled code."""
    timer = threading.Timer(seconds, os._exit, [TOO_LONG])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
