"""Whether a plan's results fit on the disk."""

import shutil
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from benchmarks.errors import BadInput
from benchmarks.plan.batching import batch_key
from benchmarks.plan.plan import Plan, Stage
from benchmarks.session.experiment import Experiment
from benchmarks.stacks.several_networks import ensemble_of, members

# A parameter is stored in 4 bytes; a map takes 2 bytes per pixel and class before it is packed.
BYTES_PER_PARAMETER, BYTES_PER_PROBABILITY = 4, 2
MARGIN_BYTES = 200 * 2**20


def refuse_full_disk(
    work_dir: Path, plan: Plan, reasons: Mapping[str, str], experiment: Experiment, max_maps: int | None, jobs: int
) -> None:
    """Refuse a plan whose results do not fit on the disk.

    Args:
        work_dir: Where they are to go.
        plan: The plan.
        reasons: Keys of the stages that will run.
        experiment: Knows how large data and networks are.
        max_maps: How many bytes of maps are kept; None for all.
        jobs: How many processes run at once.

    Raises:
        BadInput: Says how much is needed and how much is free.
    """
    needed = MARGIN_BYTES * bool(reasons) + largest_maps(plan, reasons, map_bytes(experiment), max_maps, jobs)
    pixels = experiment.test_pixels()
    for key in reasons:
        stage = plan.stages[key]
        if stage.kind in ('train', 'combine'):
            needed += BYTES_PER_PARAMETER * sum(map(experiment.parameters, _networks(stage)))
        if stage.kind == 'label':
            needed += pixels  # a byte each; the training images are of about the test images' sizes, and as many
    free = shutil.disk_usage(work_dir).free
    if needed > free:
        raise BadInput(
            f'the plan may write {needed / 2**20:.0f} MiB to {work_dir}, where {free / 2**20:.0f} MiB are free; '
            f'make room, or choose another --work-dir'
        )


def map_bytes(experiment: Experiment) -> int:
    """What the maps of one prediction take before they are packed."""
    return BYTES_PER_PROBABILITY * experiment.test_pixels() * len(experiment.split('test').classes)


def largest_maps(plan: Plan, reasons: Collection[str], each: int, max_maps: int | None, jobs: int) -> int:
    """How many bytes of new maps there may be at a time.

    Beside those that are kept there are those that wait for a refinement. Refinements go before predictions, so that a
    process holds up the maps of one pass at most: of the pass that it computes, or of what it refines.

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
    passes = Counter(batch_key(stage) or stage.key for stage in predicts if stage.key in read)
    held = sum(number for _, number in passes.most_common(jobs))
    return min(each * len(predicts), max_maps + each * held)


def _networks(stage: Stage) -> list[dict]:
    """Configs of the networks whose weights a stage keeps."""
    way, value = ensemble_of(stage.config)
    if way == 'last_checkpoints':
        return [stage.config] * value
    return [member.config for member in members(stage.config)] if stage.kind == 'combine' else [stage.config]
