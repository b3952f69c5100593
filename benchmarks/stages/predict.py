"""Stage ``predict``: one pass over the test images through all views; keeps each image's quantised map and facts."""

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.structures import SegDataSample
from torch import Tensor

from benchmarks.data.split import Split, list_split
from benchmarks.probes.memory import CudaPeak
from benchmarks.probes.true_strata import confidence_of
from benchmarks.probes.truth import Truth
from benchmarks.stages.chosen import with_chosen
from benchmarks.stages.contracts import InferenceModel
from benchmarks.stages.effect_counts import EffectCountsOfTest
from benchmarks.stages.facts import FactsTable
from benchmarks.stages.maps import SCALE, MapWriter
from benchmarks.stages.parents import weights
from benchmarks.stages.process_state import generator_states, refuse_changed_state, refuse_draws, runner_flags
from benchmarks.stages.progress import Progress
from benchmarks.stages.runner import build_runner
from benchmarks.stages.strata import StrataTable


class _Annotations:
    """Keeps the measurements of the last image's annotation: all predictions of a pass are compared with it."""

    def __init__(self, split: Split) -> None:
        self.num_classes, self.ignore_index = len(split.classes), split.ignore_index
        self.last: tuple[str, Truth] | None = None

    def of(self, img_path: str, labels: Tensor) -> Truth:
        """The annotation of an image, whose true labels are ``labels`` (H, W)."""
        if self.last is None or self.last[0] != img_path:
            self.last = img_path, Truth(labels.cpu().numpy(), self.num_classes, self.ignore_index)
        return self.last[1]


class _Recorder(BaseMetric):
    """Stands in the place of mmseg's own metric, sees the same samples, and keeps maps and facts of them."""

    def __init__(self, folder: Path, split: Split, annotations: _Annotations, maps: MapWriter) -> None:
        super().__init__()
        self.folder, self.annotations, self.maps = folder, annotations, maps
        self.table, self.progress = FactsTable(split, len(split.classes)), Progress(folder, len(split.images))
        self.strata = StrataTable(split)
        self.count = 0
        self.digest = hashlib.sha256()

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep the predictions of a batch."""
        for sample in data_samples:
            quantised_map = np.rint(sample['seg_logits']['data'].cpu().numpy() * SCALE).astype(np.uint16)
            labels = sample['pred_sem_seg']['data'][0].cpu().numpy()
            agree = sample['views_agree']['data'] if 'views_agree' in sample else None
            self.keep(sample['img_path'], quantised_map, labels, sample['gt_sem_seg']['data'][0], agree)
            self.results.append(None)  # mmengine warns when a metric has kept nothing

    def keep(
        self, img_path: str, quantised_map: np.ndarray, labels: np.ndarray, truth: Tensor, agree: Tensor | None
    ) -> None:
        """Keep one image's map and facts; ``agree`` (1, H, W) says where its views agree, if it has several."""
        self.digest.update(repr(quantised_map.shape).encode() + np.ascontiguousarray(quantised_map).tobytes())
        self.maps.write(self.folder, self.count, quantised_map)
        measured = self.annotations.of(img_path, truth)
        self.table.add(img_path, labels, measured)
        confidence = confidence_of(quantised_map, labels)
        self.strata.add(img_path, labels, confidence, measured, None if agree is None else agree[0].numpy())
        self.count += 1
        self.progress.advance()

    def compute_metrics(self, results: list) -> dict:
        """The number of images; scores are derived from the facts later."""
        return dict(images=self.count)


class _Variants(Hook):
    """Has the inference model say where views agree, and predict for other configs, too, in the same pass.

    With other configs, a part that draws from a global generator or sets a flag of torch fails the pass.
    """

    priority = 'LOWEST'  # after the hook that puts the inference model into its place

    def __init__(self, inferences: Sequence[dict], recorders: Sequence[_Recorder]) -> None:
        self.inferences, self.recorders = inferences, recorders
        self.flags: dict[str, Any] = {}
        self.generators: dict[str, Any] = {}

    def before_run(self, runner: Runner) -> None:
        """Note the flags, which hooks of all configs have set by now."""
        self.flags = runner_flags()

    def before_test(self, runner: Runner) -> None:
        """Register the other configs with the inference model."""
        model = cast(InferenceModel, runner.model)
        model.watch_views()
        generators = generator_states()
        for inference, recorder in zip(self.inferences, self.recorders):
            model.add_variant(inference, self._keep_with(model, recorder))
        refuse_draws(generators)

    def before_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Note the generators' states; images are loaded, which may have drawn, in the same way for all configs."""
        if self.inferences:
            self.generators = generator_states()

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Refuse draws, and flags that the model has set."""
        if self.inferences:
            refuse_draws(self.generators)
            refuse_changed_state(self.flags, runner_flags)

    @staticmethod
    def _keep_with(model: InferenceModel, recorder: _Recorder) -> Callable[[SegDataSample, np.ndarray], None]:
        def keep(sample: SegDataSample, quantised_map: np.ndarray) -> None:
            labels = model.labels(quantised_map)
            agree = sample.views_agree.data if 'views_agree' in sample else None
            recorder.keep(sample.img_path, quantised_map, labels, sample.gt_sem_seg.data[0], agree)

        return keep


def run(config: dict, folder: Path, parents: dict[str, Path], device: str, bytes_allowed: int | None = None) -> dict:
    """Predict the test split; leaves ``maps/``, ``facts.csv`` and ``strata.csv`` in ``folder``.

    The loop is mmengine's own test loop with the config's hooks: ``tools/test.py`` on the dumped config predicts the
    same. The stage ``refine`` applies the refinements.

    Args:
        config: The resolved config.
        folder: The stage's working folder.
        parents: Needs ``train`` or ``take``, or ``combine`` for an ensemble. With ``choose`` the values that it has
            chosen take the place of the config's.
        device: ``cpu`` or ``cuda``.
        bytes_allowed: The most bytes that ``maps/`` may take; without ``maps/`` if they take more. None sets no limit.

    Returns:
        Facts, among them ``maps_sha256``, a digest of all quantised maps in the order of the images, and ``acted``, the
        counts of :mod:`benchmarks.stages.effect_counts`.
    """
    (facts,) = run_together([config], [folder], [parents], device, [bytes_allowed])
    return facts


def run_together(
    configs: Sequence[dict],
    folders: Sequence[Path],
    parents: Sequence[dict[str, Path]],
    device: str,
    bytes_allowed: Sequence[int | None] | None = None,
) -> list[dict]:
    """Predict the test split for several configs in one pass: each image is loaded once, and a view of it runs once.

    Args:
        configs: Resolved configs that differ in their views alone.
        folders: The working folder of each config.
        parents: As for :func:`run`, for each config; all are the same.
        device: ``cpu`` or ``cuda``.
        bytes_allowed: As for :func:`run`, for each config; the limited ones share the limit. None sets no limit.

    Returns:
        The facts for each config. ``seconds`` and memory are those of the whole pass; ``stacks_in_pass`` is the number
        of configs in it.
    """
    configs = [with_chosen(config, of_config) for config, of_config in zip(configs, parents, strict=True)]
    inferences = [{**config['inference'], 'refine': {}} for config in configs]
    runner = build_runner({**configs[0], 'inference': inferences[0]}, folders[0] / 'run', weights(parents[0]))
    split = list_split('test', configs[0]['test_dataloader']['dataset'])
    annotations = _Annotations(split)
    maps = MapWriter(folders, bytes_allowed or [None] * len(folders))
    recorders = [_Recorder(folder, split, annotations, maps) for folder in folders]
    runner._test_evaluator = Evaluator(recorders[:1])
    effects = EffectCountsOfTest()
    runner.register_hook(effects)
    runner.register_hook(_Variants(inferences[1:], recorders[1:]))
    start = time.perf_counter()
    with CudaPeak(device) as cuda:
        runner.test()
    for recorder, folder in zip(recorders, folders):
        recorder.table.write(folder)
        recorder.strata.write(folder)
    seconds = time.perf_counter() - start
    return [
        dict(
            seconds=seconds,
            images=recorder.count,
            maps_sha256=recorder.digest.hexdigest(),
            acted=effects.counts[number],
            stacks_in_pass=len(configs),
            peak_reserved_mib=cuda.reserved_mib,
        )
        for number, recorder in enumerate(recorders)
    ]
