"""Garbage of a work dir: stored results to which no record refers and that no running grid uses, removed on request.

A record names the keys of its cell's results. Records are read

* in every output folder that a run has told the store of; the keys of that run's plan count, too, because the run may
  have been interrupted before it wrote its records;
* in every folder beside the store that holds a grid.

A folder that no longer exists refers to nothing. A record that cannot be read stops the collection, because it may
refer to any result.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.errors import BadInput
from benchmarks.store.damaged import forget_damage
from benchmarks.store.fresh import clear_marks
from benchmarks.store.observer import LEASE_S
from benchmarks.store.result import MANIFEST
from benchmarks.store.sizes import size_text
from benchmarks.store.store import OWN_FOLDERS, Store


@dataclass(frozen=True)
class Stored:
    """A stored result, with the facts that garbage collection needs.

    Args:
        kind: Its kind of stage.
        key: Its key.
        size: Size of all its files, in bytes.
        stored: Time at which it was stored, in seconds since the epoch.
        parents: Keys of the results that it was made from.
    """

    kind: str
    key: str
    size: int
    stored: float
    parents: tuple[str, ...]


@dataclass
class Collection:
    """The outcome of a collection; of a dry run, the outcome that it would have.

    Args:
        results: All results that the store held.
        kept_for_records: Number of results that records need: those they refer to, and those that these were made from.
        kept_for_drivers: Number of further results that running grids use.
        removed: The removed results.
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
        return sum(result.size for result in self.results)

    @property
    def size_after(self) -> int:
        """Bytes that the store still holds."""
        return self.size_before - sum(result.size for result in self.removed)


def collect_garbage(
    store: Store,
    *,
    older_than_s: float = 0,
    max_size: int | None = None,
    dry_run: bool = False,
    tell: Callable[[str], None] = print,
) -> Collection:
    """Remove the results to which nothing refers, the oldest first, and what was interrupted or damaged.

    Waits first until it is known of drivers and stages on other hosts whether they live.

    Args:
        store: The store.
        older_than_s: Seconds; results that were stored more recently stay.
        max_size: Bytes; the collection stops when the store holds no more. None removes all garbage.
        dry_run: Whether to remove nothing, and only report.
        tell: Called with a line that says for which hosts it waits.

    Raises:
        BadInput: A record cannot be read, so it may refer to any result; nothing is removed.
    """
    store.await_signs(lambda hosts: tell(f'waiting for signs of life from {hosts}, for {LEASE_S:g} s at most'))
    with store.drivers.collecting() as grave:
        if not dry_run:
            store.clear_abandoned()
            clear_marks(store.drivers.folder)
            clear_marks(store.outputs.folder)
        found = Collection(sorted(_results(store.root), key=lambda result: result.stored))
        by_key = {result.key: result for result in found.results}
        used = _with_ancestors(
            store.drivers.keys_in_use(), by_key
        )  # first: a run that ends now has written its records
        recorded = _with_ancestors(_referred_to(store, found, dry_run), by_key)
        used -= recorded
        found.kept_for_records, found.kept_for_drivers = len(recorded), len(used)
        size, latest = found.size_before, time.time() - older_than_s
        for result in found.results:
            if max_size is not None and size <= max_size:
                break
            if result.key in recorded or result.key in used or result.stored > latest:
                continue
            if dry_run or store.discard_idle(result.kind, result.key, grave):
                found.removed.append(result)
                size -= result.size
        if not dry_run:
            forget_damage(store.root)
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
    """Those of ``keys`` that are stored, and the keys of all results that they were made from."""
    waiting, reached = list(keys), set[str]()
    while waiting:
        key = waiting.pop()
        if key in by_key and key not in reached:
            reached.add(key)
            waiting += by_key[key].parents
    return reached


def _referred_to(store: Store, found: Collection, dry_run: bool) -> set[str]:
    """The keys that records name, or will name when their grid is run to its end."""
    outs = {grid.parent.resolve() for grid in store.root.parent.glob('*/grid.json')}
    planned: set[str] = set()
    for output in store.outputs.now():
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


def collection_text(found: Collection, dry_run: bool) -> str:
    """A collection as text, for the terminal.

    Args:
        found: The collection.
        dry_run: Whether it was a dry run.
    """
    lines = [
        f'{_results_text(len(found.results))}, {size_text(found.size_before)}: '
        f'records refer to {found.kept_for_records}, running grids use {found.kept_for_drivers} more'
    ]
    lines += [f'note: {out} no longer exists; what only its records referred to is garbage' for out in found.lost]
    by_kind = Counter(result.kind for result in found.removed)
    for kind, number in sorted(by_kind.items()):
        size = sum(result.size for result in found.removed if result.kind == kind)
        lines.append(f'  {kind:8}{number:3} {"would go" if dry_run else "removed"}, {size_text(size)}')
    verb = 'would be left' if dry_run else 'left'
    lines.append(f'{_results_text(len(found.results) - len(found.removed))} {verb}, {size_text(found.size_after)}')
    return '\n'.join(lines)


def _results_text(number: int) -> str:
    return f'{number} result{"s" * (number != 1)}'
