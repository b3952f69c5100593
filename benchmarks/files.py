"""Files written atomically, small JSON caches, the digest of a value, and the folder that holds the packages."""

import hashlib
import json
import os
import threading
import uuid
from pathlib import Path
from typing import Any

# The folder that holds the packages `benchmarks` and `plugins` and the folder `configs`: a checkout, or site-packages.
ROOT = Path(__file__).resolve().parents[1]


def write_atomic(path: Path, content: bytes) -> Path:
    """Write ``content`` so that readers see the old file or the new one, never a part, even across a crash."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.{threading.get_ident()}.tmp')
    try:
        with open(temporary, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def read_json(path: str | os.PathLike):
    """Reads a JSON file; None if it is missing or damaged."""
    try:
        return json.loads(Path(path).read_text())
    except (OSError, ValueError):
        return None


def write_json(path: str | os.PathLike, content) -> None:
    """Writes a JSON file so that a reader sees the old or the new content, never a part."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f'.{path.name}-{uuid.uuid4().hex}')
    try:
        scratch.write_text(json.dumps(content))
        os.replace(scratch, path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


def digest(value: Any) -> str:
    """sha256 of a value's canonical JSON; tuples count as lists, the order of dict keys and of sets does not count."""
    text = json.dumps(value, sort_keys=True, separators=(',', ':'), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    return sorted(map(repr, value)) if isinstance(value, (set, frozenset)) else repr(value)
