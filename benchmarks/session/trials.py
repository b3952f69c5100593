"""Tries one batch of each distinct training of a plan, and a few images of each distinct inference; remembers both."""

import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.data.file_facts import FileStore
from benchmarks.errors import BadInput, some_of
from benchmarks.files import digest, write_json
from benchmarks.plan.plan import Cell, Plan, Stage
from benchmarks.preflight.attempt import Attempt, Fault, Unshown
from benchmarks.preflight.image_choice import for_a_batch, for_a_test
from benchmarks.preflight.ready import ready_to
from benchmarks.record import stack_name
from benchmarks.run.launcher import LocalLauncher
from benchmarks.run.watched import Died, Late
from benchmarks.session.baseline import Baseline
from benchmarks.session.data import Data
from benchmarks.session.environment import library_versions, usable_cores
from benchmarks.session.stacks import Stacks
from benchmarks.stacks.several_networks import ENSEMBLE
from benchmarks.stacks.technique import Stack, Technique

LIMIT_S = 30.0  # a trial that takes longer shows nothing
MOST_AT_ONCE = 4  # each holds a network and its gradients
TRIALS_VERSION = 2  # raise it when a trial shows more than before: earlier ones are forgotten
STACKS_NAMED = 3
SEEDS_DIFFER = 'config randomness'


@dataclass
class Trial:
    """One thing to try.

    Args:
        training: Whether it is a training; otherwise it is an inference.
        stack: The first stack that needs it.
        config: The resolved config.
        memory: The file that says that it has been tried.
        stacks: The names of the stacks that need it.
    """

    training: bool
    stack: Stack
    config: dict = field(repr=False)
    memory: Path
    stacks: list[str] = field(default_factory=list)


def untried(plan: Plan, cache: Path) -> list[Trial]:
    """The distinct trainings and inferences of a plan that have not been tried; those of all seeds are one."""
    trials: dict[Path, Trial] = {}
    for cell in plan.cells:
        if (cell.seed, cell.fold) != (plan.cells[0].seed, plan.cells[0].fold):
            continue
        for training, config, identity in _distinct(cell, [plan.stages[key] for _, key in cell.steps]):
            memory = cache / 'tried' / digest([TRIALS_VERSION, identity, library_versions()])[:40]
            trial = trials.setdefault(memory, Trial(training, cell.stack, config, memory))
            trial.stacks.append(stack_name(cell.stack))
    return [trial for trial in trials.values() if not trial.memory.exists()]


def _distinct(cell: Cell, stages: list[Stage]) -> Iterator[tuple[bool, dict, object]]:
    """Whether it is a training, its config, and what sets it apart. The labels of a student do not exist yet."""
    code: dict[str, str] = {}
    for stage in stages:
        if stage.kind == 'train':
            code |= {name: text for name, text in stage.ingredients.items() if name.startswith('code ')}
            if not any(kind == 'label' for kind, _ in stage.parents):
                yield True, stage.config, _own_ingredients(stage)
    inference = [_own_ingredients(stage) for stage in stages if stage.kind in ('predict', 'refine')]
    # The network's code, and that of hooks of the training which act in a test, too, is in the training's key alone.
    parts = [cell.config[part] for part in ('model', 'custom_hooks') if part in cell.config]
    yield False, cell.config, [parts, cell.config.get(ENSEMBLE), code, inference]


def _own_ingredients(stage: Stage) -> dict[str, str]:
    own = {name: text for name, text in stage.ingredients.items() if not name.startswith('parent')}
    return {name: text for name, text in own.items() if name != SEEDS_DIFFER}


def try_all(
    trials: list[Trial],
    stacks: Stacks,
    baseline: Baseline,
    data: Data,
    cache: Path,
    launcher: LocalLauncher,
    *,
    device: str,
    advance: Callable[[int, int], object] = lambda done, total: None,
) -> list[str]:
    """Try what has not been tried in processes of their own, and remember it.

    A trial that takes longer than the limit shows nothing, and neither does one that lacks memory: a network may be
    slow or large, and the grid runs. Such a trial is remembered, too, because it would show nothing again.

    Args:
        trials: What to try.
        stacks: The stacks with their techniques.
        baseline: The baseline.
        data: The data sets.
        cache: The folder of what is remembered.
        launcher: Starts the processes.
        device: ``cpu`` or ``cuda``; trials on a GPU run one at a time, because they would share its memory.
        advance: Called with the number of finished trials and of all trials.

    Returns:
        A note on the trials that showed nothing, if there are any.

    Raises:
        BadInput: Names each culprit and its cure, and the stacks that it stops.
    """
    prepare = partial(_ready_to_try, stacks.techniques, baseline.with_protocol)
    faults: dict[str, tuple[str, list[str]]] = {}
    unshown: dict[str, list[str]] = {}
    with FileStore(cache) as files:
        tried = [_Tried(trial, data, files) for trial in trials]
    advance(0, len(trials))
    with tempfile.TemporaryDirectory(prefix='trials_') as folder:  # which ended processes do not clear themselves
        attempts = [each.attempt(stacks.techniques, folder) for each in tried]
        at_once = 1 if device.startswith('cuda') else min(usable_cores(), MOST_AT_ONCE)
        for done, (number, answer) in enumerate(launcher.watched(prepare, attempts, LIMIT_S, at_once), 1):
            advance(done, len(trials))
            trial, fault = trials[number], tried[number].fault(answer)
            if fault is not None:
                place, text = fault
                faults.setdefault(text, (place, []))[1].extend(trial.stacks)
                continue
            write_json(trial.memory, trial.stacks)
            if answer is not None:
                unshown.setdefault(_reason(answer), []).extend(trial.stacks)
    if faults:
        raise BadInput(*[f'{_stacks(names)}: {place}: {text}' for text, (place, names) in faults.items()])
    return [
        f'a trial before the run {reason} and shows nothing ({_stacks(names)}): a fault would show in the run'
        for reason, names in unshown.items()
    ]


def _reason(answer: Late | Died | Unshown) -> str:
    if isinstance(answer, Late):
        return f'took longer than {LIMIT_S:g} s'
    return answer.reason if isinstance(answer, Unshown) else 'had too little memory'


def _stacks(names: list[str]) -> str:
    names = list(dict.fromkeys(names))
    return f'the stack{"s" * (len(names) > 1)} {some_of([repr(name) for name in names], STACKS_NAMED)}'


class _Tried:
    """A trial with the images that it takes.

    Args:
        trial: The trial.
        data: The data sets.
        files: Facts of files.
    """

    def __init__(self, trial: Trial, data: Data, files: FileStore) -> None:
        self.trial = trial
        loader = 'train_dataloader' if trial.training else 'test_dataloader'
        self.split = data.of(trial.config[loader]['dataset']).split
        facts = files.images(self.split.images)
        self.sizes = [(each.height, each.width) if each and each.height and each.width else None for each in facts]
        choose = for_a_batch if trial.training else for_a_test
        self.images = choose(self.sizes, [(each.channels, each.bits) if each else None for each in facts])

    def attempt(self, techniques: Mapping[str, Technique], folder: str) -> Attempt:
        """The trial as it is sent to another process, which writes into ``folder``."""
        return Attempt(
            training=self.trial.training,
            config=self.trial.config,
            techniques=[techniques[name] for name in self.trial.stack],
            images=self.images,
            num_classes=len(self.split.classes),
            ignore_index=self.split.ignore_index,
            folder=folder,
        )

    def fault(self, answer: Fault | Unshown | Late | Died | None) -> tuple[str, str] | None:
        """Where the trial failed, and why; None if no fault is shown."""
        if isinstance(answer, Died) and answer.exitcode != -signal.SIGKILL:  # by which systems end what is too large
            return self._place(None), f'the process ended with {_how(answer.exitcode)}'
        return (self._place(answer.image), answer.text) if isinstance(answer, Fault) else None

    def _place(self, image: int | None) -> str:
        if image is not None:
            return f'the test image {self._named(image)} cannot be predicted'
        names = ', '.join(self._named(index) for index, _ in self.images)
        if self.trial.training:
            return f'one batch of training images (such as {names}) cannot be trained on'
        return f'the test cannot begin (images such as {names})'

    def _named(self, index: int) -> str:
        size = self.sizes[index]
        return self.split.images[index] + (f' of {size[0]}×{size[1]} pixels' if size else '')


def _ready_to_try(techniques: Mapping[str, Technique], base: dict) -> Callable[[Attempt], Fault | Unshown | None]:
    from benchmarks.preflight.tried import fault_of  # it imports torch, which this process does without

    return ready_to(fault_of, techniques, base)


def _how(exitcode: int | None) -> str:
    return f'signal {-exitcode}' if exitcode is not None and exitcode < 0 else f'exit status {exitcode}'
