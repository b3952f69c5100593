"""The output of the stage ``predict`` on disk: the quantised merged map of each image.

A quantised map is uint16 (C, H, W); a probability is ``p = map / SCALE``. An image's file is ``maps/<index>.npz``,
which holds the array ``q``.
"""

import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.store.store import MAPS

SCALE = 65535  # the largest uint16; the inference model quantises by the same number
# The maps are mostly 0 and SCALE: higher levels cost more time than they save space.
_LEVEL = 1


class MapWriter:
    """Writes the maps of all stacks that one pass predicts.

    Args:
        folders: The folder of each stack; its maps go to ``maps/`` in there.
        limits: For each stack None, if its maps are kept at any size; otherwise the most bytes that its maps and those
            of the other limited stacks may take together. When they exceed it, the maps of the last limited stack are
            removed, and no more of that stack are written.
    """

    def __init__(self, folders: Sequence[Path], limits: Sequence[int | None]) -> None:
        self.limits = {folder: limit for folder, limit in zip(folders, limits, strict=True) if limit is not None}
        self.sizes = {folder: 0 for folder in folders if self.limits.get(folder) != 0}

    def write(self, folder: Path, index: int, quantised_map: np.ndarray) -> None:
        """Write the map of the ``index``-th test image of a stack, unless the stack's maps exceed the limit."""
        if folder not in self.sizes:
            return
        self.sizes[folder] += write_map(folder, index, quantised_map)
        while limited := [stack for stack in self.sizes if stack in self.limits]:
            if sum(self.sizes[stack] for stack in limited) <= min(self.limits[stack] for stack in limited):
                return
            del self.sizes[limited[-1]]
            shutil.rmtree(limited[-1] / MAPS, ignore_errors=True)


def write_map(folder: Path, index: int, quantised_map: np.ndarray) -> int:
    """Write the map of the ``index``-th test image.

    Returns:
        The size of the file in bytes.
    """
    path = folder / MAPS / f'{index:06d}.npz'
    path.parent.mkdir(exist_ok=True)
    with (
        zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive,
        archive.open('q.npy', 'w') as stream,
    ):
        np.lib.format.write_array(stream, np.ascontiguousarray(quantised_map))
    return path.stat().st_size


def read_map(folder: Path, index: int) -> np.ndarray:
    """The map of the ``index``-th test image.

    Raises:
        ValueError: The file holds objects instead of numbers; they are not unpickled.
    """
    path = folder / MAPS / f'{index:06d}.npz'
    with np.load(path) as archive:
        try:
            return archive['q']
        except ValueError as error:
            raise ValueError(
                f'{path} is no map ({error}); remove the folder {folder} and run again with --retry-failed'
            ) from error
