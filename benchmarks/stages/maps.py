"""The output of ``predict`` on disk: per image the quantised merged map, uint16 (C, H, W), p = q / 65535."""

import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.store.store import MAPS

SCALE = 65535
# Level 1: the maps are mostly 0 and 65535, and higher levels cost more time than they save space.
_LEVEL = 1


class MapWriter:
    """Keeps the maps of all stacks that one pass predicts.

    Args:
        folders: Where each stack's go, below ``maps/``.
        rooms: For each stack None, so that its maps are kept whatever they take; or how many bytes they may take
            together with those of the other stacks that have such a limit. Where they take more, the last of these
            stacks is left without.
    """

    def __init__(self, folders: Sequence[Path], rooms: Sequence[int | None]) -> None:
        self.rooms = {folder: room for folder, room in zip(folders, rooms, strict=True) if room is not None}
        self.sizes = {folder: 0 for folder in folders if self.rooms.get(folder) != 0}

    def write(self, folder: Path, index: int, q: np.ndarray) -> None:
        """Keep the map of the ``index``-th test image of a stack, if there is room for its maps."""
        if folder not in self.sizes:
            return
        self.sizes[folder] += write_map(folder, index, q)
        while limited := [one for one in self.sizes if one in self.rooms]:
            if sum(self.sizes[one] for one in limited) <= min(self.rooms[one] for one in limited):
                return
            del self.sizes[limited[-1]]
            shutil.rmtree(limited[-1] / MAPS, ignore_errors=True)


def write_map(folder: Path, index: int, q: np.ndarray) -> int:
    """Keep the map of the ``index``-th test image; gives the bytes that it takes."""
    path = folder / MAPS / f'{index:06d}.npz'
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        with archive.open('q.npy', 'w') as stream:
            np.lib.format.write_array(stream, np.ascontiguousarray(q))
    return path.stat().st_size


def read_map(folder: Path, index: int) -> np.ndarray:
    """The map of the ``index``-th test image."""
    with np.load(folder / MAPS / f'{index:06d}.npz') as archive:
        return archive['q']
