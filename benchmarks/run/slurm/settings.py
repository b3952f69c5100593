"""Which resources the jobs of a grid ask of Slurm, and how stages are packed into jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from benchmarks.run.key_values import choice, count, read_pairs, text
from benchmarks.store.sizes import age_s, size_bytes

FLAG = '--slurm'
# What decides on which kind of node a job runs: a measurement of one kind of node does not stand for another.
PLACES = ('partition', 'constraint', 'nodelist', 'gres', 'gpus')
READERS = dict(
    partition=text,
    account=text,
    qos=text,
    constraint=text,
    reservation=text,
    nodelist=text,
    exclude=text,
    gres=text,
    setup=text,
    gpus=count,
    cpus=count,
    mem=size_bytes,
    time=age_s,
    pack=age_s,
    side_by_side=count,
    tries=count,
    cluster=choice('slurm', 'local', 'debug'),
)


@dataclass(frozen=True)
class SlurmSettings:
    """What jobs ask for.

    Args:
        partition: See ``sbatch --partition``; so for ``account``, ``qos``, ``constraint``, ``reservation``,
            ``nodelist``, ``exclude`` and ``gres``. None asks for nothing.
        setup: A shell command that a job runs first, such as ``module load cuda``.
        gpus: GPUs of each job.
        cpus: Cores of each job.
        mem: Memory of each job in bytes; None for the site's default.
        time: The time limit of each job in seconds.
        pack: Stages are packed into jobs that take about so many seconds.
        side_by_side: How many stages run at once in a job.
        tries: How often a stage whose job was pre-empted is submitted before it counts as ``preempted``.
        cluster: ``slurm``; or ``local`` and ``debug``, submitit's ways to run jobs on this machine.
    """

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    reservation: str | None = None
    nodelist: str | None = None
    exclude: str | None = None
    gres: str | None = None
    setup: str | None = None
    gpus: int | None = None
    cpus: int = 2
    mem: int | None = None
    time: float = 4 * 3600.0
    pack: float = 600.0
    side_by_side: int = 1
    tries: int = 10
    cluster: str = 'slurm'

    @property
    def nodes(self) -> str | None:
        """The kind of node as text, which enters the keys of measurements; None for this machine."""
        if self.cluster != 'slurm':
            return None
        asked = [f'{name}={getattr(self, name)}' for name in PLACES if getattr(self, name) is not None]
        return f'slurm {" ".join(asked)}'.strip()


def read_settings(
    words: Sequence[str], device: str | None, of_grid: Mapping[str, Any] = MappingProxyType({})
) -> tuple[SlurmSettings, str]:
    """The settings, and the device that stages run on.

    Args:
        words: What was given for ``--slurm``, KEY=VALUE.
        device: What was given for ``--device``; None lets ``gpus`` or ``gres`` decide.
        of_grid: The values that the grid's file gives. A flag replaces the value of its key; ``--device cpu``, and a
            flag that asks for GPUs, replace all that the grid says of GPUs.

    Raises:
        BadInput: A word cannot be read.
    """
    given: dict[str, Any] = read_pairs(FLAG, words, READERS)
    said_of_gpus = device == 'cpu' or _asks_for_gpus(given)
    kept = {key: value for key, value in of_grid.items() if not (said_of_gpus and _asks_for_gpus({key: value}))}
    values = kept | given
    wants_gpu = _asks_for_gpus(values)
    chosen = device or ('cuda' if wants_gpu else 'cpu')
    if chosen == 'cuda' and not wants_gpu:
        values['gpus'] = 1
    return SlurmSettings(**values), chosen


def _asks_for_gpus(values: Mapping[str, Any]) -> bool:
    return 'gpus' in values or values.get('gres', '').startswith('gpu')
