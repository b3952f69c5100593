"""Whether the files of an output folder are up to date, so that they need not be written again.

Records and report follow from the plan, the stored results, ``grid.json`` and the harness's own code. The work dir's
cache keeps a digest of these, and the size and time stamp of every file that was written. While neither has changed,
writing the files again would give the same files. A file that was edited by hand, or of which a bit has changed, is
therefore written again, too.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.files import digest, read_json, write_json
from benchmarks.plan.plan import Plan
from benchmarks.store.checksums import altered
from benchmarks.store.store import Store

PACKAGE = Path(__file__).resolve().parents[1]
WRITTEN = ('grid.json', 'records', 'configs', 'report')


def signature(plan: Plan, store: Store, results: Iterable[str], grid: Mapping[str, Any]) -> str:
    """A digest of everything that the files follow from.

    Args:
        plan: The plan.
        store: The store of its results.
        results: Keys of the finished stages.
        grid: The content of ``grid.json``.
    """
    cells = [[cell.name, cell.steps, digest(cell.config)] for cell in plan.cells]
    stored = [[key, store.identity(plan.stages[key].kind, key)] for key in sorted(results)]
    return digest([_code(), cells, list(plan.profiles.values()), stored, grid])


class UpToDateCheck:
    """Remembers from what the files of one output folder were written.

    Args:
        cache: The work dir's folder of remembered facts.
        out: The output folder.
    """

    def __init__(self, cache: Path, out: Path) -> None:
        self.out = out
        self.path = cache / f'made_{digest(str(out.resolve()))[:40]}.json'

    def holds(self, signature: str) -> bool:
        """Whether the files were written from this signature's values, and nobody has changed them since."""
        known = read_json(self.path)
        if not isinstance(known, dict) or known.get('signature') != signature or known.get('files') != self._files():
            return False
        return not altered(self.out)

    def remember(self, signature: str) -> None:
        """Remember that the files have just been written from this signature's values."""
        write_json(self.path, dict(signature=signature, files=self._files()))

    def _files(self) -> dict[str, list[int]]:
        """Size, time stamp and inode of every written file, by its path in the output folder."""
        stamps = {}
        for name in WRITTEN:
            for path in [self.out / name, *(self.out / name).rglob('*')]:
                if path.is_file():
                    status = path.stat()
                    stamps[os.path.relpath(path, self.out)] = [status.st_size, status.st_mtime_ns, status.st_ino]
        return stamps


def _code() -> str:
    """A digest of the harness's source."""
    sources = hashlib.sha256()
    for path in sorted(PACKAGE.rglob('*.py')):
        sources.update(f'{path.relative_to(PACKAGE)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n'.encode())
    return sources.hexdigest()
