"""Stage ``predict``: one pass over the test images through the views; keeps each image's merged map and its facts."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from benchmarks.data.split import Split, list_split
from benchmarks.probes.memory import CudaPeak
from benchmarks.probes.truth import Truth
from benchmarks.stages.acted import ActedWhileTesting
from benchmarks.stages.facts import FactsTable
from benchmarks.stages.maps import SCALE, MapWriter
from benchmarks.stages.parents import weights
from benchmarks.stages.progress import Progress
from benchmarks.stages.runner import build_runner


class _Annotations:
    """Keeps what was measured of the last image's annotation, which all predictions of a pass are compared with."""

    def __init__(self, split: Split) -> None:
        self.num_classes, self.ignore_index = len(split.classes), split.ignore_index
        self.img_path = self.truth = None

    def of(self, img_path: str, labels: Tensor) -> Truth:
        """The annotation of an image."""
        if img_path != self.img_path:
            self.img_path = img_path
            self.truth = Truth(labels.cpu().numpy(), self.num_classes, self.ignore_index)
        return self.truth


class _Recorder(BaseMetric):
    """Sees what mmseg's own metric would see, and keeps it."""

    def __init__(self, folder: Path, split: Split, annotations: _Annotations, maps: MapWriter) -> None:
        super().__init__()
        self.folder, self.annotations, self.maps = folder, annotations, maps
        self.table, self.progress = FactsTable(split, len(split.classes)), Progress(folder, len(split.images))
        self.count = 0

    def process(self, data_batch, data_samples) -> None:
        for sample in data_samples:
            q = np.rint(sample['seg_logits']['data'].cpu().numpy() * SCALE).astype(np.uint16)
            labels = sample['pred_sem_seg']['data'][0].cpu().numpy()
            self.keep(sample['img_path'], q, labels, sample['gt_sem_seg']['data'][0])
            self.results.append(None)  # mmengine warns when a metric has kept nothing

    def keep(self, img_path: str, q: np.ndarray, labels: np.ndarray, truth: Tensor) -> None:
        """Keep one image's map and facts."""
        self.maps.write(self.folder, self.count, q)
        self.table.add(img_path, labels, self.annotations.of(img_path, truth))
        self.count += 1
        self.progress.advance()

    def compute_metrics(self, results) -> dict:
        return dict(images=self.count)


class _Variants(Hook):
    """Lets the model that tests predict for other configs, too, in the same pass."""

    priority = 'LOWEST'  # by then the model that tests is in its place

    def __init__(self, inferences: Sequence[dict], recorders: Sequence[_Recorder]) -> None:
        self.inferences, self.recorders = inferences, recorders

    def before_test(self, runner: Runner) -> None:
        model = runner.model
        for inference, recorder in zip(self.inferences, self.recorders):
            model.add_variant(
                inference,
                lambda sample, q, recorder=recorder: recorder.keep(
                    sample.img_path, q, model.labels(q), sample.gt_sem_seg.data[0]
                ),
            )


def run(config: dict, folder: Path, parents: dict[str, Path], device: str, bytes_allowed: int | None = None) -> dict:
    """Predict the test split; leaves ``maps/`` and ``facts.csv`` in ``folder``.

    The loop is mmengine's own test loop with the config's hooks, so that ``tools/test.py`` on the dumped config predicts
    the same. Refinements are left to the stage ``refine``.

    Args:
        config: The resolved config.
        folder: The stage's working folder.
        parents: Needs ``train``, or ``combine`` for an ensemble.
        device: ``cpu`` or ``cuda``.
        bytes_allowed: The most bytes that ``maps/`` may take, which is left out otherwise; None for no limit.
    """
    (facts,) = run_together([config], [folder], [parents], device, [bytes_allowed])
    return facts


def run_together(
    configs: Sequence[dict],
    folders: Sequence[Path],
    parents: Sequence[dict[str, Path]],
    device: str,
    bytes_allowed: Sequence[int | None],
) -> list[dict]:
    """Predict the test split for several configs in one pass: each image is loaded once, and a view of it runs once.

    Args:
        configs: Resolved configs that differ in their views alone.
        folders: The working folder of each.
        parents: As for :func:`run`, of each; all the same.
        device: ``cpu`` or ``cuda``.
        bytes_allowed: As for :func:`run`, for each; those that have a limit share it.

    Returns:
        The facts of each; ``seconds`` and memory are those of the whole pass, which ``stacks_in_pass`` share.
    """
    inferences = [{**config['inference'], 'refine': {}} for config in configs]
    runner = build_runner({**configs[0], 'inference': inferences[0]}, folders[0] / 'run', weights(parents[0]))
    split = list_split('test', configs[0]['test_dataloader']['dataset'])
    annotations = _Annotations(split)
    maps = MapWriter(folders, bytes_allowed)
    recorders = [_Recorder(folder, split, annotations, maps) for folder in folders]
    runner._test_evaluator = Evaluator(recorders[:1])
    witness = ActedWhileTesting()
    runner.register_hook(witness)
    if len(configs) > 1:
        runner.register_hook(_Variants(inferences[1:], recorders[1:]))
    start = time.perf_counter()
    with CudaPeak(device) as cuda:
        runner.test()
    for recorder, folder in zip(recorders, folders):
        recorder.table.write(folder)
    seconds = time.perf_counter() - start
    return [
        dict(
            seconds=seconds,
            images=recorder.count,
            acted=witness.counts[number],
            stacks_in_pass=len(configs),
            peak_reserved_mib=cuda.reserved_mib,
        )
        for number, recorder in enumerate(recorders)
    ]
