"""The output of ``predict`` on disk: per image the quantised merged map, uint16 (C, H, W), p = q / 65535."""
import zipfile
from pathlib import Path

import numpy as np

SCALE = 65535
FOLDER = 'maps'
# Level 1: the maps are mostly 0 and 65535, and higher levels cost more time than they save space.
_LEVEL = 1


def write_map(folder: Path, index: int, q: np.ndarray) -> None:
    """Keep the map of the ``index``-th test image."""
    path = folder / FOLDER / f'{index:06d}.npz'
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        with archive.open('q.npy', 'w') as stream:
            np.lib.format.write_array(stream, np.ascontiguousarray(q))


def read_map(folder: Path, index: int) -> np.ndarray:
    """The map of the ``index``-th test image."""
    with np.load(folder / FOLDER / f'{index:06d}.npz') as archive:
        return archive['q']
