"""Stage ``select``: chooses values of refinements on the stored maps of validation images; no network runs."""
# T trials, N images, C classes

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from benchmarks.analysis.scores import dice_of_areas, foreground_classes
from benchmarks.data.split import Split, list_split
from benchmarks.probes.counts import class_counts, confusion
from benchmarks.probes.memory import CudaPeak
from benchmarks.stacks.tuning import SEARCH, Values, with_values, without_search
from benchmarks.stages.chosen import with_chosen, write_chosen
from benchmarks.stages.contracts import ImageDataset, InferenceModel, VariantHolder
from benchmarks.stages.maps import read_map
from benchmarks.stages.parents import weights
from benchmarks.stages.progress import Progress
from benchmarks.stages.refine import groups
from benchmarks.stages.runner import build_runner, open_inference


def run(config: dict, folder: Path, parents: dict[str, Path], device: str) -> dict:
    """Refine the maps with the values of each trial, and keep the best values; leaves ``chosen.json`` in ``folder``.

    The score is Dice as in reports, from counts, over all validation images. Of equal scores the first trial is taken:
    it has the values of the technique's file. Several tuned techniques are taken in turn, each with the values that
    were chosen before it, so that each has its own number of trials.

    Args:
        config: A config whose test images are the validation images; ``search`` has the trials
            (:mod:`benchmarks.stacks.tuning`).
        folder: The stage's working folder.
        parents: Needs ``predict``, of the validation images, and ``train``, ``take`` or ``combine``. With ``choose``
            the network has the values that it has chosen.
        device: ``cpu`` or ``cuda``.

    Returns:
        Facts, among them ``searches``: of each technique its ``trials``, their ``dice`` in percent (None where
        undefined), and ``chosen``, the place of the chosen trial.
    """
    config = with_chosen(config, parents)
    plain = {**without_search(config), 'inference': dict(views={}, refine={})}
    runner = build_runner(plain, folder / 'run', weights(parents))
    model = cast(VariantHolder, open_inference(runner))
    split = list_split('val', config['test_dataloader']['dataset'])
    trials: Mapping[str, list[Values]] = config[SEARCH]['trials']
    images = _Images(runner.test_dataloader.dataset, split, parents['predict'])
    progress = Progress(folder, len(split.images) * sum(map(len, trials.values())))
    chosen: Values = {}
    searches: list[dict] = []
    start = time.perf_counter()
    with CudaPeak(device) as cuda:
        for technique, of_technique in trials.items():
            models = [_refining(model, config['inference'], chosen | values) for values in of_technique]
            scores = images.dice(models, progress)
            best = best_of(scores)
            chosen |= of_technique[best]
            searches.append(dict(technique=technique, trials=of_technique, dice=_told(scores), chosen=best))
    write_chosen(folder, chosen)
    return dict(
        seconds=time.perf_counter() - start,
        images=len(split.images),
        searches=searches,
        peak_reserved_mib=cuda.reserved_mib,
    )


def best_of(scores: Sequence[float]) -> int:
    """The place of the highest score, the first of equal ones; an undefined score is below all others."""
    return int(np.argmax([-np.inf if np.isnan(score) else score for score in scores]))


def _told(scores: Sequence[float]) -> list[float | None]:
    return [None if np.isnan(score) else float(score) for score in scores]


def _refining(model: VariantHolder, inference: dict, values: Values) -> InferenceModel:
    """A model that refines with the values of a trial, beside ``model``, whose network it shares."""
    refine = with_values(dict(inference=inference), values)['inference']['refine']
    model.add_variant(dict(views={}, refine=refine), lambda sample, quantised_map: None)
    return model.variants[-1]


class _Images:
    """The validation images with their stored maps.

    Args:
        dataset: The data set.
        split: Its listing.
        folder: The result of the stage ``predict`` with their maps.
    """

    def __init__(self, dataset: ImageDataset, split: Split, folder: Path) -> None:
        self.dataset, self.split, self.folder = dataset, split, folder

    def dice(self, models: Sequence[InferenceModel], progress: Progress) -> list[float]:
        """The Dice of the refinements of each model, in percent."""
        num_classes = len(self.split.classes)
        areas = np.zeros((len(models), len(self.dataset), num_classes, 3), np.int64)
        for index in range(len(self.dataset)):
            sample = self.dataset[index]['data_samples']
            truth = sample.gt_sem_seg.data[0].numpy()
            quantised_map = read_map(self.folder, index)
            for group in groups(len(models), num_classes * truth.size):
                of_group = [models[n] for n in group]
                refined = models[0].refine_all(of_group, [quantised_map] * len(of_group), sample.img_path)
                for n, labels in zip(group, refined):
                    counts = class_counts(confusion(labels, truth, num_classes, self.split.ignore_index))
                    areas[n, index] = np.stack(counts, axis=-1)
                    progress.advance()
        foreground = foreground_classes(num_classes, self.split.background)
        return [dice_of_areas(area, foreground) for area in areas]
