"""Which resources a stage takes of a Ray cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.run.key_values import count, read_pairs, share
from benchmarks.store.sizes import age_s, size_bytes

FLAG = '--ray'
READERS = dict(gpus=share, cpus=share, memory=size_bytes, lost=age_s, tries=count)


@dataclass(frozen=True)
class RaySettings:
    """What a stage takes.

    Args:
        address: Of the cluster's head; None starts a cluster on this machine for the time of the run.
        gpus: GPUs of a stage; with 0.25, four stages share one.
        cpus: Cores of a stage.
        memory: Memory of a stage in bytes, by which Ray decides how many fit on a node; None does not count it.
        lost: Seconds without a sign of life after which a stage counts as lost.
        tries: How often a stage is begun whose node is lost.
    """

    address: str | None = None
    gpus: float = 0.0
    cpus: float = 1.0
    memory: int | None = None
    lost: float = 120.0
    tries: int = 5


def read_settings(
    words: Sequence[str], address: str | None, device: str | None, of_grid: Mapping[str, Any] = MappingProxyType({})
) -> tuple[RaySettings, str]:
    """The settings, and the device that stages run on.

    Args:
        words: What was given for ``--ray``, KEY=VALUE.
        address: What was given for ``--address``.
        device: What was given for ``--device``; None lets ``gpus`` decide.
        of_grid: The values that the grid's file gives. A flag replaces the value of its key; ``--device cpu`` replaces
            the number of GPUs.

    Raises:
        BadInput: A word cannot be read, or a CPU is to run what asks for GPUs.
    """
    given = read_pairs(FLAG, words, READERS)
    if device == 'cpu' and 'gpus' in given:
        raise BadInput(f'{FLAG} gpus={given["gpus"]:g} does not go with --device cpu; leave one of them out')
    values = {key: value for key, value in of_grid.items() if not (device == 'cpu' and key == 'gpus')} | given
    chosen = device or ('cuda' if 'gpus' in values else 'cpu')
    if chosen == 'cuda':
        values.setdefault('gpus', 1.0)
    return RaySettings(address, **values), chosen
