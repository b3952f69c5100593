"""Spends seeds where a primary comparison is open: plan, run, analyse, plan the next look, in one invocation.

A look is judged by the records that it would write, with the code that makes the report, so a report made again from
the records has the same verdicts. A rerun begins with the first look, finds all of its stages in the store, and comes
to the same verdicts and looks.
"""

import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from benchmarks.analysis.control import BY_CONTROL
from benchmarks.analysis.families import PRIMARY
from benchmarks.analysis.metrics import METRIC_OF, metric_asked
from benchmarks.errors import BadInput, some_of
from benchmarks.plan.looks import GridLooks, followed, seeds_at
from benchmarks.plan.question import question_of
from benchmarks.run.driver import Driver
from benchmarks.run.state import State
from benchmarks.session.budget import Budget
from benchmarks.session.devices import refuse_unusable_gpu
from benchmarks.session.disk import refuse_too_large_plan
from benchmarks.session.doing import doing, duration
from benchmarks.session.execution import conclude, drive, fits_on_the_disk, interim_reports
from benchmarks.session.experiment import Experiment, Request, plan_stages
from benchmarks.session.grid_record import grid_content
from benchmarks.session.look import Look, Ways
from benchmarks.session.outputs import write_outputs
from benchmarks.session.owner import source_of
from benchmarks.store.store import Store

NAMED = 3  # pairs that are open


def grid_looks(request: Request, most: int) -> GridLooks:
    """The looks of a grid, none of which has been taken.

    Args:
        request: The grid with its composed configs, and the seeds of the first look.
        most: The most seeds of a row.

    Raises:
        BadInput: The grid has no primary comparison.
    """
    from benchmarks.analysis.spending import nominal_levels  # here, because it imports scipy

    layout, planned = request.stacks.layout, tuple(range(len(request.seeds), most + 1))
    primary = {frozenset(pair) for pair in question_of(request.grid, layout)['primary']}
    names = followed(layout.comparisons, primary)
    return GridLooks(planned, names, tuple(round(level, 6) for level in nominal_levels(0.05, planned)))


def announced_looks(experiment: Experiment, store: Store, *, dry_run: bool) -> list[str]:
    """What is said of the looks before the first one; nothing without looks.

    Args:
        experiment: The checked grid, planned for the first look.
        store: The store.
        dry_run: Whether to plan for the last look, too, and say how many trainings that has.
    """
    looks, request = experiment.looks, experiment.request
    if looks is None:
        return []
    numbers, levels = ', '.join(map(str, looks.planned)), ', '.join(f'{level:.4f}' for level in looks.levels)
    lines = [
        f'looks: at {numbers} seeds, with the nominal levels {levels} for p of a single pair',
        'rows whose primary comparisons are open get the next seed, and no others; exploratory pairs are judged by the '
        'seeds that their rows share; costs are measured at the first look',
    ]
    if dry_run:
        most = plan_stages(
            request, experiment.data, store, seeds_at(experiment.plan.seeds_of, looks.followed, looks.planned[-1])
        )
        lines.append(
            f'trainings: {experiment.plan.count("train")} if the first look decides all, {most.count("train")} if the '
            f'last one is needed for all'
        )
    return lines


class LookAfterLook:
    """Runs look after look, until all primary comparisons are settled, or the looks or the budget are at an end.

    Args:
        ways: How the plans run.
        out: The output folder.
        command: The command line.
        budget: What may be spent.
        started: When the invocation began (monotonic clock).
    """

    def __init__(self, ways: Ways, out: Path, command: str, budget: Budget, started: float) -> None:
        self.ways, self.out, self.command, self.budget, self.started = ways, out, command, budget, started

    def run(self, look: Look, driver: Driver) -> bool:
        """Run the first look and all further ones, and make the report.

        Args:
            look: The first look.
            driver: Runs its plan.

        Returns:
            Whether every cell is ok, and its records could be written.
        """
        ran = 0
        with ExitStack() as held:
            while True:
                state = drive(driver, look.experiment, self.out, self.command, look.time_left)
                ran += len(state.results) - len(state.cached)
                if look.reasons and not self._keep(look.experiment, state):
                    return False
                with interim_reports(
                    look.experiment, self.ways.store, self.out, self.command, look_is_over=True
                ) as interim:
                    interim.know(state)
                    rows = self._judge(look.experiment, state)
                    further, why = self._further(look.experiment, rows, state)
                    if further is None:
                        break
                    look, driver = further, self._begin(further, held)
            before = len(state.results) - ran
            ok = conclude(
                look.experiment,
                state,
                self.ways.store,
                self.out,
                self.command,
                self.started,
                before,
                call=self.ways.place.local.call,
            )
        for line in what_stays(rows, why):
            print(line)
        return ok

    def _keep(self, experiment: Experiment, state: State) -> bool:
        """Write the records of a look, so that they are there if the next one is interrupted."""
        grid = grid_content(experiment, self.command, self.out)
        return fits_on_the_disk(self.out, lambda: write_outputs(experiment.plan, state.results, grid, self.out))

    def _judge(self, experiment: Experiment, state: State) -> list[dict]:
        """The verdicts by the metric of the question on the records that a look would write."""
        from benchmarks.reports.results import read_results  # here, because it imports pandas
        from benchmarks.reports.table import judged

        grid = grid_content(experiment, self.command, self.out)
        with doing('judging the comparisons'), tempfile.TemporaryDirectory(prefix='look_') as folder:
            write_outputs(experiment.plan, state.results, grid, Path(folder))
            results = read_results(Path(folder))
            return judged(results, (metric_asked(results.grid).name,))

    def _further(self, experiment: Experiment, rows: Sequence[Mapping], state: State) -> tuple[Look | None, str]:
        """The next look; or None, and why there is none."""
        from benchmarks.analysis.looks import pairs_to_follow  # here, because it imports scipy

        looks = experiment.looks
        assert looks is not None
        pairs = pairs_to_follow(rows)
        if not pairs:
            return None, 'more seeds would not settle them'
        if looks.next is None:
            return None, f'{looks.planned[-1]} seeds were the most'
        seeds = seeds_at(experiment.plan.seeds_of, {name for pair in pairs for name in pair}, looks.next)
        plan = plan_stages(experiment.request, experiment.data, self.ways.store, seeds)
        planned = replace(experiment, plan=plan, looks=looks.take(plan.seeds_of))
        look = self.ways.look(planned, known=state.results)
        seconds, _ = look.time_left.planned_s(look.reasons)
        elapsed = time.monotonic() - self.started
        why = self.budget.exceeded_by(elapsed, seconds, len(plan.cells), free=not look.reasons)
        why = why or self._too_large(look)
        if why:
            return None, f'the look at {looks.next} seeds was not begun: {why}'
        print(_announced(looks.next, pairs, look, seconds))
        return look, ''

    def _too_large(self, look: Look) -> str:
        """Why the disk cannot hold a look; empty if it can."""
        work_dir = look.experiment.request.settings.work_dir
        try:
            refuse_too_large_plan(look.experiment, look.reasons, work_dir, self.ways.max_maps, self.ways.jobs)
        except BadInput as error:
            return str(error)
        return ''

    def _begin(self, look: Look, held: ExitStack) -> Driver:
        """Tell the store of a further look, and say what runs it."""
        experiment, store = look.experiment, self.ways.store
        if self.ways.device == 'cuda' and look.reasons:
            refuse_unusable_gpu(self.ways.launcher, store)
        own_file = held.enter_context(store.drivers.using(experiment.plan.stages))
        store.outputs.add(self.out, experiment.plan.stages, source_of(experiment.request.grid, self.out))
        return self.ways.driver(look, self.ways.budget(look, own_file))


def _announced(number: int, pairs: Sequence[tuple[str, str]], look: Look, seconds: float) -> str:
    """What is said of a further look before it runs."""
    named = some_of([f'{stack} against {reference}' for stack, reference in pairs], NAMED)
    trainings = sum(look.experiment.plan.stages[key].kind == 'train' for key in look.reasons)
    cost = f'{trainings} trainings, about {duration(seconds)}' if look.reasons else 'all of it is in the store'
    return f'look at {number} seeds: {len(pairs)} open ({named}); {cost}'


def what_stays(rows: Sequence[Mapping], why: str) -> list[str]:
    """What a run until decided has settled, and what stays open, with what would decide it.

    Args:
        rows: The verdicts by the metric of the question.
        why: Why there is no further look.
    """
    asked = {frozenset((row['stack'], row['reference'])): row for row in rows if row['family'] == PRIMARY}
    left = [row for row in asked.values() if row['verdict'] == 'undecided']
    if not left:
        return [f'settled: all {len(asked)} primary comparisons']
    lines = [f'settled: {len(asked) - len(left)} of {len(asked)} primary comparisons; {why}']
    return lines + [f'  open: {_open(row)}{_cure(row)}' for row in left]


def _open(row: Mapping) -> str:
    """What a comparison that is open shows."""
    delta = f'{row["delta"]:+.1f} {METRIC_OF[row["metric"]].short_unit} [{row["low"]:+.1f}, {row["high"]:+.1f}]'
    return f'{row["stack"]} against {row["reference"]} after {row["n_seeds"]} seeds, {delta}'


def _cure(row: Mapping) -> str:
    """What would decide a comparison, or nothing; see :func:`benchmarks.reports.forecast.what_would_decide`."""
    from benchmarks.reports.forecast import what_would_decide  # here, because it imports scipy

    if row['limited_by'] == BY_CONTROL:
        return '; the positive control does not show, so it is not called equivalent'
    cure = what_would_decide(row)
    return f'; {cure}' if cure else ''
