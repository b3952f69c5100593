"""The output folders whose records refer to results of a store, so that garbage collection spares these results."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.files import write_atomic


@dataclass(frozen=True)
class Output:
    """An output folder that a run has told the store of.

    Args:
        file: The store's file for it.
        folder: The output folder.
        keys: The keys of the last plan that was run with it.
    """

    file: Path
    folder: Path
    keys: list[str]


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

    def add(self, out: Path, keys: Iterable[str]) -> None:
        """Remember that the records in ``out`` refer to results here, or will soon refer to those of ``keys``."""
        out, beside = Path(out).resolve(), self.beside.resolve()
        known = str(out.relative_to(beside)) if out.is_relative_to(beside) else str(out)
        write_atomic(
            self.folder / f'{hashlib.sha256(known.encode()).hexdigest()[:40]}.json',
            json.dumps(dict(out=known, keys=list(keys))).encode(),
        )

    def __iter__(self) -> Iterator[Output]:
        for path in sorted(self.folder.glob('*.json')):
            content = json.loads(path.read_text())
            yield Output(path, self.beside / content['out'], content['keys'])
