"""How the harness's own work grows with the number of cells: ``python -m benchmarks.speed.scale [CELLS …]``.

No stage computes anything. A cell has a training, a prediction and a refinement, and ten cells share a profile. A stage
has 45 ingredients, about as many as a training of the quickstart, and a result a dozen facts. Of each number of cells
three processes of their own measure five steps in processor seconds, which other work on the machine changes less than
it changes the time:

* *schedule*: all decisions of a run with 8 jobs whose durations are known, from the first stage to the last,
* *store*: the lease of each stage, a small table, its checksum and manifest, and the rename into place,
* *resume*: each stored result is read and compared with its checksums, and the ready stages are found,
* *estimate*: the time that all stages may take, from the durations of the stored results,
* *report*: tables, figures and page from records that were drawn at random, with 56 test images of three classes.

Memory is the peak of a process: that of the first step with its plan, that of the next three with theirs, and that of
the report.

The reference is the smallest number of cells, times the ratio of the numbers: 1× is linear growth, and below 1× a step
grows faster.
"""

import math
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.files import digest
from benchmarks.plan.layered import Layered
from benchmarks.plan.plan import Cell, Plan, Stage
from benchmarks.reports.report import make_report
from benchmarks.run.child_process import ChildProcess
from benchmarks.run.state import State, look_up
from benchmarks.session.time_left import TimeLeft
from benchmarks.speed.makespan import makespan
from benchmarks.speed.side_by_side import Ratio, report, summarised
from benchmarks.speed.synthetic_records import write_records
from benchmarks.store.store import Store

SIZES = (1000, 4000, 16000)
STEPS = ('schedule', 'store', 'resume', 'estimate', 'report')
JOBS = 8
CELLS_OF_STACK = 10
MEDIAN_S = dict(train=60.0, predict=5.0, refine=3.0, profile=20.0)
INGREDIENTS = 45
FACTS = {f'fact {number}': number / 7 for number in range(12)}


def plan_of(cells: int) -> tuple[Plan, dict[str, float]]:
    """A plan of so many cells, and the seconds of each stage by key."""
    plan, took, chance = Plan([], {}, {}, []), dict[str, float](), random.Random(0)
    of_all = {f'config part {number}': digest(number) for number in range(INGREDIENTS - 1)}

    def add(kind: str, number: int, parents: tuple[Stage, ...]) -> Stage:
        key, steps = f'{kind}{number:040}', tuple(one.step for one in parents)
        config = dict(number=number, test_dataloader='the test images')
        seed = None if kind == 'profile' else number % CELLS_OF_STACK
        stack = (f'stack{number // CELLS_OF_STACK}',)
        plan.stages[key] = Stage(
            kind, key, stack, seed, '', config, steps, Layered(of_all, {'config number': f'{kind} {number}'})
        )
        took[key] = MEDIAN_S[kind] * chance.lognormvariate(0, 0.3)
        return plan.stages[key]

    for number in range(cells):
        train = add('train', number, ())
        predict = add('predict', number, (train,))
        refine = add('refine', number, (predict, train))
        steps = tuple(one.step for one in (train, predict, refine))
        plan.cells.append(Cell(train.stack, number % CELLS_OF_STACK, train.config, steps))
        if number % CELLS_OF_STACK == 0:
            plan.profiles[train.stack] = add('profile', number, (train,)).key
    return plan, took


def store_all(plan: Plan, store: Store) -> None:
    """Store a small result of each stage, as a stage's process does."""
    for key, stage in plan.stages.items():
        with store.writing(key) as folder:
            (folder / 'facts.csv').write_text('image,class,tp,fp,fn\nimg0,1,10,2,3\n')
            store.commit(
                stage.kind,
                key,
                folder,
                status='ok',
                reason=None,
                facts=dict(FACTS, seconds=1.0),
                ingredients=stage.ingredients,
                label=stage.label,
            )


def resume(plan: Plan, store: Store) -> None:
    """Find what is stored, and what could run next.

    Raises:
        RuntimeError: A result is missing.
    """
    found, _ = look_up(store, plan)
    state = State(plan, found)
    if state.open() or len(found) != len(plan.stages):
        raise RuntimeError('a stored result was not found again')


def estimate(plan: Plan, store: Store) -> None:
    """Estimate how long all stages take together.

    Raises:
        RuntimeError: Nothing is known of some of them.
    """
    _, unknown = TimeLeft(plan, store, JOBS).planned_s(plan.stages)
    if unknown:
        raise RuntimeError(f'nothing tells how long these take: {unknown}')


def scheduled(cells: int) -> dict[str, float]:
    """The processor seconds of scheduling, and the peak of memory of this process in MiB before and after it."""
    plan, took = plan_of(cells)
    facts = dict(stages=len(plan.stages), plan_mib=_peak_mib())
    return facts | _measured(schedule=partial(makespan, plan, took, JOBS, lambda keys: took))


def stored(cells: int) -> dict[str, float]:
    """The processor seconds of the other steps, and the peak of memory of this process in MiB after each."""
    plan, _ = plan_of(cells)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        return _measured(
            store=partial(store_all, plan, store),
            resume=partial(resume, plan, store),
            estimate=partial(estimate, plan, store),
        )


def reported(cells: int) -> dict[str, float]:
    """The processor seconds of a report, and the peak of memory of this process in MiB after it."""
    with tempfile.TemporaryDirectory() as folder:
        write_records(Path(folder), cells // CELLS_OF_STACK, CELLS_OF_STACK)
        return _measured(report=partial(make_report, Path(folder)))


def _measured(**steps: Callable[[], object]) -> dict[str, float]:
    facts = {}
    for name, step in steps.items():
        start = time.process_time()
        step()
        facts[name] = time.process_time() - start
        facts[f'{name}_mib'] = _peak_mib()
    return facts


def main(sizes: Sequence[int]) -> None:
    """Measure each size, and report how each step grows."""
    facts: dict[int, dict[str, float]] = {}
    for cells in sizes:
        for part in (scheduled, stored, reported):
            with ChildProcess(partial(part, cells)) as child:
                facts[cells] = facts.get(cells, {}) | child.result()
    first, last = min(sizes), max(sizes)
    lines = [line for cells in sorted(sizes)[1:] for line in _lines(cells, facts[cells], first, facts[first])]
    exponents = {step: math.log(facts[last][step] / facts[first][step]) / math.log(last / first) for step in STEPS}
    report('scale', lines, sizes={str(cells): facts[cells] for cells in sizes}, exponents=exponents)
    for step, exponent in exponents.items():
        print(f'  {step}: {1000 * facts[last][step] / last:.3g} ms per cell at {last} cells, exponent {exponent:.2f}')
    for what in ('plan', 'schedule', 'resume', 'estimate', 'report'):
        grown = (facts[last][f'{what}_mib'] - facts[first][f'{what}_mib']) * 1024 / (last - first)
        print(f'  memory, {what}: {grown:.1f} KiB per cell')


def _lines(cells: int, facts: dict[str, float], first: int, least: dict[str, float]) -> list[Ratio]:
    times = cells / first
    note = (
        f'{cells:,} cells have {facts["stages"]:,.0f} stages: scheduling takes {facts["schedule_mib"]:.0f} MiB, '
        f'resuming {facts["resume_mib"]:.0f} MiB, a report {facts["report_mib"]:.0f} MiB'
    )
    return [
        summarised(
            f'{cells:,} cells', f'{times:g} × {first:,} cells', step, [times * least[step]], [facts[step]], note=note
        )
        for step in STEPS
    ]


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == '__main__':
    main([int(cells) for cells in sys.argv[1:]] or SIZES)
