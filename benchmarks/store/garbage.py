"""Garbage of a work dir: stored results that no record refers to and no grid is running for, removed on request.

Records say which keys their cells are made of. They are looked for in every output folder that a run has told the
store of, together with the keys of that run's plan (it may have been interrupted before it wrote records), and in every
folder beside the store that holds a grid. A folder that no longer exists refers to nothing; one that cannot be read
stops the collection, because it may refer to anything.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.errors import BadInput
from benchmarks.store.result import MANIFEST
from benchmarks.store.sizes import size_text
from benchmarks.store.store import OWN_FOLDERS, Store


@dataclass(frozen=True)
class Stored:
    """A result of the store, as garbage collection sees it.

    Args:
        kind: Its kind of stage.
        key: Its key.
        size: Of all its files, in bytes.
        stored: When it was stored, in seconds since the epoch.
        parents: Keys of the results that it was made from.
    """

    kind: str
    key: str
    size: int
    stored: float
    parents: tuple[str, ...]


@dataclass
class Collection:
    """What a collection has found and removed (or would remove).

    Args:
        results: All that the store held.
        kept_for_records: How many of these records refer to, directly or as what those were made from.
        kept_for_drivers: How many more running grids use.
        removed: What went.
        lost: Output folders that no longer exist.
    """

    results: list[Stored]
    kept_for_records: int = 0
    kept_for_drivers: int = 0
    removed: list[Stored] = field(default_factory=list)
    lost: list[Path] = field(default_factory=list)

    @property
    def size_before(self) -> int:
        """Bytes that the store held."""
        return sum(one.size for one in self.results)

    @property
    def size_after(self) -> int:
        """Bytes that are left."""
        return self.size_before - sum(one.size for one in self.removed)


def collect_garbage(
    store: Store, *, older_than_s: float = 0, max_size: int | None = None, dry_run: bool = False
) -> Collection:
    """Remove results that nothing refers to, the oldest first; work that was broken off goes always.

    Args:
        store: Where results are kept.
        older_than_s: Results stored less than so many seconds ago stay.
        max_size: Stop when the store holds at most so many bytes; None removes all that may go.
        dry_run: Remove nothing, only say what would go.

    Raises:
        BadInput: Records cannot be read, so that nothing is known of what they refer to; nothing is removed.
    """
    with store.drivers.collecting():
        if not dry_run:
            store.clear_abandoned()
        found = Collection(sorted(_results(store.root), key=lambda one: one.stored))
        by_key = {one.key: one for one in found.results}
        used = _with_ancestors(
            store.drivers.keys_in_use(), by_key
        )  # first: a run that ends now has written its records
        recorded = _with_ancestors(_referred_to(store, found, dry_run), by_key)
        used -= recorded
        found.kept_for_records, found.kept_for_drivers = len(recorded), len(used)
        size, latest = found.size_before, time.time() - older_than_s
        for one in found.results:
            if max_size is not None and size <= max_size:
                break
            if one.key in recorded or one.key in used or one.stored > latest:
                continue
            if dry_run or store.discard_idle(one.kind, one.key):
                found.removed.append(one)
                size -= one.size
    return found


def _results(root: Path) -> Iterator[Stored]:
    for folder in root.glob('*/*/'):
        if folder.parent.name not in OWN_FOLDERS:
            with suppress(FileNotFoundError):  # a running grid replaces it at this moment
                yield _result(folder)


def _result(folder: Path) -> Stored:
    try:
        ingredients = json.loads((folder / MANIFEST).read_text())['ingredients']
    except (OSError, ValueError, KeyError):  # torn: a run that wanted it would compute it again
        ingredients = {}
    parents = tuple(key for name, key in ingredients.items() if name.startswith('parent '))
    size = sum(path.stat().st_size for path in folder.rglob('*') if path.is_file())
    dated = folder / MANIFEST if (folder / MANIFEST).exists() else folder
    return Stored(folder.parent.name, folder.name, size, dated.stat().st_mtime, parents)


def _with_ancestors(keys: set[str], by_key: dict[str, Stored]) -> set[str]:
    """Those of ``keys`` that are stored, and all that they were made from."""
    waiting, reached = list(keys), set()
    while waiting:
        key = waiting.pop()
        if key in by_key and key not in reached:
            reached.add(key)
            waiting += by_key[key].parents
    return reached


def _referred_to(store: Store, found: Collection, dry_run: bool) -> set[str]:
    """The keys that records name, or will name when their grid is run to its end."""
    outs, planned = {grid.parent.resolve() for grid in store.root.parent.glob('*/grid.json')}, set()
    for output in store.outputs:
        if output.folder.is_dir():
            outs.add(output.folder.resolve())
            planned.update(output.keys)
            continue
        found.lost.append(output.folder)
        if not dry_run:
            output.file.unlink(missing_ok=True)
    return planned | {key for out in outs for path in (out / 'records').glob('*.json') for key in _keys_in(path)}


def _keys_in(path: Path) -> list[str]:
    try:
        record = json.loads(path.read_text())
        keys = record['keys'].values() if 'keys' in record else [record['key']]
        return [key for key in keys if key is not None]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f'{path} cannot be read ({type(error).__name__}: {error}), and it may refer to any result, so '
            f'nothing is removed; run its grid again, or delete its folder'
        ) from error


def told(found: Collection, dry_run: bool) -> str:
    """What was found and removed, in words."""
    lines = [
        f'{_results_text(len(found.results))}, {size_text(found.size_before)}: '
        f'records refer to {found.kept_for_records}, running grids use {found.kept_for_drivers} more'
    ]
    lines += [f'note: {out} no longer exists; what only its records referred to is garbage' for out in found.lost]
    by_kind = Counter(one.kind for one in found.removed)
    for kind, number in sorted(by_kind.items()):
        size = sum(one.size for one in found.removed if one.kind == kind)
        lines.append(f'  {kind:8}{number:3} {"would go" if dry_run else "removed"}, {size_text(size)}')
    verb = 'would be left' if dry_run else 'left'
    lines.append(f'{_results_text(len(found.results) - len(found.removed))} {verb}, {size_text(found.size_after)}')
    return '\n'.join(lines)


def _results_text(number: int) -> str:
    return f'{number} result{"s" * (number != 1)}'
