"""Tries one batch of each distinct training of a plan, and a few images of each distinct inference; remembers both."""

import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.data.file_facts import FileStore
from benchmarks.data.split import Split
from benchmarks.errors import BadInput, some_of
from benchmarks.files import digest, write_json
from benchmarks.plan.plan import Cell, Plan, Stage
from benchmarks.preflight.attempt import Attempt, Fault
from benchmarks.preflight.image_choice import for_a_batch, for_a_test
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
TRIALS_VERSION = 1  # raise it when a trial shows more than before: earlier ones are forgotten
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
        if cell.seed != plan.cells[0].seed:
            continue
        for training, config, identity in _distinct(cell, [plan.stages[key] for _, key in cell.steps]):
            memory = cache / 'tried' / digest([TRIALS_VERSION, identity, library_versions()])[:40]
            trial = trials.setdefault(memory, Trial(training, cell.stack, config, memory))
            trial.stacks.append(stack_name(cell.stack))
    return [trial for trial in trials.values() if not trial.memory.exists()]


def _distinct(cell: Cell, stages: list[Stage]) -> Iterator[tuple[bool, dict, object]]:
    """Whether it is a training, its config, and what sets it apart. The labels of a student do not exist yet."""
    for stage in stages:
        if stage.kind == 'train' and not any(kind == 'label' for kind, _ in stage.parents):
            yield True, stage.config, _own_ingredients(stage)
    inference = [_own_ingredients(stage) for stage in stages if stage.kind in ('predict', 'refine')]
    yield False, cell.config, [cell.config['model'], cell.config.get(ENSEMBLE), inference]


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
    advance: Callable[[int, int], object] = lambda done, total: None,
) -> None:
    """Try what has not been tried in processes of their own, and remember what worked.

    A trial that takes longer than the limit shows nothing, and neither does one whose process the system ends for want
    of memory: a network may be slow or large, and the grid runs.

    Args:
        trials: What to try.
        stacks: The stacks with their techniques.
        baseline: The baseline.
        data: The data sets.
        cache: The folder of what is remembered.
        launcher: Starts the processes.
        advance: Called with the number of finished trials and of all trials.

    Raises:
        BadInput: Names each culprit and its cure, and the stacks that it stops.
    """
    prepare = partial(_ready_to_try, stacks.techniques, baseline.with_protocol)
    faults: dict[str, list[str]] = {}
    with FileStore(cache) as files:
        tried = [_Tried(trial, data, files) for trial in trials]
    attempts = [each.attempt(stacks.techniques) for each in tried]
    advance(0, len(trials))
    at_once = min(usable_cores(), MOST_AT_ONCE)
    for done, (number, answer) in enumerate(launcher.watched(prepare, attempts, LIMIT_S, at_once), 1):
        advance(done, len(trials))
        fault = tried[number].fault(answer)
        if answer is None:
            write_json(trials[number].memory, trials[number].stacks)
        elif fault is not None:
            faults.setdefault(fault, []).extend(trials[number].stacks)
    if faults:
        raise BadInput(*[f'{_stacks(names)}: {fault}' for fault, names in faults.items()])


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
        self.sizes = _sizes(self.split, files)
        self.images = for_a_batch(self.sizes) if trial.training else for_a_test(self.sizes)

    def attempt(self, techniques: Mapping[str, Technique]) -> Attempt:
        """The trial as it is sent to another process."""
        return Attempt(
            training=self.trial.training,
            config=self.trial.config,
            techniques=[techniques[name] for name in self.trial.stack],
            images=self.images,
            num_classes=len(self.split.classes),
            ignore_index=self.split.ignore_index,
        )

    def fault(self, answer: Fault | Late | Died | None) -> str | None:
        """The fault in words; None if none is shown."""
        if isinstance(answer, Died) and answer.exitcode != -signal.SIGKILL:
            return f'{self._place(None)}: the process ended with {_how(answer.exitcode)}'
        return f'{self._place(answer.image)}: {answer.text}' if isinstance(answer, Fault) else None

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


def _ready_to_try(techniques: Mapping[str, Technique], base: dict) -> Callable[[Attempt], Fault | None]:
    from benchmarks.preflight.tried import ready_to_try  # it imports torch, which this process does without

    return ready_to_try(techniques, base)


def _how(exitcode: int | None) -> str:
    return f'signal {-exitcode}' if exitcode is not None and exitcode < 0 else f'exit status {exitcode}'


def _sizes(split: Split, files: FileStore) -> list[tuple[int, int] | None]:
    return [
        (facts.height, facts.width) if facts and facts.height and facts.width else None
        for facts in files.images(split.images)
    ]
