"""Stage ``combine``: the checkpoints of an ensemble's members in one file, which mmseg's own test loads, too."""

import time
from pathlib import Path

import torch

from benchmarks.stacks.several_networks import ENSEMBLE, members
from benchmarks.stages.parents import CHECKPOINT, checkpoints


def run(config: dict, folder: Path, parents: dict[str, Path], device: str) -> dict:
    """Leave ``checkpoint.pth`` in ``folder``: that of the first member, and the list ``ensemble`` of all members.

    Args:
        config: The resolved config that the ensemble is tested with.
        folder: The stage's working folder.
        parents: The members' trainings, in order; of a training that has kept several checkpoints each is a member.
        device: Not used; weights are combined on the CPU.
    """
    start = time.perf_counter()
    rows, meta = [], None
    for member, training in zip(members(config), parents.values(), strict=True):
        for path in checkpoints(training):
            weights = torch.load(path, map_location='cpu', weights_only=False)
            meta = meta or weights['meta']
            rows.append(dict(state_dict=weights['state_dict'], model=member.config['model']))
    torch.save({'state_dict': rows[0]['state_dict'], 'meta': meta, ENSEMBLE: rows}, folder / CHECKPOINT)
    return dict(seconds=time.perf_counter() - start, members=len(rows))
