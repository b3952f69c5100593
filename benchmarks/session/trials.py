"""Tries one batch of each distinct training of a plan, and a few images of each distinct inference; remembers both."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.data.file_facts import FileStore
from benchmarks.data.split import Split
from benchmarks.errors import BadInput, some_of
from benchmarks.files import digest, write_json
from benchmarks.plan.plan import Plan, Stage
from benchmarks.record import stack_name
from benchmarks.session.data import Data
from benchmarks.session.environment import library_versions
from benchmarks.session.stacks import Stacks

TRIALS_VERSION = 1  # raise it when a trial shows more than before: earlier ones are forgotten
STACKS_NAMED = 3
SEEDS_DIFFER = 'config randomness'


@dataclass
class Trial:
    """One thing to try.

    Args:
        stage: The training or prediction.
        memory: The file that says that it has been tried.
        stacks: The names of the stacks that need it.
    """

    stage: Stage = field(repr=False)
    memory: Path
    stacks: list[str]


def untried(plan: Plan, cache: Path) -> list[Trial]:
    """The distinct trainings and inferences of a plan that have not been tried; those of all seeds are one."""
    trials: dict[str, Trial] = {}
    for cell in plan.cells:
        if cell.seed != plan.cells[0].seed:
            continue
        for stage, identity in _distinct([plan.stages[key] for _, key in cell.steps]):
            memory = cache / 'tried' / digest([TRIALS_VERSION, identity, library_versions()])[:40]
            trial = trials.setdefault(memory.name, Trial(stage, memory, []))
            trial.stacks.append(stack_name(cell.stack))
    return [trial for trial in trials.values() if not trial.memory.exists()]


def _distinct(stages: list[Stage]) -> Iterator[tuple[Stage, object]]:
    """The stages of a cell to try, and what sets each apart. The labels of a student do not exist yet."""
    for stage in stages:
        if stage.kind == 'train' and not any(kind == 'label' for kind, _ in stage.parents):
            yield stage, _own_ingredients(stage)
    predict = next(stage for stage in stages if stage.kind == 'predict')
    refine = [_own_ingredients(stage) for stage in stages if stage.kind == 'refine']
    networks = [predict.config['model'], predict.config.get('ensemble')]
    yield predict, [networks, _own_ingredients(predict), refine]


def _own_ingredients(stage: Stage) -> dict[str, str]:
    own = {name: text for name, text in stage.ingredients.items() if not name.startswith('parent')}
    return {name: text for name, text in own.items() if name != SEEDS_DIFFER}


def try_all(
    trials: list[Trial],
    stacks: Stacks,
    data: Data,
    cache: Path,
    advance: Callable[[int, int], object] = lambda done, total: None,
) -> None:
    """Try what has not been tried, and remember what worked. Imports torch and mmseg.

    Args:
        trials: What to try.
        stacks: The stacks with their techniques.
        data: The data sets.
        cache: The folder of what is remembered.
        advance: Called with the number of finished trials and of all trials.

    Raises:
        BadInput: Names each culprit and its cure, and the stacks that it stops.
    """
    with FileStore(cache) as files:
        found: dict[str, list[str]] = {}
        for done, trial in enumerate(trials):
            advance(done, len(trials))
            fault = _fault(trial, stacks, data, files)
            if fault is None:
                write_json(trial.memory, trial.stacks)
                continue
            names = found.setdefault(fault, [])
            names += [name for name in trial.stacks if name not in names]
    if found:
        lines = [
            f'the stack {some_of([repr(name) for name in names], STACKS_NAMED)}: {fault}'
            for fault, names in found.items()
        ]
        raise BadInput('\n       '.join(lines))


def _fault(trial: Trial, stacks: Stacks, data: Data, files: FileStore) -> str | None:
    """What is wrong with a training or an inference, in words; None if it works or takes too long to try."""
    from benchmarks.preflight.culprit import describe
    from benchmarks.preflight.image_choice import for_a_batch, for_a_test
    from benchmarks.preflight.trial import IMAGES_IN_A_BATCH, FailedOnImage, TooSlow, try_inference, try_training

    config, training = trial.stage.config, trial.stage.kind == 'train'
    split = data.of(config[f'{trial.stage.kind.replace("predict", "test")}_dataloader']['dataset']).split
    sizes = _sizes(split, files)
    chosen = for_a_batch(sizes, IMAGES_IN_A_BATCH)
    try:
        if training:
            try_training(config, chosen)
        else:
            try_inference(config, for_a_test(sizes))
    except TooSlow:
        return None
    except Exception as error:
        place = 'one batch of training images cannot be trained on' if training else 'the test cannot begin'
        cause: BaseException = error
        if isinstance(error, FailedOnImage) and error.__cause__ is not None:
            place, cause = f'the test image {_image(split, error.index, sizes)} cannot be predicted', error.__cause__
        elif training:
            place += f' (such as {", ".join(_image(split, index, sizes) for index in chosen)})'
        return f'{place}: {describe(cause, config, [stacks.techniques[name] for name in trial.stage.stack])}'
    return None


def _image(split: Split, index: int, sizes: list[tuple[int, int] | None]) -> str:
    size = sizes[index]
    return split.images[index] + (f' of {size[0]}×{size[1]} pixels' if size else '')


def _sizes(split: Split, files: FileStore) -> list[tuple[int, int] | None]:
    return [
        (facts.height, facts.width) if facts and facts.height and facts.width else None
        for facts in files.images(split.images)
    ]
