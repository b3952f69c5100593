"""What a grid's file says of where its stages run, and of where results are shared; flags win over it."""

import argparse
from typing import Any

from benchmarks.errors import BadInput, Mistakes
from benchmarks.plan.grid import Grid
from benchmarks.run.key_values import read_values
from benchmarks.run.ray.settings import READERS as OF_RAY
from benchmarks.run.slurm.settings import READERS as OF_SLURM
from benchmarks.session.flags import NO_STORE, STORE


def settings_of_launchers(grid: Grid) -> dict[str, dict[str, Any]]:
    """The values that a grid's file gives for each launcher, by their keys.

    They are read whichever launcher runs the stages, so that a mistake is told before the grid is on a cluster.

    Raises:
        BadInput: A key is unknown, or a value cannot be read; all are named with the file.
    """
    mistakes, values = Mistakes(), dict[str, dict[str, Any]]()
    for launcher, given, readers in (('slurm', grid.slurm, OF_SLURM), ('ray', grid.ray, OF_RAY)):
        texts = {str(key): str(value) for key, value in given.items()}
        with mistakes.noted():
            values[launcher] = read_values(f"{grid.file}: '{launcher}'", texts, readers)
    mistakes.refuse()
    return values


def store_asked(args: argparse.Namespace, grid: Grid) -> tuple[str, str] | None:
    """The URL of the remote store, and what gives it, for messages: the flag, or else the grid's file.

    Returns:
        None where neither gives one, and with ``--store none``.

    Raises:
        BadInput: The grid's file gives one, and the launcher is one that needs none.
    """
    if args.store is not None:
        return None if args.store == NO_STORE else (args.store, STORE)
    if grid.store is None:
        return None
    if args.launcher == 'slurm':
        raise BadInput(
            f"{grid.file}: 'store' serves hosts that share no file system, and the jobs of --launcher slurm share the "
            f'work dir; add {STORE} {NO_STORE}'
        )
    return grid.store, f"{grid.file}: 'store'"
