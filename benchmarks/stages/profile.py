"""Stage ``profile``: what one stack's complete inference costs, measured alone in a fresh process."""

import time
from pathlib import Path

import torch
from mmengine.dataset import pseudo_collate
from mmengine.runner import autocast

from benchmarks.probes.complexity import flops, parameters
from benchmarks.probes.latency import Stopwatch
from benchmarks.probes.memory import CudaPeak, HostPeak
from benchmarks.stacks.pipelines import without_masks
from benchmarks.stages.parents import weights
from benchmarks.stages.progress import Progress
from benchmarks.stages.runner import build_runner, open_inference

WARM_UP = 3
# A pass takes so long, whatever an image takes: on a machine that is shared, fast and slow spells of half a second take
# turns, and forty short samples within one spell tell of the spell (22 ms where there are 16). Where an image takes long,
# ten samples do: from process to process medians differ by up to 10 %, theirs from those of forty by 3 % in most rows.
BUDGET_S, FEWEST, SAMPLES = 2, 10, 200
APART = 10  # samples at most whose steps are timed apart, spread over all


def run(config: dict, folder: Path, parents: dict[str, Path], device: str) -> dict:
    """Measure latency (complete, and its steps apart), memory, parameters and operations.

    A complete inference is: decode and transform one image (not its mask), all views, merge, all refinements. It is
    timed end to end in one pass over the samples, after some that are not timed; a second pass over fewer times
    preprocessing, views and refinements apart. Memory is that of the model and of the first pass; on the host, on top
    of what the process had after its imports.

    Args:
        config: The resolved config.
        folder: The stage's working folder.
        parents: Needs ``train`` (or ``combine``), whose weights are used.
        device: ``cpu`` or ``cuda``.

    Returns:
        The record's profile facts.
    """
    start = time.perf_counter()
    progress, watch = Progress(folder, WARM_UP + SAMPLES + APART), Stopwatch(device)
    with torch.no_grad(), HostPeak() as host, CudaPeak(device) as cuda:
        runner = build_runner(without_masks(config), folder / 'run', weights(parents))
        model, dataset = open_inference(runner), runner.test_dataloader.dataset
        with autocast(enabled=runner.test_loop.fp16):
            taken, warm_up = _time_together(model, dataset, watch, progress)
    with torch.no_grad(), autocast(enabled=runner.test_loop.fp16):
        for index in taken[:: -(-len(taken) // APART)]:
            _time_apart(model, dataset, index, watch)
            progress.advance()
        operations = flops(lambda: model.test_step(pseudo_collate([dataset[0]])))
    on_gpu = cuda.allocated_mib is not None
    return dict(
        device=device,
        threads=torch.get_num_threads(),
        n_samples=len(taken),
        warmup=warm_up,
        latency_ms=watch.samples_ms,
        infer_peak_mib=cuda.allocated_mib if on_gpu else host.added_mib,
        infer_peak_reserved_mib=cuda.reserved_mib,
        host_peak_mib=host.peak_mib,
        params=parameters(model),
        flops=operations,
        seconds=time.perf_counter() - start,
    )


def _time_together(model, dataset, watch: Stopwatch, progress: Progress) -> tuple[list[int], int]:
    """Time complete inferences; gives the indices of the timed images, and how many were predicted untimed before.

    The first image of each size is predicted once before it is timed: what is compiled for a size, or chosen for it by
    trial, is no part of a latency.
    """
    sizes, warm_up = set(), 0
    for index in range(WARM_UP):
        sizes.add(_predict(model, dataset, index % len(dataset)))
        warm_up += 1
        progress.advance()
    taken, spent = [], 0.0
    while len(taken) < SAMPLES and (len(taken) < FEWEST or spent < BUDGET_S):
        index = len(taken) % len(dataset)
        if len(taken) < len(dataset) and _size(dataset[index]) not in sizes:
            sizes.add(_predict(model, dataset, index))
            warm_up += 1
            progress.total += 1
            progress.advance()
        start = time.perf_counter()
        with watch('total'):
            model.test_step(pseudo_collate([dataset[index]]))
        spent += time.perf_counter() - start
        taken.append(index)
        progress.advance()
    return taken, warm_up


def _predict(model, dataset, index: int) -> tuple[int, ...]:
    """Predict an image, and give its size."""
    sample = dataset[index]
    model.test_step(pseudo_collate([sample]))
    return _size(sample)


def _size(sample: dict) -> tuple[int, ...]:
    return tuple(sample['inputs'].shape)


def _time_apart(model, dataset, index: int, watch: Stopwatch) -> None:
    with watch('preprocess'):
        batch = pseudo_collate([dataset[index]])
    with watch('views'):
        maps = model.merged_maps(batch)
    with watch('refine'):
        model.refine(maps[0], batch['data_samples'][0].img_path)
