"""Stage ``combine``: puts the checkpoints of an ensemble's members into one file, which mmseg's own test can load."""

import time
from pathlib import Path

import torch

from benchmarks.stacks.several_networks import members
from benchmarks.stages.checkpoints import read_checkpoint
from benchmarks.stages.chosen import with_chosen
from benchmarks.stages.contracts import EnsembleCheckpoint, EnsembleMember
from benchmarks.stages.parents import CHECKPOINT, checkpoints


def run(config: dict, folder: Path, parents: dict[str, Path], device: str) -> dict:
    """Leave ``checkpoint.pth`` in ``folder``: an :class:`~benchmarks.stages.contracts.EnsembleCheckpoint`.

    Args:
        config: The resolved config that the ensemble is tested with.
        folder: The stage's working folder.
        parents: The members' trainings, in order. If a training has kept several checkpoints, each of them is a member.
            With ``choose`` the values that it has chosen take the place of the config's.
        device: Not used; weights are combined on the CPU.

    Returns:
        Facts, among them the number of members.
    """
    start = time.perf_counter()
    trained = [path for role, path in parents.items() if role != 'choose']
    rows: list[EnsembleMember] = []
    meta: dict = {}
    for member, training in zip(members(with_chosen(config, parents)), trained, strict=True):
        for path in checkpoints(training):
            checkpoint = read_checkpoint(path)
            meta = meta or checkpoint.get('meta', {})
            rows.append(EnsembleMember(state_dict=checkpoint['state_dict'], model=member.config['model']))
    combined = EnsembleCheckpoint(state_dict=rows[0]['state_dict'], meta=meta, ensemble=rows)
    torch.save(combined, folder / CHECKPOINT)
    return dict(seconds=time.perf_counter() - start, members=len(rows))
