"""A folder of rendered images and labels, written once, with a checksum file to verify it.

Layout: ``img_dir`` and ``ann_dir``, each with ``train``, ``val`` and ``test``, and ``checksums.json``. That file holds
all parameters on which the pixels depend, and the size and sha256 of each file.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np

from plugins.datasets.new_folder import new_folder

CHECKSUMS = 'checksums.json'

Written = tuple[str, np.ndarray, np.ndarray]  # path below img_dir and ann_dir, image (H, W) uint8, labels (H, W) uint8


def ensure_folder(root: str | os.PathLike, parameters: dict, render: Callable[[], Iterable[Written]]) -> None:
    """Write the data set to ``root``; if it exists, check that it is complete and has the same parameters.

    The folder appears complete or not at all (see :func:`new_folder`), so several processes may call this at the same
    time. The check compares names and sizes; :func:`verify_checksums` compares contents. A folder that differs is never
    changed, because another process may be reading it, or the user may have named a wrong folder.

    Args:
        root: The folder.
        parameters: All parameters on which the pixels depend, in types that JSON preserves; ``slices`` is the layout.
        render: Yields the path, the image and the labels of each slice.

    Raises:
        ValueError: ``root`` holds other files, lacks some, or was made with other parameters.
    """
    root = Path(root)
    if not root.is_dir() or not any(root.iterdir()):
        try:
            with new_folder(root) as folder:
                _write(folder, parameters, render())
            return
        except FileExistsError:
            pass  # another process was faster; check its folder
    made_with, files = _read_checksums(root)
    if made_with != parameters:
        differing = [key for key in parameters if made_with.get(key) != parameters[key]]
        told = ', '.join(
            f'{key} {made_with.get(key)} instead of {parameters[key]}' for key in differing if key != 'slices'
        )
        raise ValueError(
            f'{root} was made with other parameters ({told or "another layout"}): '
            'delete it to have it written anew, or name another data_root'
        )
    damaged = [name for name, entry in files.items() if _size(root / name) != entry['bytes']]
    _refuse_damaged(root, damaged)


def verify_checksums(root: str | os.PathLike) -> None:
    """Compare the sha256 of each file of the data set with that in ``checksums.json``.

    Raises:
        ValueError: A file is missing or altered, or the checksum file is.
    """
    root = Path(root)
    _, files = _read_checksums(root)
    damaged = [
        name
        for name, entry in files.items()
        if _size(root / name) is None or _sha256((root / name).read_bytes()) != entry['sha256']
    ]
    _refuse_damaged(root, damaged)


def _write(folder: Path, parameters: dict, written: Iterable[Written]) -> None:
    files = {}
    for path, image, labels in written:
        for kind, pixels in (('img_dir', image), ('ann_dir', labels)):
            name = f'{kind}/{path}'
            png = _png(pixels)
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(png)
            files[name] = dict(bytes=len(png), sha256=_sha256(png))
    (folder / CHECKSUMS).write_text(json.dumps(dict(parameters=parameters, files=files), indent=1))


def _png(pixels: np.ndarray) -> bytes:
    # Stored without compression: the bytes of deflate depend on the build of zlib, and noise compresses badly anyway.
    written, buffer = cv2.imencode('.png', pixels, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    if not written:
        raise ValueError('OpenCV could not encode a PNG file; install opencv-python-headless')
    return buffer.tobytes()


def _read_checksums(root: Path) -> tuple[dict, dict]:
    try:
        content = json.loads((root / CHECKSUMS).read_text())
        return content['parameters'], content['files']
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f'{root} exists but has no readable {CHECKSUMS}, so it is not a whole ICBM152 data set: '
            'delete it to have it written anew, or name another data_root'
        ) from error


def _refuse_damaged(root: Path, damaged: list[str]) -> None:
    if damaged:
        raise ValueError(
            f'{root} lacks or has altered {len(damaged)} file(s), such as {damaged[0]}: '
            'delete the folder to have it written anew'
        )


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
