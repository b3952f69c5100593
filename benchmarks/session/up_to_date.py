"""What the files of an output folder were made of, so that the same is not made again.

Records and report follow from the plan, the stored results, ``grid.json`` and the harness's own code. A digest of these
is kept in the work dir's cache, with size and time stamp of every file that was made: when nothing of either has
changed, making them anew would give what is there. Whatever was touched by hand is therefore made anew, too.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.files import digest, read_json, write_json
from benchmarks.plan.plan import Plan
from benchmarks.store.store import Store

PACKAGE = Path(__file__).resolve().parents[1]
MADE = ('grid.json', 'records', 'configs', 'report')


def signature(plan: Plan, store: Store, results: Iterable[str], grid: Mapping[str, Any]) -> str:
    """A digest of all that the files are made of.

    Args:
        plan: The plan.
        store: Where its results are.
        results: Keys of the finished stages.
        grid: The content of ``grid.json``.
    """
    cells = [[cell.name, cell.steps, digest(cell.config)] for cell in plan.cells]
    stored = [[key, store.identity(plan.stages[key].kind, key)] for key in sorted(results)]
    return digest([_code(), cells, list(plan.profiles.values()), stored, grid])


class MadeOf:
    """What one output folder was made of.

    Args:
        cache: Folder of the work dir where this is remembered.
        out: The output folder.
    """

    def __init__(self, cache: Path, out: Path) -> None:
        self.out = out
        self.path = cache / f'made_{digest(str(out.resolve()))[:40]}.json'

    def is_still(self, signature: str) -> bool:
        """Whether the folder was made of this, and is as it was then."""
        known = read_json(self.path)
        return isinstance(known, dict) and known.get('signature') == signature and known.get('files') == self._files()

    def remember(self, signature: str) -> None:
        """The folder has just been made of this."""
        write_json(self.path, dict(signature=signature, files=self._files()))

    def _files(self) -> dict[str, list[int]]:
        found = {}
        for name in MADE:
            for path in [self.out / name, *(self.out / name).rglob('*')]:
                if path.is_file():
                    status = path.stat()
                    found[os.path.relpath(path, self.out)] = [status.st_size, status.st_mtime_ns, status.st_ino]
        return found


def _code() -> str:
    """A digest of the harness's source."""
    sources = hashlib.sha256()
    for path in sorted(PACKAGE.rglob('*.py')):
        sources.update(f'{path.relative_to(PACKAGE)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n'.encode())
    return sources.hexdigest()
