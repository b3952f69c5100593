"""Times training loops in processes of their own, from the first step to the last, without the start-up."""

import importlib
import math
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from benchmarks.stages.huge_pages import environment_of_a_start


def shortened(config: dict, steps: int) -> dict:
    """The config with this number of steps, without validation and checkpoints."""
    return {
        **config,
        'train_cfg': {**config['train_cfg'], 'max_iters': steps, 'val_interval': steps + 1},
        'default_hooks': {**config['default_hooks'], 'checkpoint': None},
        'val_dataloader': None,
        'val_cfg': None,
        'val_evaluator': None,
    }


def training_seconds(configs: Sequence[dict], *, together: bool, as_stages: bool) -> float:
    """Seconds that the training loops of all configs take, side by side or one after the other.

    Args:
        configs: The configs.
        together: Whether the trainings run side by side.
        as_stages: Whether the processes are set up like those of the harness's stages.
    """
    context = multiprocessing.get_context('spawn')
    spans, start = context.SimpleQueue(), context.Barrier(len(configs) if together else 1)
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            context.Process(target=_train, args=(config, Path(folder) / str(number), spans, start, as_stages))
            for number, config in enumerate(configs)
        ]
        for run in runs:
            with environment_of_a_start() if as_stages else nullcontext():
                run.start()
            if not together:
                run.join()
        for run in runs:
            run.join()
            if run.exitcode:
                raise SystemExit('a training failed; see above')
    begins, ends = zip(*(spans.get() for _ in configs))
    return max(ends) - min(begins) if together else math.fsum(end - begin for begin, end in zip(begins, ends))


def _train(config: dict, folder: Path, spans, start, as_stage: bool) -> None:
    from benchmarks.stages.freed_memory import keep_freed_memory
    from benchmarks.stages.runner import build_runner

    if as_stage:
        keep_freed_memory()
    importlib.import_module('torch._dynamo')  # the first step of an optimizer would import it, which takes a second
    for module in (config.get('custom_imports') or {}).get('imports', []):
        importlib.import_module(module)
    runner = build_runner(config, folder / 'run')
    start.wait()  # until all processes have come this far
    begin = time.monotonic()
    runner.train()
    spans.put((begin, time.monotonic()))
