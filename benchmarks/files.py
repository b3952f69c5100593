"""Files written atomically, small JSON files, full disks, digests, and the folder of the packages."""

import errno
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

# The folder that holds the packages `benchmarks` and `plugins` and the folder `configs`: a checkout, or site-packages.
ROOT = Path(__file__).resolve().parents[1]
_CHECKSUM, _CONTENT = '{"sha256": "', '", "content": '  # of a file of write_json, in this order


def is_full_disk(error: OSError) -> bool:
    """Whether a write failed for want of room: the disk is full, or the user's quota of it is."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def cannot_be_written(error: OSError) -> bool:
    """Whether a file cannot be written for a reason that lies in its disk, and not in this program."""
    reasons = (errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT)
    return is_full_disk(error) or error.errno in reasons


def write_atomic(path: str | os.PathLike[str], content: bytes, *, sync: bool = True) -> Path:
    """Write a file so that a reader sees its old or its new content, never a part of one.

    The content goes to a hidden file in the same folder, which then takes the file's name. A writer that is killed
    leaves the old file as it was, and perhaps the hidden one. Of several writers at once, the last one wins.

    Args:
        path: The file. Its folder is made if it is missing.
        content: All of the file's new content.
        sync: Whether the content must be on the disk before the file gets its name, so that a crash of the whole
            machine cannot leave an empty file either. It costs milliseconds. Pass False only for a file that may be
            lost: a cache, whose content can be computed again, or the progress of a running stage.

    Returns:
        The path.

    Raises:
        OSError: The folder cannot be made or written to; nothing is left behind.
    """
    with atomic_file(path, sync=sync) as file:
        file.write(content)
    return Path(path)


@contextmanager
def atomic_file(path: str | os.PathLike[str], *, sync: bool = True) -> Iterator[BinaryIO]:
    """A context that writes a file piece by piece as :func:`write_atomic` writes one at once.

    Leaving the context gives the file its name. If an exception leaves it, the old file stays as it was.

    Args: as those of :func:`write_atomic`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{uuid.uuid4().hex}.tmp')  # no other writer, on any machine, has this name
    try:
        with open(temporary, 'wb') as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_json(path: str | os.PathLike[str]) -> Any:
    """The content of a JSON file; None if it is missing or damaged, be it by a single bit.

    Files that :func:`write_json` has written begin with a checksum of their content. Others are read as they are.
    """
    try:
        text = Path(path).read_text(encoding='utf-8')
        checksum = text[len(_CHECKSUM) : len(_CHECKSUM) + 64]
        start = _CHECKSUM + checksum + _CONTENT
        if not text.startswith(start):
            return json.loads(text)
        content = text[len(start) : -1]
        return json.loads(content) if hashlib.sha256(content.encode()).hexdigest() == checksum else None
    except (OSError, ValueError):
        return None


def write_json(path: str | os.PathLike[str], content: Any) -> Path:
    """Write a small JSON file that may be lost, such as a cache (see :func:`write_atomic`, ``sync=False``).

    Raises:
        TypeError: JSON has no such value; the old file stays.
        OSError: As :func:`write_atomic`.
    """
    text = json.dumps(content)
    checksum = hashlib.sha256(text.encode()).hexdigest()
    return write_atomic(path, f'{_CHECKSUM}{checksum}{_CONTENT}{text}}}'.encode(), sync=False)


def digest(value: Any) -> str:
    """sha256 of a value's canonical JSON, in hexadecimal digits.

    Two values have the same digest if they differ only in the order of dict keys, in the order of a set's elements, or
    in using tuples for lists. A value that JSON does not know enters by its ``repr``.
    """
    text = json.dumps(value, sort_keys=True, separators=(',', ':'), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    return sorted(map(repr, value)) if isinstance(value, (set, frozenset)) else repr(value)
