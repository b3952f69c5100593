"""Whether a plan's results fit on the disk."""

import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from benchmarks.errors import BadInput
from benchmarks.plan.batching import batch_key
from benchmarks.plan.plan import Plan, Stage
from benchmarks.session.data import Data, DataSet
from benchmarks.session.experiment import Experiment
from benchmarks.session.legality import Sizes
from benchmarks.stacks.several_networks import ensemble_of, members
from benchmarks.store.sizes import size_text

# A parameter is stored in 4 bytes; a map takes 2 bytes per pixel and class before it is packed.
BYTES_PER_PARAMETER, BYTES_PER_PROBABILITY = 4, 2
MARGIN_BYTES = 200 * 2**20


def refuse_too_large_plan(
    experiment: Experiment, reasons: Collection[str], work_dir: Path, max_maps: int | None, jobs: int
) -> None:
    """Refuse a plan whose results do not fit on the disk.

    Args:
        experiment: The plan, and the sizes of its data and networks.
        reasons: Keys of the stages that will run.
        work_dir: The folder of the results.
        max_maps: How many bytes of maps are kept; None for all.
        jobs: How many processes run at once.

    Raises:
        BadInput: Says how much is needed and how much is free.
    """
    plan = experiment.plan
    needed = largest_maps(plan, map_bytes(plan, experiment.data, reasons), reasons, max_maps, jobs)
    needed += sum(_stage_bytes(plan.stages[key], experiment.data, experiment.sizes) for key in reasons)
    needed += MARGIN_BYTES if reasons else 0
    free = shutil.disk_usage(work_dir).free
    if needed > free:
        raise BadInput(
            f'the plan may write {needed / 2**20:.0f} MiB to {work_dir}, where {free / 2**20:.0f} MiB are free; '
            f'make room, or choose another --work-dir'
        )


def announced_maps(experiment: Experiment, reasons: Collection[str], max_maps: int | None) -> list[str]:
    """A line on the disk space of the maps of new predictions; none if all of them are cached.

    Args:
        experiment: The plan and its data.
        reasons: Keys of the stages that will run.
        max_maps: How many bytes of maps are kept; None for all.
    """
    predicted = _predicted(experiment.plan, experiment.data, reasons)
    sizes = [_map_bytes(data) for data in predicted.values()]
    numbers = {len(data.split.images) for data in predicted.values()}
    if not sum(sizes):
        return []
    images = f'{_up_to(numbers)}{max(numbers)} images in {len(experiment.data.test.split.classes)} classes'
    text = (
        f'predicted maps: at most {size_text(sum(sizes))} on disk ({len(sizes)} predictions of {images}, '
        f'{_up_to(set(sizes))}{size_text(max(sizes))} each before they are packed)'
    )
    return [text if max_maps is not None else f'{text}; --max-maps SIZE keeps fewer']


def _up_to(values: Collection[int]) -> str:
    return 'up to ' * (len(values) > 1)


def map_bytes(plan: Plan, data: Data, keys: Iterable[str]) -> dict[str, int]:
    """Bytes of the maps of the predictions among some stages, before they are packed, by key."""
    return {key: _map_bytes(predicted) for key, predicted in _predicted(plan, data, keys).items()}


def _map_bytes(predicted: DataSet) -> int:
    return BYTES_PER_PROBABILITY * predicted.pixels * len(predicted.split.classes)


def _predicted(plan: Plan, data: Data, keys: Iterable[str]) -> dict[str, DataSet]:
    """The data set of each prediction: the test images of its fold, or the validation images of a tuned row."""
    known: dict[int, DataSet] = {}  # seeds of a stack share the dict, whose digest takes long
    found = {}
    for key in keys:
        stage = plan.stages[key]
        if stage.kind == 'predict':
            dataset = stage.config['test_dataloader']['dataset']
            if id(dataset) not in known:
                known[id(dataset)] = data.of(dataset)
            found[key] = known[id(dataset)]
    return found


def largest_maps(plan: Plan, each: Mapping[str, int], reasons: Collection[str], max_maps: int | None, jobs: int) -> int:
    """Upper bound of the bytes of new maps on disk at a time.

    It counts the maps that are kept and, for each process, the maps of one batch that waits for a refinement. There is
    at most one such batch per process, because refine stages run before predict stages.

    Args:
        plan: The plan.
        each: Bytes of the maps of each prediction that will run, by key.
        reasons: Keys of the stages that will run.
        max_maps: How many bytes are kept; None for all.
        jobs: How many processes run at once.
    """
    predicts = [plan.stages[key] for key in reasons if plan.stages[key].kind == 'predict']
    whole = sum(each[stage.key] for stage in predicts)
    if max_maps is None:
        return whole
    read = {parent for key in reasons for kind, parent in plan.stages[key].parents if kind == 'predict'}
    batches: Counter[str] = Counter()
    for stage in predicts:
        if stage.key in read:
            batches[batch_key(stage) or stage.key] += each[stage.key]
    return min(whole, max_maps + sum(size for _, size in batches.most_common(jobs)))


def _stage_bytes(stage: Stage, data: Data, sizes: Sizes) -> int:
    """Bytes of a stage's checkpoints or pseudo-labels; all else but maps is small."""
    if stage.kind in ('train', 'combine'):
        return BYTES_PER_PARAMETER * sum(map(sizes.of, _networks(stage)))
    # One byte per pixel. The unlabelled images are taken to be as many and as large as the test images.
    return data.test.pixels if stage.kind == 'label' else 0


def _networks(stage: Stage) -> list[dict]:
    """Configs of the networks whose weights a stage keeps."""
    way, value = ensemble_of(stage.config)
    if way == 'last_checkpoints':
        return [stage.config] * value
    return [member.config for member in members(stage.config)] if stage.kind == 'combine' else [stage.config]
