"""The stored results that a stage reads, by their role in the stage. Imports no framework."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CHECKPOINT = 'checkpoint.pth'  # the last one, if a training has kept several
LABELS = 'labels'  # the folder of a teacher's labels in the result of the stage `label`


def by_role(parents: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Values by role. The role is the kind of the parent stage; several parents of one kind are numbered from 1.

    Args:
        parents: (kind, value) of each parent, in the plan's order.

    Example:
        >>> by_role([('predict', 'a'), ('train', 'b'), ('train', 'c')])
        {'predict': 'a', 'train 1': 'b', 'train 2': 'c'}
    """
    total, seen = Counter(kind for kind, _ in parents), Counter[str]()
    roles: dict[str, Any] = {}
    for kind, value in parents:
        seen[kind] += 1
        roles[kind if total[kind] == 1 else f'{kind} {seen[kind]}'] = value
    return roles


def weights(parents: Mapping[str, Path]) -> Path:
    """The checkpoint to predict with: the ensemble's if the stage reads one, else the training's or the trial's."""
    role = next(role for role in ('combine', 'take', 'train') if role in parents or role == 'train')
    return parents[role] / CHECKPOINT


def earlier_checkpoint(number: int) -> str:
    """The file name of an earlier checkpoint of a training; ``number`` 2 is the last but one."""
    return f'checkpoint_{number}.pth'


def checkpoints(training: Path) -> list[Path]:
    """All checkpoints that a training has kept, the last one first."""
    paths = [training / CHECKPOINT]
    while (path := training / earlier_checkpoint(len(paths) + 1)).is_file():
        paths.append(path)
    return paths
