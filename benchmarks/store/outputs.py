"""The output folders whose records refer to results of a store, so that garbage collection spares these results."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.files import read_json, write_atomic
from benchmarks.store.fresh import names_in


@dataclass(frozen=True)
class Output:
    """An output folder that a run has told the store of.

    Args:
        file: The store's file for it.
        folder: The output folder.
        keys: The keys of the last plan that was run with it.
        source: The grid that this plan was made from, as the caller of :meth:`Outputs.add` has described it.
    """

    file: Path
    folder: Path
    keys: list[str]
    source: dict | None = None


class Outputs:
    """The files of output folders in one folder.

    Args:
        folder: Created when missing.
        beside: The work dir, which holds the store. The path of an output folder inside it is stored relative to it,
            so that the work dir can be moved as a whole.
    """

    def __init__(self, folder: Path, beside: Path) -> None:
        self.folder, self.beside = folder, beside
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, out: Path, keys: Iterable[str], source: dict | None = None) -> None:
        """Remember that the records in ``out`` refer to results here, or will soon refer to those of ``keys``.

        Args:
            out: The output folder.
            keys: The keys of the plan.
            source: Describes the grid of the plan; returned by :meth:`source_of`.
        """
        known = self._known_as(out)
        content = dict(out=known, keys=list(keys)) | ({} if source is None else dict(source=source))
        write_atomic(self._file(known), json.dumps(content).encode())

    def source_of(self, out: Path) -> dict | None:
        """The grid whose plan was last run with ``out``; None if there is none, or it was not described."""
        content = read_json(self._file(self._known_as(out)))
        return content.get('source') if isinstance(content, dict) else None

    def keys_of(self, out: Path) -> set[str]:
        """The keys of the plan that was last run with ``out``; none if there is no such plan."""
        content = read_json(self._file(self._known_as(out)))
        return set(content.get('keys', ())) if isinstance(content, dict) else set()

    def _known_as(self, out: Path) -> str:
        out, beside = Path(out).resolve(), self.beside.resolve()
        return str(out.relative_to(beside)) if out.is_relative_to(beside) else str(out)

    def _file(self, known_as: str) -> Path:
        return self.folder / f'{hashlib.sha256(known_as.encode()).hexdigest()[:40]}.json'

    def __iter__(self) -> Iterator[Output]:
        return self._read(os.listdir(self.folder))

    def now(self) -> Iterator[Output]:
        """All of them, with those that another host has just added. The folder must be one that can be written to."""
        return self._read(names_in(self.folder))

    def _read(self, names: Iterable[str]) -> Iterator[Output]:
        for path in sorted(self.folder / name for name in names if name.endswith('.json')):
            content = json.loads(path.read_text())
            yield Output(path, self.beside / content['out'], content['keys'], content.get('source'))
