"""A run in jobs that nobody waits for: collects, submits, and says what to do next."""

import time
from pathlib import Path

from benchmarks.plan.plan import Plan
from benchmarks.run.slurm.book import Book
from benchmarks.run.slurm.detached import Detached, Tally, carried_environment, carried_path
from benchmarks.run.slurm.job import Job
from benchmarks.run.slurm.queue import Queue
from benchmarks.run.state import State
from benchmarks.session.disk import map_bytes
from benchmarks.session.execution import conclude
from benchmarks.session.interim import REPORT, write_interim
from benchmarks.session.look import Look, Ways
from benchmarks.session.summary import failed_cells

WHY = dict(preempted='pre-empted', limit='ended by the time limit of a shared job', done='not computed')
WHY |= dict(out_of_memory='in a job out of memory', error='in a job that ended by an error')


def submit_and_collect(
    look: Look, ways: Ways, queue: Queue, out: Path, command: str, timeout_s: float | None, again: frozenset[str]
) -> bool | None:
    """Collect what has finished, submit what is missing; make the report of what there is.

    Args:
        look: The plan, and what of it is in the store.
        ways: How plans run.
        queue: Where jobs are submitted.
        out: The output folder.
        command: The command line, for the report.
        timeout_s: Seconds before a stage is ended.
        again: Keys of stages to run again although they have a good result.

    Returns:
        Whether every cell is ok; None while stages are not finished.
    """
    started = time.monotonic()
    book = Book(queue.folder.parent)
    like = _settings_of_jobs(look, ways, queue, timeout_s, again)
    detached = Detached(look.experiment.plan, ways.store, look.found, queue, book, like, look.time_left.estimates)
    state = detached.run()
    if queue.settings.cluster == 'debug':  # its jobs have ended
        detached = Detached(look.experiment.plan, ways.store, ways.look(look.experiment).found, queue, book, like)
        state = detached.run()
    for line in progress_lines(detached.tally, state):
        print(line)
    if not state.open():
        return conclude(look.experiment, state, ways.store, out, command, started, call=ways.place.local.call)
    for line in failed_cells(look.experiment.plan, state.results, ended=False):
        print(f'failed: {line}')
    if state.results:
        complaint = write_interim(look.experiment, out, command, state.results)
        print(complaint or f'report of what is finished: {out / REPORT}')
    return None


def _settings_of_jobs(look: Look, ways: Ways, queue: Queue, timeout_s: float | None, again: frozenset[str]) -> Job:
    plan, data = look.experiment.plan, look.experiment.data
    return Job(
        Plan([], {}, {}, []),
        store=str(ways.store.root.resolve()),
        folder='',
        device=ways.device,
        side_by_side=queue.settings.side_by_side,
        limit_s=queue.settings.time,
        timeout_s=timeout_s,
        retry_failed=ways.retry_failed,
        again=again,
        max_maps=ways.max_maps,
        map_bytes=0 if ways.max_maps is None else max(map_bytes(plan, data, plan.stages).values(), default=0),
        cwd=str(Path.cwd()),
        path=carried_path(),
        environment=carried_environment(),
    )


def progress_lines(tally: Tally, state: State) -> list[str]:
    """How far a run is, and what comes next.

    Args:
        tally: What this invocation has done.
        state: Where the run stands.
    """
    done, total = len(state.results), len(state.plan.stages)
    states = ', '.join(f'{number} {name.lower()}' for name, number in sorted(tally.states.items()))
    lines = [f'{done} of {total} stages are finished; jobs: {states or "none"}']
    lines += [f'{number} stages were {WHY.get(why, why)}: submitted again' for why, number in tally.again.items()]
    if state.open():
        waiting = len(state.open()) - tally.stages
        after = f'; {waiting} more stages follow when these have finished' if waiting > 0 else ''
        lines.append(
            f'{tally.submitted} jobs were submitted now, for {tally.stages} stages in all{after}. '
            f'Run the same command again to collect them and to go on'
        )
    return lines
