"""The result of one stage: a folder with files, and a manifest that names each of them with its size and sha256."""

import hashlib
import json
import os
import pickle
import sys
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MANIFEST = 'manifest.json'
_FIELDS = {'status', 'reason', 'facts', 'ingredients', 'label', 'files'}
_CHECKSUM = ',\n "sha256": "'  # of all that stands before it in the manifest
MAPS = 'maps'  # the only folder of a result that may be dropped


@dataclass(frozen=True, slots=True, init=False)
class Result:
    """The stored result of a stage.

    A run holds one for each stage of its plan, so that it takes little memory: the facts are packed, and the texts that
    results share are there once.

    Args:
        folder: The folder of its files.
        status: ``ok``, or why it failed: ``failed``, ``diverged``, ``out_of_memory``, ``timeout``.
        reason: One line for people; None when ok.
        facts: The stage's measured facts.
        ingredients: The ingredients of its key. A later run compares them with its own to say what has changed.
        label: The stage's label in the plan that computed it first.
        whole: Whether its maps are present, if it has any. A stage that reads maps needs a whole result.
    """

    _parent: str
    _name: str
    status: str
    reason: str | None
    _facts: bytes = field(repr=False)
    ingredients: Mapping[str, str] = field(repr=False)
    label: str
    whole: bool

    def __init__(
        self,
        folder: Path,
        status: str,
        reason: str | None,
        facts: Mapping[str, Any],
        ingredients: Mapping[str, str],
        label: str,
        whole: bool = True,
    ) -> None:
        values = (
            sys.intern(str(folder.parent)),
            sys.intern(folder.name),
            sys.intern(status),
            reason,
            pickle.dumps(dict(facts), pickle.HIGHEST_PROTOCOL),
            ingredients,
            sys.intern(label),
            whole,
        )
        for name, value in zip(self.__slots__, values):
            object.__setattr__(self, name, value)

    @property
    def folder(self) -> Path:
        """The folder of its files."""
        return Path(self._parent, self._name)

    @property
    def facts(self) -> dict[str, Any]:
        """The stage's measured facts; unpacked each time that they are asked for."""
        return pickle.loads(self._facts)

    @property
    def ok(self) -> bool:
        """Whether the stage succeeded."""
        return self.status == 'ok'

    def sharing(self, ingredients: Mapping[str, str]) -> 'Result':
        """With these ingredients in place of equal ones: in a large plan its stages' own are then the only ones."""
        if self.ingredients != ingredients:
            return self
        result = copy(self)
        object.__setattr__(result, 'ingredients', ingredients)
        return result


class Damaged(Exception):
    """The files of a stored result are not those that were written: it must be computed again."""


def result_of(folder: Path, manifest: dict, *, whole: bool = True) -> Result:
    """The result that a manifest describes.

    Args:
        folder: The result's folder.
        manifest: The content of its manifest.
        whole: See :class:`Result`.
    """
    fields = {name: manifest[name] for name in ('status', 'reason', 'facts', 'ingredients', 'label')}
    return Result(folder=folder, **fields, whole=whole)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest in a result's folder; None if there is no result.

    Raises:
        Damaged: It is no JSON, or not as it was written.
    """
    try:
        text = (folder / MANIFEST).read_text()
        manifest = json.loads(text, object_hook=_with_shared_names)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise Damaged(f'{folder / MANIFEST} is torn') from error
    is_whole = isinstance(manifest, dict) and manifest.keys() >= _FIELDS and _has_types(manifest)
    if not is_whole or not _has_checksum(text, manifest):
        raise Damaged(f'{folder / MANIFEST} is altered')
    return manifest


def _has_checksum(text: str, manifest: Mapping[str, Any]) -> bool:
    """Whether the checksum is that of the text; results from before it existed end with their files instead."""
    content, mark, checksum = text.rpartition(_CHECKSUM)
    return checksum.rstrip('"\n}') == _sha256_of(content) if mark else [*manifest][-1] == 'files'


def _has_types(manifest: Mapping[str, Any]) -> bool:
    texts = all(isinstance(manifest[name], str) for name in ('status', 'label'))
    tables = all(isinstance(manifest[name], dict) for name in ('facts', 'ingredients', 'files'))
    return texts and tables and all(map(_is_of_a_file, manifest['files'].values()))


def _is_of_a_file(entry: Any) -> bool:
    """Whether it is the size and the checksum of a file."""
    return isinstance(entry, list) and [type(part) for part in entry] == [int, str]


def _with_shared_names(content: Mapping[str, Any]) -> dict[str, Any]:
    """A dict of JSON whose keys are in memory once, and not once for each manifest that is read."""
    return {sys.intern(name): value for name, value in content.items()}


def write_manifest(folder: Path, stage: str, key: str, result: Result) -> None:
    """Write the manifest of a finished stage into the folder of its files, and wait until it is on the disk.

    Args:
        folder: The folder of the files.
        stage: Kind of stage.
        key: Its key.
        result: The result.
    """
    files = {
        str(path.relative_to(folder)): (path.stat().st_size, sha256(path))
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }
    manifest = dict(
        stage=stage,
        key=key,
        status=result.status,
        reason=result.reason,
        facts=result.facts,
        ingredients=dict(result.ingredients),
        label=result.label,
        whole=result.whole,
        files=files,
    )
    content = json.dumps(manifest, indent=1).removesuffix('\n}')
    with open(folder / MANIFEST, 'w') as stream:
        stream.write(f'{content}{_CHECKSUM}{_sha256_of(content)}"\n}}')
        stream.flush()
        os.fsync(stream.fileno())


def refuse_damaged_file(path: Path, size: int, checksum: str | None) -> None:
    """Compare a file with its line in the manifest.

    Args:
        path: The file.
        size: Its size when it was written, in bytes.
        checksum: Its sha256; None compares only the size.

    Raises:
        FileNotFoundError: There is no such file.
        Damaged: The file differs.
    """
    if path.stat().st_size != size:
        raise Damaged(f'{path} is truncated')
    if checksum is not None and sha256(path) != checksum:
        raise Damaged(f'{path} is altered')


def _sha256_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def sha256(path: Path) -> str:
    """sha256 of a file, in hexadecimal digits."""
    with open(path, 'rb') as stream:
        return hashlib.file_digest(stream, 'sha256').hexdigest()
