"""Stage ``predict``: one pass over the test images through the views; keeps each image's merged map and its facts."""
import time
from pathlib import Path

import numpy as np
from mmengine.evaluator import BaseMetric, Evaluator

from benchmarks.data import list_split
from benchmarks.stages.acted import ActedWhileTesting
from benchmarks.stages.facts import FactsTable
from benchmarks.stages.maps import SCALE, write_map
from benchmarks.stages.parents import weights
from benchmarks.stages.progress import Progress
from benchmarks.stages.runner import build_runner


class _Recorder(BaseMetric):
    """Sees what mmseg's own metric would see, and keeps it."""

    def __init__(self, folder: Path, table: FactsTable, progress: Progress) -> None:
        super().__init__()
        self.folder, self.table, self.progress = folder, table, progress
        self.count = 0

    def process(self, data_batch, data_samples) -> None:
        for sample in data_samples:
            probabilities = sample['seg_logits']['data'].cpu().numpy()
            write_map(self.folder, self.count, np.rint(probabilities * SCALE).astype(np.uint16))
            self.table.add(sample['img_path'], sample['pred_sem_seg']['data'][0].cpu().numpy(),
                           sample['gt_sem_seg']['data'][0].cpu().numpy())
            self.results.append(None)  # mmengine warns when a metric has kept nothing
            self.count += 1
            self.progress.advance()

    def compute_metrics(self, results) -> dict:
        return dict(images=self.count)


def run(config: dict, folder: Path, parents: dict[str, Path], device: str) -> dict:
    """Predict the test split; leaves ``maps/`` and ``facts.csv`` in ``folder``.

    The loop is mmengine's own test loop with the config's hooks, so that ``tools/test.py`` on the dumped config predicts
    the same. Refinements are left to the stage ``refine``.

    Args:
        config: The resolved config.
        folder: The stage's working folder.
        parents: Needs ``train``, or ``combine`` for an ensemble.
        device: ``cpu`` or ``cuda``.
    """
    config = {**config, 'inference': {**config['inference'], 'refine': {}}}
    runner = build_runner(config, folder / 'run', weights(parents))
    split = list_split('test', config['test_dataloader']['dataset'])
    recorder = _Recorder(folder, FactsTable(split, len(split.classes)), Progress(folder, len(split.images)))
    runner._test_evaluator = Evaluator([recorder])
    witness = ActedWhileTesting()
    runner.register_hook(witness)
    start = time.perf_counter()
    runner.test()
    recorder.table.write(folder)
    return dict(seconds=time.perf_counter() - start, images=recorder.count, acted=witness.counts)
