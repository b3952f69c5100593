"""Stage ``take``: takes the weights of the trial that was chosen; nothing is trained again."""

import json
import os
import shutil
import time
from pathlib import Path

from benchmarks.stacks.network_trials import NETWORK
from benchmarks.stages.chosen import taken_training
from benchmarks.stages.parents import checkpoints
from benchmarks.store.result import MANIFEST


def run(config: dict, folder: Path, parents: dict[str, Path], device: str) -> dict:
    """Leave the checkpoints of the chosen trial in ``folder``.

    Args:
        config: Its key ``training`` names the training of each trial of the last round.
        folder: The stage's working folder.
        parents: Needs ``choose``, and the trainings of the trials; those that diverged are not among them.
        device: Not used; files are linked, or copied where the disk cannot link.

    Returns:
        Facts: ``taken``, the key of the chosen trial's training, and ``training``, its facts.
    """
    start = time.perf_counter()
    taken = config[NETWORK]['trained'][taken_training(parents)]
    training = next(path for path in parents.values() if path.name == taken)
    for path in checkpoints(training):
        try:
            os.link(path, folder / path.name)
        except OSError:
            shutil.copyfile(path, folder / path.name)
    facts = json.loads((training / MANIFEST).read_text())['facts']
    return dict(seconds=time.perf_counter() - start, taken=taken, training=facts)
