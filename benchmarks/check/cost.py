"""The cost of a technique on a check baseline: parameters, operations, memory, time."""

import statistics

import torch
from mmengine.dataset import pseudo_collate

from benchmarks.check.gradient_probe import AllocationPeak, clock_of
from benchmarks.check.result import Cost
from benchmarks.check.technique_run import TechniqueRun
from benchmarks.probes.complexity import flops, parameters

REPEATS = 5


def measure(run: TechniqueRun) -> Cost:
    """Measure one step of the first training, and the complete inference of one image.

    The pictures are small, so a figure tells only whether a technique costs nothing, a little or a lot. The stage
    ``profile`` of a grid measures exactly.
    """
    training, on_cpu = run.trainings[0], run.baseline.device == 'cpu'
    model, data = run.inference
    with torch.no_grad():

        def infer() -> None:
            model.test_step(pseudo_collate([data[0]]))

        operations, times = flops(infer), []
        clock = clock_of(run.baseline.device)
        with AllocationPeak() as peak:
            infer()
        for _ in range(REPEATS):
            start = clock()
            infer()
            times.append((clock() - start) * 1000)
        return Cost(
            parameters(model),
            operations,
            training.measurements['step_mib'] if on_cpu else training.facts['peak_mib'],
            training.measurements['step_ms'],
            peak.mib if on_cpu else None,
            statistics.median(times),
        )
