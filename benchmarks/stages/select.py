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
from benchmarks.stages.halving import image_order, rungs, survivors
from benchmarks.stages.maps import read_map
from benchmarks.stages.parents import weights
from benchmarks.stages.progress import Progress
from benchmarks.stages.refine import groups
from benchmarks.stages.runner import build_runner, open_inference


def run(config: dict, folder: Path, parents: dict[str, Path], device: str) -> dict:
    """Refine the maps with the values of each trial, and keep the best values; leaves ``chosen.json`` in ``folder``.

    The score is Dice as in reports, from counts, over all validation images; with halving that of a trial which was
    dropped is over those it was tried on. Of equal scores the first trial is taken: it has the values of the
    technique's file. Several tuned techniques are taken in turn, each with the values that
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
        undefined), ``chosen``, the place of the chosen trial, and with halving ``images``, how many of them each trial
        was tried on.
    """
    config = with_chosen(config, parents)
    plain = {**without_search(config), 'inference': dict(views={}, refine={})}
    runner = build_runner(plain, folder / 'run', weights(parents))
    model = cast(VariantHolder, open_inference(runner))
    split = list_split('val', config['test_dataloader']['dataset'])
    trials: Mapping[str, list[Values]] = config[SEARCH]['trials']
    images = _Images(runner.test_dataloader.dataset, split, parents['predict'])
    halving: Mapping[str, int] = config[SEARCH].get('halving', {})
    races = {name: rungs(len(each), len(split.images), halving.get(name)) for name, each in trials.items()}
    progress = Progress(folder, sum(map(_refinements, races.values())))
    chosen: Values = {}
    searches: list[dict] = []
    start = time.perf_counter()
    with CudaPeak(device) as cuda:
        for technique, of_technique in trials.items():
            models = [_refining(model, config['inference'], chosen | values) for values in of_technique]
            scores, tried = images.dice(models, races[technique], progress)
            best = best_of([score if number == len(split.images) else np.nan for score, number in zip(scores, tried)])
            chosen |= of_technique[best]
            search = dict(technique=technique, trials=of_technique, dice=_told(scores), chosen=best)
            searches.append({**search, 'images': tried} if technique in halving else search)
    write_chosen(folder, chosen)
    return dict(
        seconds=time.perf_counter() - start,
        images=len(split.images),
        searches=searches,
        peak_reserved_mib=cuda.reserved_mib,
    )


def _refinements(race: Sequence[tuple[int, int]]) -> int:
    """How many times a trial refines an image in a race."""
    before = [0, *(images for _, images in race)]
    return sum(trials * (images - done) for (trials, images), done in zip(race, before))


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

    def dice(
        self, models: Sequence[InferenceModel], race: Sequence[tuple[int, int]], progress: Progress
    ) -> tuple[list[float], list[int]]:
        """The Dice of the refinements of each model in percent, and the number of images that it was tried on.

        Args:
            models: The model of each trial, that with the values of the technique's file first.
            race: The number of models and of images of each rung.
            progress: Told of each refinement.
        """
        num_classes, order = len(self.split.classes), image_order(len(self.dataset))
        foreground = foreground_classes(num_classes, self.split.background)
        areas = np.zeros((len(models), len(order), num_classes, 3), np.int64)
        scores, tried, places = [np.nan] * len(models), [0] * len(models), list(range(len(models)))
        done = 0
        for trials, images in race:
            if trials < len(places):
                places = sorted(places[n] for n in survivors([scores[n] for n in places], trials))
            for index in order[done:images]:
                areas[places, index] = self._areas(index, [models[n] for n in places], progress)
            for n in places:
                scores[n], tried[n] = dice_of_areas(areas[n, order[:images]], foreground), images
            done = images
        return scores, tried

    def _areas(self, index: int, models: Sequence[InferenceModel], progress: Progress) -> np.ndarray:
        """Of one image the tp, fp and fn of each class after the refinements of each model: (models, classes, 3)."""
        num_classes = len(self.split.classes)
        sample = self.dataset[index]['data_samples']
        truth = sample.gt_sem_seg.data[0].numpy()
        quantised_map = read_map(self.folder, index)
        areas = np.zeros((len(models), num_classes, 3), np.int64)
        for group in groups(len(models), num_classes * truth.size):
            of_group = [models[n] for n in group]
            refined = models[0].refine_all(of_group, [quantised_map] * len(of_group), sample.img_path)
            for n, labels in zip(group, refined):
                counts = class_counts(confusion(labels, truth, num_classes, self.split.ignore_index))
                areas[n] = np.stack(counts, axis=-1)
                progress.advance()
        return areas
