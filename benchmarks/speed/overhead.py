"""The time that the harness adds inside a timed region, and whether equal loops give equal times.

Both lines compare a bare loop over complete inferences of the small U-Net. One compares it with the same loop under the
profile stage's stopwatch, the other with itself (A/A).
"""

import importlib
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from mmengine.dataset import pseudo_collate

from benchmarks.probes.latency import Stopwatch
from benchmarks.speed.side_by_side import report, side_by_side
from benchmarks.stacks.compose import load_config, strip_helpers
from benchmarks.stacks.protocol import apply_protocol
from benchmarks.stages.runner import build_runner, open_inference

ROOT = Path(__file__).resolve().parents[2]
IMAGES = 8
ROUNDS = 21


def main() -> None:
    """Run the comparison."""
    base = strip_helpers(load_config(ROOT / 'configs' / 'baselines' / 'unet_small_icbm152.py'))
    config = apply_protocol(base, load_config(ROOT / 'configs' / '_base_' / 'protocol.py'), 'cpu')[0]
    for module in config['custom_imports']['imports']:
        importlib.import_module(module)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        runner = build_runner(config, Path(folder) / 'run')
        model: Any = open_inference(runner)
        dataset = runner.test_dataloader.dataset

        def bare() -> list[float]:
            taken = []
            for index in range(IMAGES):
                start = perf_counter()
                model.test_step(pseudo_collate([dataset[index]]))
                taken.append(perf_counter() - start)
            return taken

        def timed() -> Stopwatch:
            watch = Stopwatch('cpu')
            for index in range(IMAGES):
                with watch('total'):
                    model.test_step(pseudo_collate([dataset[index]]))
            return watch

        what = f'{IMAGES} complete inferences of the small U-Net'
        lines = [
            side_by_side(what, ('bare loop', bare), ('with the stopwatch', timed), rounds=ROUNDS, reach=0.99),
            side_by_side(what, ('bare loop', bare), ('the same loop (A/A)', bare), rounds=ROUNDS),
        ]
    report('overhead', lines)


if __name__ == '__main__':
    main()
