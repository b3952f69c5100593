"""Stage ``profile``: what one stack's complete inference costs, measured alone in a fresh process."""
import time
from pathlib import Path

import torch
from mmengine.dataset import pseudo_collate
from mmengine.runner import autocast

from benchmarks.probes.complexity import flops, parameters
from benchmarks.probes.latency import Stopwatch
from benchmarks.probes.memory import CudaPeak, HostPeak
from benchmarks.stages.parents import weights
from benchmarks.stages.progress import Progress
from benchmarks.stages.runner import build_runner, open_inference

WARM_UP = 3
SAMPLES = 40
# Where one image takes seconds, fewer samples do: the pass stops at this time, once it has the least number.
BUDGET_S, FEWEST = 60, 10


def run(config: dict, folder: Path, parents: dict[str, Path], device: str) -> dict:
    """Measure latency (complete, and its steps apart), memory, parameters and operations.

    A complete inference is: decode and transform one image (not its mask), all views, merge, all refinements. It is
    timed end to end in one pass over the samples; a second pass times preprocessing, views and refinements apart. Memory
    is that of the model and of the first pass; on the host, on top of what the process had after its imports.

    Args:
        config: The resolved config.
        folder: The stage's working folder.
        parents: Needs ``train`` (or ``combine``), whose weights are used.
        device: ``cpu`` or ``cuda``.

    Returns:
        The record's profile facts.
    """
    start = time.perf_counter()
    progress, watch = Progress(folder, 2 * SAMPLES + WARM_UP), Stopwatch(device)
    with torch.no_grad(), HostPeak() as host, CudaPeak(device) as cuda:
        runner = build_runner(_without_truth(config), folder / 'run', weights(parents))
        model, dataset = open_inference(runner), runner.test_dataloader.dataset
        with autocast(enabled=runner.test_loop.fp16):
            taken = _time_together(model, dataset, watch, progress)
    with torch.no_grad(), autocast(enabled=runner.test_loop.fp16):
        for index in taken:
            _time_apart(model, dataset, index, watch)
            progress.advance()
        operations = flops(lambda: model.test_step(pseudo_collate([dataset[0]])))
    on_gpu = cuda.allocated_mib is not None
    return dict(device=device, threads=torch.get_num_threads(), n_samples=len(taken), warmup=WARM_UP,
                latency_ms=watch.samples_ms, infer_peak_mib=cuda.allocated_mib if on_gpu else host.added_mib,
                infer_peak_reserved_mib=cuda.reserved_mib, host_peak_mib=host.peak_mib, params=parameters(model),
                flops=operations, seconds=time.perf_counter() - start)


def _without_truth(config: dict) -> dict:
    """The config with a test pipeline that loads no masks: nobody has them when a model is used."""
    if isinstance(config, dict):
        return {key: _without_truth(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        kept = [item for item in config if not (isinstance(item, dict) and item.get('type') == 'LoadAnnotations')]
        return type(config)(_without_truth(item) for item in kept)
    return config


def _time_together(model, dataset, watch: Stopwatch, progress: Progress) -> list[int]:
    """Time complete inferences; gives the indices of the timed images."""
    for index in range(WARM_UP):
        model.test_step(pseudo_collate([dataset[index % len(dataset)]]))
        progress.advance()
    start, taken = time.perf_counter(), []
    while len(taken) < SAMPLES and (len(taken) < FEWEST or time.perf_counter() - start < BUDGET_S):
        index = len(taken) % len(dataset)
        with watch('total'):
            model.test_step(pseudo_collate([dataset[index]]))
        taken.append(index)
        progress.advance()
    return taken


def _time_apart(model, dataset, index: int, watch: Stopwatch) -> None:
    with watch('preprocess'):
        batch = pseudo_collate([dataset[index]])
    with watch('views'):
        maps = model.merged_maps(batch)
    with watch('refine'):
        model.refine(maps[0], batch['data_samples'][0].img_path)
