"""Whether a plan's results fit on the disk."""

import shutil
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from benchmarks.errors import BadInput
from benchmarks.plan.batching import batch_key
from benchmarks.plan.plan import Plan, Stage
from benchmarks.session.data import Data
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
    plan, each = experiment.plan, map_bytes(experiment.data)
    needed = largest_maps(plan, reasons, each, max_maps, jobs)
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
    predicts = sum(experiment.plan.stages[key].kind == 'predict' for key in reasons)
    data = experiment.data
    each = map_bytes(data)
    numbers = [len(test.split.images) for _, test in data.folds] or [len(data.test.split.images)]
    if not predicts or not each:
        return []
    images = f'{"up to " * bool(data.folds)}{max(numbers)} images in {len(data.test.split.classes)} classes'
    text = (
        f'predicted maps: at most {size_text(each * predicts)} on disk ({predicts} predictions of {images}, '
        f'{size_text(each)} each before they are packed)'
    )
    return [text if max_maps is not None else f'{text}; --max-maps SIZE keeps fewer']


def map_bytes(data: Data) -> int:
    """Bytes of the maps of one prediction before they are packed; with folds of the largest one."""
    return BYTES_PER_PROBABILITY * max(data.test_pixels, data.most_test_pixels) * len(data.test.split.classes)


def largest_maps(plan: Plan, reasons: Collection[str], each: int, max_maps: int | None, jobs: int) -> int:
    """Upper bound of the bytes of new maps on disk at a time.

    It counts the maps that are kept and, for each process, the maps of one batch that waits for a refinement. There is
    at most one such batch per process, because refine stages run before predict stages.

    Args:
        plan: The plan.
        reasons: Keys of the stages that will run.
        each: Bytes of the maps of one prediction.
        max_maps: How many bytes are kept; None for all.
        jobs: How many processes run at once.
    """
    predicts = [plan.stages[key] for key in reasons if plan.stages[key].kind == 'predict']
    if max_maps is None:
        return each * len(predicts)
    read = {parent for key in reasons for kind, parent in plan.stages[key].parents if kind == 'predict'}
    batches = Counter(batch_key(stage) or stage.key for stage in predicts if stage.key in read)
    waiting = sum(number for _, number in batches.most_common(jobs))
    return min(each * len(predicts), max_maps + each * waiting)


def _stage_bytes(stage: Stage, data: Data, sizes: Sizes) -> int:
    """Bytes of a stage's checkpoints or pseudo-labels; all else but maps is small."""
    if stage.kind in ('train', 'combine'):
        return BYTES_PER_PARAMETER * sum(map(sizes.of, _networks(stage)))
    # One byte per pixel. The unlabelled images are taken to be as many and as large as the test images.
    return data.test_pixels if stage.kind == 'label' else 0


def _networks(stage: Stage) -> list[dict]:
    """Configs of the networks whose weights a stage keeps."""
    way, value = ensemble_of(stage.config)
    if way == 'last_checkpoints':
        return [stage.config] * value
    return [member.config for member in members(stage.config)] if stage.kind == 'combine' else [stage.config]
