"""The stages that drivers have claimed, so that two drivers of one work dir do not start the same one.

A driver claims a stage before it starts its process, and leaves the claim when it has taken the result in. Another
driver sees the claim, and starts other stages meanwhile; the process of a stage that it started nevertheless would wait
for the key, and keep its place among the jobs from all others.

A claim is a lease of the driver's process beside the leases of keys. So it falls with the driver, or when the driver's
host is silent for too long. It only decides who starts what: that a stage is computed once is due to the lease of its
key, which the stage's process holds. So a stage whose claim cannot be written starts all the same.
"""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.store.holder import Holder
from benchmarks.store.leases import lease_of
from benchmarks.store.store import Store

CLAIM = '.claim'  # follows the key in the name of the lease


@dataclass(frozen=True)
class _Claim:
    held: ExitStack
    lease: Path | None  # None where it could not be written


class Claims:
    """The claims of one driver, and a look at those of others; as a context manager it leaves all of its own.

    Args:
        store: The store of the stages.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._own: dict[str, _Claim] = {}
        self._left: list[Path] = []  # the leases of claims that were left, and could not be removed
        self._dead: set[str] = set()  # keys whose processes were on hosts that have died

    def of_others(self, wanted: Callable[[str], bool]) -> dict[str, Holder]:
        """The other drivers that have claimed stages, by key; none where the folder does not answer.

        Args:
            wanted: Whether a key is asked for.
        """
        self._remove_left()
        try:
            held, self._dead = self._store.leases.standing(lambda name: wanted(name.removesuffix(CLAIM)))
        except OSError:
            return {}
        claimed = {name.removesuffix(CLAIM): holder for name, holder in held.items() if name.endswith(CLAIM)}
        return {key: holder for key, holder in claimed.items() if key not in self._own}

    def take(self, *keys: str) -> str | None:
        """Claim stages that start as one process.

        Returns:
            The key of the first that another driver has claimed, so that none is claimed here; None if there is none.
        """
        for key in keys:
            held, lease = ExitStack(), None
            try:
                lease = lease_of(held.enter_context(self._store.leases.held(f'{key}{CLAIM}', wait=False)))
            except BlockingIOError:
                for taken in keys[: keys.index(key)]:
                    self.leave(taken)
                return key
            except OSError:  # such as a full disk, of which the stage's process tells
                pass
            self._own[key] = _Claim(held, lease)
        with suppress(OSError):
            for key in self._dead.intersection(keys):  # the process of the stage would first wait whether it lives
                self._store.clear(key)
        return None

    def leave(self, key: str) -> None:
        """Leave a claim. One that the folder keeps, because it does not answer, is removed at a later look."""
        claim = self._own.pop(key)
        try:
            claim.held.close()
        except OSError:
            if claim.lease is not None:
                self._left.append(claim.lease)

    def _remove_left(self) -> None:
        for lease in list(self._left):
            with suppress(OSError):
                lease.unlink(missing_ok=True)
                self._left.remove(lease)

    def __enter__(self) -> 'Claims':
        return self

    def __exit__(self, *_: object) -> None:
        for key in list(self._own):
            self.leave(key)
        self._remove_left()
