"""Stage ``profile``: the cost of one stack's complete inference, measured alone in a fresh process."""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from mmengine.dataset import pseudo_collate
from mmengine.runner import autocast

from benchmarks.data.split import nested
from benchmarks.probes.complexity import flops, parameters
from benchmarks.probes.latency import Stopwatch
from benchmarks.probes.memory import CudaPeak, HostPeak
from benchmarks.probes.parts import PartTimes, timed_parts
from benchmarks.probes.quiet import Watch, quietest
from benchmarks.stacks.pipelines import without_masks
from benchmarks.stages.chosen import with_chosen
from benchmarks.stages.contracts import ImageDataset, InferenceModel
from benchmarks.stages.parents import weights
from benchmarks.stages.progress import Progress
from benchmarks.stages.runner import build_runner, open_inference

WARM_UP = 3
# Measure for at least 2 s. On a shared machine speed drifts within half a second, and forty short samples could all
# fall into a slow phase (22 ms instead of 16). If an image takes long, ten samples suffice: medians differ by up to 10
# % from process to process, and in most rows the median of ten differs from that of forty by 3 %.
BUDGET_S, FEWEST, SAMPLES = 2, 10, 200
# On a busy machine measure again, so often at most, and only while all tries together stay below these seconds.
TRIES, TRIES_S = 3, 60
APART = 10  # at most so many samples have their steps timed separately; they are spread over all samples


def run(config: dict, folder: Path, parents: dict[str, Path], device: str) -> dict:
    """Measure latency (end to end, and of each step), memory, parameters and operations.

    A complete inference decodes and transforms one image (not its mask), runs all views, merges them, and refines. The
    first pass warms up and then times complete inferences. A second pass over fewer images times preprocessing, views
    and refinements separately, and within them loading, each view and each refinement. Memory is that of the model and
    of the first pass; host memory does not include what the process held after its imports.

    The machine is watched meanwhile. If it was busy, the first pass is repeated, and the quietest pass counts.

    Args:
        config: The resolved config. Stacks of equal cost share a profile, so that it may be another stack's.
        folder: The stage's working folder.
        parents: Needs ``train``, or ``combine`` for an ensemble: the weights to measure with. With ``choose``
            and ``select`` the values that they have chosen take the place of the config's.
        device: ``cpu`` or ``cuda``.

    Returns:
        The record's profile facts.
    """
    start = time.perf_counter()
    progress, watch = Progress(folder, WARM_UP + FEWEST + APART), Stopwatch(device)
    with torch.no_grad(), HostPeak() as host, CudaPeak(device) as cuda:
        runner = build_runner(without_masks(with_chosen(config, parents)), folder / 'run', weights(parents))
        model: InferenceModel = open_inference(runner)
        dataset: ImageDataset = runner.test_dataloader.dataset
        with autocast(enabled=runner.test_loop.fp16):
            taken, warm_up, machine = _time_in_quiet(model, dataset, watch, progress)
    with torch.no_grad(), autocast(enabled=runner.test_loop.fp16):
        parts = _time_parts(model, dataset, taken[:: -(-len(taken) // APART)], watch, progress)
        operations = flops(lambda: model.test_step(pseudo_collate([dataset[0]])))
    on_gpu = cuda.allocated_mib is not None
    return dict(
        device=device,
        threads=torch.get_num_threads(),
        n_samples=len(taken),
        warmup=warm_up,
        latency_ms=watch.samples_ms,
        parts_ms=parts,
        infer_peak_mib=cuda.allocated_mib if on_gpu else host.added_mib,
        infer_peak_reserved_mib=cuda.reserved_mib,
        host_peak_mib=host.peak_mib,
        machine=machine,
        weights=weights(parents).parent.name,
        params=parameters(runner.model),
        flops=operations,
        seconds=time.perf_counter() - start,
    )


def _time_in_quiet(
    model: InferenceModel,
    dataset: ImageDataset,
    watch: Stopwatch,
    progress: Progress,
    watch_machine: Callable[[], Watch] = Watch,
) -> tuple[list[int], int, dict]:
    """Time complete inferences; again while the machine is busy, at most :data:`TRIES` times.

    The samples of the quietest try stay in ``watch``.

    Returns:
        The indices of the timed images, the number of untimed inferences of that try, and what the machine did.
    """
    start, tries, size_of = time.perf_counter(), [], dict[int, tuple[int, ...]]()
    while True:
        watch.samples_ms.pop('total', None)
        machine = watch_machine()
        taken, warm_up = _time_together(model, dataset, watch, progress, size_of)
        samples = watch.samples_ms['total']
        seen = machine.end(samples, [size_of[index] for index in taken])
        tries.append((taken, warm_up, samples, seen))
        spent = time.perf_counter() - start
        if seen['busy'] is None or len(tries) == TRIES or spent + spent / len(tries) > TRIES_S:
            break
        progress.total += WARM_UP + FEWEST
    best = quietest([seen for *_, seen in tries])
    taken, warm_up, samples, seen = tries[best]
    watch.samples_ms['total'] = samples
    return taken, warm_up, dict(seen, tries=len(tries))


def _time_together(
    model: InferenceModel,
    dataset: ImageDataset,
    watch: Stopwatch,
    progress: Progress,
    size_of: dict[int, tuple[int, ...]],
) -> tuple[list[int], int]:
    """Time complete inferences.

    The first image of each size is predicted once before it is timed. Compilation for a size, and the trial of kernels
    for it, are not part of a latency. ``size_of`` gets the size of each timed image, by its index.

    Returns:
        The indices of the timed images, and the number of untimed inferences.
    """
    sizes: set[tuple[int, ...]] = set()
    warm_up = 0
    for index in range(WARM_UP):
        sizes.add(_predict(model, dataset, index % len(dataset)))
        warm_up += 1
        progress.advance()
    taken: list[int] = []
    spent, expected = 0.0, FEWEST
    while len(taken) < SAMPLES and (len(taken) < FEWEST or spent < BUDGET_S):
        index = len(taken) % len(dataset)
        if index not in size_of:
            size_of[index] = _size(dataset[index])
        if size_of[index] not in sizes:
            sizes.add(_predict(model, dataset, index))
            warm_up += 1
            progress.total += 1
            progress.advance()
        start = time.perf_counter()
        with watch('total'):
            model.test_step(pseudo_collate([dataset[index]]))
        spent += time.perf_counter() - start
        taken.append(index)
        before, expected = expected, _expected(spent, len(taken))
        progress.total += expected - before
        progress.advance()
    return taken, warm_up


def _expected(spent: float, done: int) -> int:
    """How many samples there will be, by the seconds of those that are done."""
    in_budget = SAMPLES if spent <= 0 else math.ceil(min(BUDGET_S * done / spent, SAMPLES))
    return max(in_budget, FEWEST, done)


def _predict(model: InferenceModel, dataset: ImageDataset, index: int) -> tuple[int, ...]:
    """Predict an image; returns its size."""
    sample = dataset[index]
    model.test_step(pseudo_collate([sample]))
    return _size(sample)


def _size(sample: dict) -> tuple[int, ...]:
    return tuple(sample['inputs'].shape)


def _time_parts(
    model: InferenceModel, dataset: ImageDataset, indices: Sequence[int], watch: Stopwatch, progress: Progress
) -> dict:
    """Time the steps of some inferences separately, and the parts of each step.

    Returns:
        The facts of :class:`benchmarks.probes.parts.PartTimes`: of each sample of ``latency_ms`` but ``total``.
    """
    times = PartTimes(watch.now_ms)
    pipelines = [part.pipeline.transforms for part in nested(dataset) if _has_steps(part)]
    views: dict = getattr(model, 'views', {})
    chain: list = getattr(model, 'chain', [])
    with timed_parts(times, pipelines, views, chain):
        for index in indices:
            _time_apart(model, dataset, index, watch)
            times.end_sample()
            progress.advance()
    return times.as_facts(len(indices))


def _has_steps(part: object) -> bool:
    """Whether a data set has a pipeline of mmengine's kind, whose steps can be timed."""
    return isinstance(getattr(getattr(part, 'pipeline', None), 'transforms', None), list)


def _time_apart(model: InferenceModel, dataset: ImageDataset, index: int, watch: Stopwatch) -> None:
    """Time the steps of one inference separately."""
    with watch('preprocess'):
        batch = pseudo_collate([dataset[index]])
    with watch('views'):
        maps = model.merged_maps(batch)
    with watch('refine'):
        model.refine(maps[0], batch['data_samples'][0].img_path)
