"""Stage ``choose``: chooses values of a network by the scores of its trials on validation images; no network runs."""
# T trials, N images, C classes

import time
from pathlib import Path

import numpy as np

from benchmarks.analysis.scores import dice_of_areas, foreground_classes
from benchmarks.data.split import list_split
from benchmarks.stacks.network_trials import NETWORK
from benchmarks.stages.chosen import write_trial
from benchmarks.stages.facts import read_facts
from benchmarks.stages.outcome import Diverged


def run(config: dict, folder: Path, parents: dict[str, Path], device: str) -> dict:
    """Choose the trial with the highest score; leaves ``chosen.json`` in ``folder``.

    The score is Dice as in reports, from the counts of the predicted validation images. Of equal scores the first trial
    is taken: it has the values of the technique's file. A trial whose training diverged has no score, and is not taken.

    Args:
        config: Names the validation images as its test images; its key ``training`` has the trials and the keys of
            their predictions.
        folder: The stage's working folder.
        parents: The predictions of the validation images by the trials that did not diverge.
        device: Not used.

    Returns:
        Facts, among them ``searches``, with one entry as those of the stage ``select``.

    Raises:
        Diverged: The training of each trial did.
    """
    start = time.perf_counter()
    trials = config[NETWORK]
    split = list_split('val', config['test_dataloader']['dataset'])
    folders = {path.name: path for path in parents.values()}
    num_classes = len(split.classes)
    scores = [
        dice_of(folders[key], num_classes, split.background) if key in folders else None for key in trials['predicted']
    ]
    if not folders:
        raise Diverged('the training of each trial diverged')
    best = max((n for n, key in enumerate(trials['predicted']) if key in folders), key=lambda n: (_rank(scores[n]), -n))
    write_trial(folder, best)
    search = dict(
        technique=trials['technique'],
        trials=trials['trials'],
        dice=[None if score is None or np.isnan(score) else score for score in scores],
        chosen=best,
    )
    return dict(seconds=time.perf_counter() - start, images=len(split.images), searches=[search])


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
