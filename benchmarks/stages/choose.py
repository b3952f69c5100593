"""Stage ``choose``: chooses values of a network by the scores of its trials on validation images; no network runs."""
# T trials, N images, C classes

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.analysis.scores import dice_of_areas, foreground_classes
from benchmarks.data.split import list_split
from benchmarks.stacks.network_trials import NETWORK
from benchmarks.stages.chosen import trials_in_round, write_trial
from benchmarks.stages.facts import read_facts
from benchmarks.stages.halving import survivors
from benchmarks.stages.outcome import Diverged
from benchmarks.store.result import MANIFEST


def run(config: dict, folder: Path, parents: dict[str, Path], device: str) -> dict:
    """Choose the trial with the highest score; leaves ``chosen.json`` in ``folder``.

    The score is Dice as in reports, from the counts of the predicted validation images. Of equal scores the first trial
    is taken: it has the values of the technique's file. A trial whose training diverged has no score, and is not taken.
    Where trials go on to a further round, the first one is always among them, and the others are the best.

    Args:
        config: Names the validation images as its test images; its key ``training`` has the trials, the keys of
            their predictions, the share of the schedule that they have trained, and how many of them go on.
        folder: The stage's working folder.
        parents: The predictions of the validation images by the trials that did not diverge, in order of their rank
            where ``choose``, the choice of the round before it, is a parent.
        device: Not used.

    Returns:
        Facts, among them ``searches``, with one entry as those of the stage ``select``; with several rounds it has
        ``steps``, the share of the schedule after which each trial got its score.

    Raises:
        Diverged: The training of each trial did.
    """
    start = time.perf_counter()
    trials = config[NETWORK]
    split = list_split('val', config['test_dataloader']['dataset'])
    folders = {path.name: path for role, path in parents.items() if role != 'choose'}
    if not folders:
        raise Diverged('the training of each trial diverged')
    search = _before(trials, parents)
    places = trials_in_round(parents, len(trials['trials']))
    scores = {}
    for place, key in zip(places, trials['predicted']):
        search['steps'][place], search['dice'][place] = trials['share'], None
        if key in folders:
            scores[place] = dice_of(folders[key], len(split.classes), split.background)
            search['dice'][place] = None if np.isnan(scores[place]) else scores[place]
    ranked = sorted(scores, key=lambda place: (-_rank(scores[place]), place))
    search['chosen'] = ranked[0]
    # The values of the file go on even where their training diverged; of the others only those with a score.
    rivals = [0, *sorted(place for place in scores if place)]
    known = [scores.get(place, np.nan) for place in rivals]
    order = [rivals[n] for n in survivors(known, trials['goes_on'])] if trials['goes_on'] else []
    write_trial(folder, ranked[0], places.index(ranked[0]), order)
    if not order and 'choose' not in parents:
        del search['steps']
    return dict(seconds=time.perf_counter() - start, images=len(split.images), searches=[search])


def _before(trials: Mapping[str, Any], parents: Mapping[str, Path]) -> dict[str, Any]:
    """The search as it was after the round before, or without a score."""
    if 'choose' in parents:
        return json.loads((parents['choose'] / MANIFEST).read_text())['facts']['searches'][0]
    nothing = [None] * len(trials['trials'])
    return dict(technique=trials['technique'], trials=trials['trials'], dice=[*nothing], chosen=0, steps=[*nothing])


def dice_of(folder: Path, num_classes: int, background: int | None) -> float:
    """The Dice of the images of a stage ``predict`` or ``refine``; NaN if no image shows a foreground class.

    Args:
        folder: Its result.
        num_classes: The number of classes.
        background: The index of the class that counts as background; None where every class counts.

    Returns:
        Percent.
    """
    areas = [[row['tp'], row['fp'], row['fn']] for row in read_facts(folder)]
    area = np.array(areas, np.int64).reshape(-1, num_classes, 3)
    return dice_of_areas(area, foreground_classes(num_classes, background))


def _rank(score: float | None) -> float:
    return -np.inf if score is None or np.isnan(score) else score
