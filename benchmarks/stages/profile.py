"""Stage ``profile``: what one stack's complete inference costs, measured alone in a fresh process."""
from pathlib import Path

import torch
from mmengine.dataset import pseudo_collate

from benchmarks.probes.complexity import flops, parameters
from benchmarks.probes.latency import Stopwatch
from benchmarks.probes.memory import CudaPeak, HostPeak
from benchmarks.stages.progress import Progress
from benchmarks.stages.runner import build_runner, open_inference
from benchmarks.stages.train import CHECKPOINT

WARM_UP = 3
SAMPLES = 40


def run(config: dict, folder: Path, parents: dict[str, Path], device: str) -> dict:
    """Measure latency (complete, and its steps apart), memory, parameters and operations.

    A complete inference is: decode and transform one image, all views, merge, all refinements. It is timed end to end
    in one pass over the samples; a second pass times preprocessing, views and refinements apart.

    Args:
        config: The resolved config.
        folder: The stage's working folder.
        parents: Needs ``train``, whose weights are used.
        device: ``cpu`` or ``cuda``.

    Returns:
        The record's profile facts.
    """
    runner = build_runner(config, folder / 'run', parents['train'] / CHECKPOINT)
    model = open_inference(runner)
    dataset = runner.test_dataloader.dataset
    indices = [n % len(dataset) for n in range(SAMPLES)]
    progress = Progress(folder, 2 * SAMPLES + WARM_UP)
    watch = Stopwatch(device)
    with torch.no_grad(), HostPeak() as host, CudaPeak(device) as cuda:
        for index in indices[:WARM_UP]:
            model.test_step(pseudo_collate([dataset[index]]))
            progress.advance()
        for index in indices:
            with watch('total'):
                model.test_step(pseudo_collate([dataset[index]]))
            progress.advance()
    with torch.no_grad():
        for index in indices:
            _time_apart(model, dataset, index, watch)
            progress.advance()
        operations = flops(lambda: model.test_step(pseudo_collate([dataset[indices[0]]])))
    on_gpu = cuda.allocated_mib is not None
    return dict(device=device, threads=torch.get_num_threads(), n_samples=SAMPLES, warmup=WARM_UP,
                latency_ms=watch.samples_ms, infer_peak_mib=cuda.allocated_mib if on_gpu else host.added_mib,
                infer_peak_reserved_mib=cuda.reserved_mib, host_peak_mib=host.peak_mib, params=parameters(model),
                flops=operations)


def _time_apart(model, dataset, index: int, watch: Stopwatch) -> None:
    with watch('preprocess'):
        batch = pseudo_collate([dataset[index]])
    with watch('views'):
        maps = model.merged_maps(batch)
    with watch('refine'):
        model.refine(maps[0], batch['data_samples'][0].img_path)
