"""The results that a stage reads, by the role that they play for it. Imports no framework."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CHECKPOINT = 'checkpoint.pth'  # of several that a training has kept, the last
LABELS = 'labels'  # where a teacher's labels are in the result of the stage `label`


def by_role(parents: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Values by role: the kind of the stage they come from, with a number from 1 where several are of one kind.

    Args:
        parents: (kind, value) of each parent, in the plan's order.
    """
    total, seen = Counter(kind for kind, _ in parents), Counter()
    roles = {}
    for kind, value in parents:
        seen[kind] += 1
        roles[kind if total[kind] == 1 else f'{kind} {seen[kind]}'] = value
    return roles


def weights(parents: Mapping[str, Path]) -> Path:
    """The checkpoint to predict with: that of an ensemble where there is one, else that of the training."""
    return (parents['combine'] if 'combine' in parents else parents['train']) / CHECKPOINT


def earlier_checkpoint(number: int) -> str:
    """The file of the ``number``-th checkpoint (from 2) that a training has kept, counted from the last one."""
    return f'checkpoint_{number}.pth'


def checkpoints(training: Path) -> list[Path]:
    """All checkpoints that a training has kept, the last one first."""
    found = [training / CHECKPOINT]
    while (path := training / earlier_checkpoint(len(found) + 1)).is_file():
        found.append(path)
    return found
