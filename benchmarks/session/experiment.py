"""From flags and files to a checked plan: every mistake in the input is found here, before anything runs.

The values follow from each other in this order: rows → baseline → stacks → data, sizes → plan.
"""

import gc
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.data.fingerprint import names_digest
from benchmarks.errors import BadInput, Mistakes, some_of
from benchmarks.plan.grid import Grid
from benchmarks.plan.looks import GridLooks
from benchmarks.plan.making import KeyContext
from benchmarks.plan.plan import Plan
from benchmarks.plan.planner import make_plan
from benchmarks.preflight.conditions import refuse_other_conditions
from benchmarks.record import stack_name
from benchmarks.run.child_process import ChildProcess
from benchmarks.run.launcher import LocalLauncher
from benchmarks.session.baseline import Baseline, read_baseline
from benchmarks.session.carving import with_carved_validation
from benchmarks.session.data import Data, list_data, listings_are_remembered
from benchmarks.session.doing import doing
from benchmarks.session.environment import environment, gpus, hardware, library_versions
from benchmarks.session.fold_data import list_folds
from benchmarks.session.folds import Fold, with_folds
from benchmarks.session.legality import (
    Sizes,
    check_stacks,
    check_students,
    check_test_samples,
    remember_sizes,
    remembered_sizes,
)
from benchmarks.session.lints import find_lints
from benchmarks.session.own_control import OwnControl, control_notes, refuse_technique_of_its_name, with_own_control
from benchmarks.session.schedules import schedule_warnings
from benchmarks.session.settings import Settings, seeds_of
from benchmarks.session.stacks import Stacks, compose_stacks, read_rows, refuse_misfits
from benchmarks.session.trials import try_all, untried
from benchmarks.session.validation import tuning_note
from benchmarks.stacks.own_modules import make_importable
from benchmarks.stacks.technique import Stack
from benchmarks.stages.parents import LABELS
from benchmarks.store.store import Store

UNTRIED = 'no training and no inference was tried before the run, because this machine has no GPU'


@dataclass(frozen=True)
class Request:
    """A grid with its composed configs, before its data are looked at.

    Args:
        grid: What to run.
        settings: How to run it.
        seeds: The seeds of each stack.
        environment: Software, hardware and checkout.
        baseline: The baseline.
        stacks: The stacks with their configs. In a grid with folds, baseline and stacks are those of the first fold.
        folds: The folds; empty for none.
        control: The positive control that the grid got by itself.
    """

    grid: Grid
    settings: Settings
    seeds: list[int]
    environment: dict = field(repr=False)
    baseline: Baseline
    stacks: Stacks
    folds: tuple[Fold, ...] = ()
    control: OwnControl = OwnControl()


@dataclass(frozen=True)
class Experiment:
    """A request that has been checked and planned.

    Args:
        request: The grid with its composed configs.
        data: Its data sets.
        sizes: How large its networks are.
        plan: Its stages.
        schedule_warnings: What in its trainings is scheduled for another length.
        trial_notes: Which trials before the run showed nothing; empty if they were made for an earlier run.
        lints: What may make its results mean something else than its rows say.
        looks: Its looks, where seeds are spent until its question is decided; None for a fixed number of seeds.
    """

    request: Request
    data: Data
    sizes: Sizes
    plan: Plan
    schedule_warnings: list[str] = field(default_factory=list)
    trial_notes: list[str] = field(default_factory=list)
    lints: list[str] = field(default_factory=list)
    looks: GridLooks | None = None

    @property
    def notes(self) -> list[str]:
        """What the user should know of the baseline, its data and the code that it imports."""
        request = self.request
        return [
            *request.baseline.notes,
            *self.data.notes,
            *request.stacks.code.notes,
            *self.sizes.notes,
            *self._notes_on_rows(),
        ]

    def _notes_on_rows(self) -> list[str]:
        """Rows with more seeds, effects that a fraction does not tell apart, and the positive control."""
        layout, seeds = self.request.stacks.layout, self.request.seeds
        stacks_with: dict[int, list[str]] = {}
        for stack, numbers in self.plan.seeds_of.items():
            stacks_with.setdefault(len(numbers), []).append(stack_name(stack))
        notes = [
            f'{most} seeds instead of {len(seeds)}: {some_of(stacks_with[most], 10)}'
            for most in sorted(stacks_with, reverse=True)
            if most > len(seeds)
        ]
        if layout.tuned_of:
            notes.append(tuning_note(self.request.stacks, self.data, self.plan))
        notes += [str(fraction) for fraction in layout.fractions]
        return [*notes, *control_notes(self.request.control, layout, self.plan)]


def read_request(grid: Grid, settings: Settings) -> Request:
    """Compose the configs of all stacks of a grid; imports neither torch nor mmseg, but where folds (or the
    carving of validation images) list data anew.

    Raises:
        BadInput: The grid, a technique, the baseline or an option cannot be used.
    """
    seeds = seeds_of(grid, settings)
    facts = environment()  # now, because the files that a run writes may make the checkout dirty
    make_importable(grid.module_folders)
    mistakes = Mistakes()
    with mistakes.noted():
        rows = read_rows(grid, settings)
    with mistakes.noted():
        baseline = read_baseline(grid, settings)
        if mistakes.all:
            refuse_misfits(grid, baseline, settings)
    mistakes.refuse()
    folds: tuple[Fold, ...] = ()
    if grid.folds is not None:
        baseline, folds = with_folds(grid.folds, baseline, settings)
    if grid.validation_share is not None:
        baseline = with_carved_validation(grid.validation_share, baseline, settings)
    rows, control = with_own_control(rows, grid, baseline)
    refuse_technique_of_its_name(rows.layout, [settings.configs / 'techniques', *map(Path, grid.technique_folders)])
    return Request(grid, settings, seeds, facts, baseline, compose_stacks(rows, baseline, settings), folds, control)


def make_experiment(request: Request, store: Store, launcher: LocalLauncher) -> Experiment:
    """Check a request, list its data and plan it.

    The check is remembered while nothing changes on which it depends. Otherwise it takes seconds, and the plan is made
    beside it. A mistake that the check finds is reported before one that the plan finds.

    Args:
        request: The grid with its composed configs.
        store: The store of the work dir.
        launcher: Starts the processes of trials and stages; it imports while the check runs.

    Raises:
        BadInput: Names the culprit and the cure.
    """
    baseline, stacks, settings = request.baseline, request.stacks, request.settings
    sizes = remembered_sizes(stacks, baseline, settings)
    if sizes is not None:
        data = _read_data(request)
        warnings = _check_schedules(request, data)
        plan = _planned(request, data, store)
        return _with_lints(_tried(Experiment(request, data, sizes, plan, warnings), launcher), launcher)
    early = None
    if _checks_here():
        launcher.warm_up()
        sizes, data, warnings = _check(request)
    else:
        # mmengine collects garbage for each data set that it builds; the child need not walk all imported objects.
        with ChildProcess(lambda: _check(request, imported=gc.freeze)) as child:
            launcher.warm_up()
            early = _plan_early(request, store)
            sizes, data, warnings = child.result()
    remember_sizes(sizes, stacks, baseline, settings)
    plan = early or _planned(request, data, store)
    return _with_lints(_tried(Experiment(request, data, sizes, plan, warnings), launcher), launcher)


def _tried(experiment: Experiment, launcher: LocalLauncher) -> Experiment:
    """The same experiment, once a step of each of its trainings and inferences has worked.

    Raises:
        BadInput: A trial fails. A schedule that does not fit may be the cause, so it is told beside the failure.
    """
    request, settings = experiment.request, experiment.request.settings
    trials = untried(experiment.plan, settings.cache)
    if not trials:
        return experiment
    if settings.nodes is not None and settings.device == 'cuda' and not gpus():
        return replace(experiment, trial_notes=[UNTRIED])
    try:
        with doing('trying one batch of each training and a few test images', 'trials') as what:
            notes = try_all(
                trials,
                request.stacks,
                request.baseline,
                experiment.data,
                settings.cache,
                launcher,
                device=settings.device,
                advance=what.advance,
            )
    except BadInput as error:
        raise BadInput(*error.args, *experiment.schedule_warnings) from error
    return replace(experiment, trial_notes=notes)


def _with_lints(experiment: Experiment, launcher: LocalLauncher) -> Experiment:
    """The same experiment with its lints."""
    request = experiment.request
    parts = (request.stacks, request.baseline, experiment.sizes, experiment.data)
    return replace(experiment, lints=find_lints(*parts, request.settings, launcher))


def _checks_here() -> bool:
    """Whether the check runs in this process. Otherwise a child imports torch and mmseg, and this one stays small.

    Once torch is imported here, a child saves nothing, and a fork does not copy threads that torch may have started. On
    macOS, system libraries that torch uses do not survive a fork.
    """
    return 'torch' in sys.modules or sys.platform == 'darwin'


def _check(request: Request, imported: Callable[[], object] | None = None) -> tuple[Sizes, Data, list[str]]:
    """Check every stack, then the data, the schedules and the first test images. Imports torch and mmseg."""
    baseline, stacks = request.baseline, request.stacks
    with doing('importing torch and mmseg', 'techniques and stacks') as what:
        sizes = check_stacks(stacks, baseline, what, imported)
    data = _read_data(request)
    warnings = _check_schedules(request, data)
    with doing('loading the first test images'):
        check_test_samples(stacks)
        check_students(stacks, baseline)
    return sizes, data, warnings


def _read_data(request: Request) -> Data:
    with doing('reading the data', 'files') as what:
        if request.folds:
            return list_folds(request.folds, request.stacks, request.baseline, request.settings.cache, what.advance)
        return list_data(request.stacks, request.baseline, request.settings.cache, what.advance)


def _check_schedules(request: Request, data: Data) -> list[str]:
    with doing('checking the schedules'):
        return schedule_warnings(request.stacks, request.baseline, data, request.settings.cache)


def _planned(request: Request, data: Data, store: Store) -> Plan:
    with doing('planning the stages'):
        return plan_stages(request, data, store)


def _plan_early(request: Request, store: Store) -> Plan | None:
    """The plan, if it can be made without torch; None if not, or if planning fails.

    A failure is not lost: the plan is made again after the check, whose findings are reported first.
    """
    with suppress(Exception):
        baseline, stacks, cache = request.baseline, request.stacks, request.settings.cache
        if not request.folds and listings_are_remembered(stacks, baseline, cache):
            return plan_stages(request, list_data(stacks, baseline, cache), store)
    return None


def plan_stages(
    request: Request, data: Data, store: Store, seeds_of: Mapping[Stack, Sequence[int]] | None = None
) -> Plan:
    """The plan of a request.

    Args:
        request: The grid with its composed configs.
        data: Its data sets.
        store: The store of the work dir.
        seeds_of: The seeds of each stack; None for those that the request asks for.

    Raises:
        BadInput: A condition changes more than the test images, or two compared stacks are the same work.
    """
    settings, stacks = request.settings, request.stacks
    layout = stacks.layout
    refuse_other_conditions(stacks.paired, layout.clean_stack_of, stacks.code.acts_in_test_only)
    context = KeyContext(
        baseline=request.baseline.with_protocol,
        code=stacks.code,
        fingerprint=lambda dataset: data.of(dataset).fingerprint,
        names=lambda dataset: names_digest(data.of(dataset).split),
        versions=library_versions(),
        device_type=settings.device.partition(':')[0],
        hardware=settings.nodes or hardware(settings.device, request.environment),
        # Like `data_root`, relative to the folder in which the grid runs.
        label_dir=lambda key: str(store.folder('label', key) / LABELS),
    )
    plan = make_plan(
        stacks.paired,
        layout.comparisons,
        request.seeds,
        context,
        layout.clean_stack_of,
        layout.design_count,
        layout.again_of,
        request.grid.baseline_seeds,
        seeds_of,
        [fold.stacks(stacks).paired for fold in request.folds[1:]],
        uncounted=request.control.added,  # a row that a grid got by itself costs its own trainings alone
    )
    _refuse_same_work(plan)
    return plan


def _refuse_same_work(plan: Plan) -> None:
    """Refuse a stack with the same stages as its reference: its technique changes nothing that a stage reads."""
    steps: dict = {}
    for cell in plan.cells:
        steps.setdefault(cell.stack, cell.steps)
    for comparison in plan.comparisons:
        if steps[comparison.stack] == steps[comparison.reference]:
            raise BadInput(
                f"the stacks '{stack_name(comparison.stack)}' and '{stack_name(comparison.reference)}' are the "
                f'same work: what sets them apart is read by no stage (logging, paths, validation); '
                f'remove the technique from the design'
            )
