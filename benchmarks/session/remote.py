"""The remote store of a run (``--store``): tried before anything else, asked for what it has, given what it lacks."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from benchmarks.errors import BadInput
from benchmarks.plan.plan import Plan
from benchmarks.run.contract import Launcher
from benchmarks.run.shared import SHARED, SharedLauncher, send
from benchmarks.session.doing import doing
from benchmarks.store.remote.entries import Entries
from benchmarks.store.remote.place import FLAG, RemotePlace, Unreachable
from benchmarks.store.store import Result, Store


@dataclass(frozen=True)
class Remote:
    """A remote store that has been tried.

    Args:
        place: Where it is.
        exclusive: Whether of several processes one alone can make a file there.
    """

    place: RemotePlace
    exclusive: bool

    def launcher(self, launcher: Launcher, store: Store) -> SharedLauncher:
        """What runs the stages of one plan, and shares their results."""
        return SharedLauncher(launcher, store, self.place, exclusive=self.exclusive)

    def among(self, plan: Plan, keys: Collection[str]) -> frozenset[str]:
        """Those of the stages with these keys whose results it has; none while it cannot be reached."""
        try:
            there = {kind: self._entries.keys(kind) for kind in {plan.stages[key].kind for key in keys}}
        except Unreachable as error:
            print(f'note: {error}')
            return frozenset()
        return frozenset(key for key in keys if key in there[plan.stages[key].kind])

    def take_up(self, store: Store, plan: Plan, found: Mapping[str, Result]) -> None:
        """Give it the results of a plan that the local store alone has, such as those of a run without it."""
        own = [key for key, result in found.items() if result.status in SHARED]
        with doing(f'taking results up to {self.place.url}', 'results') as it:
            there = self.among(plan, own)
            lacking = [key for key in own if key not in there]
            for number, key in enumerate(lacking):
                it.advance(number, len(lacking))
                try:
                    send(store, self._entries, plan.stages[key].kind, key)
                except Unreachable as error:
                    print(f'note: {error}. Its lack of {len(lacking) - number} results is made up for by the next run')
                    return

    @property
    def _entries(self) -> Entries:
        return Entries(self.place, exclusive=self.exclusive)


def open_remote(url: str, *, dry_run: bool, giver: str = FLAG) -> Remote:
    """The remote store of a URL.

    Args:
        url: The URL.
        dry_run: Whether it is only read.
        giver: What gives the URL, for messages.

    Raises:
        BadInput: It cannot be opened, read or written, or no other process sees what it holds.
    """
    with doing(f'reaching {url}'):
        place = RemotePlace(url, giver)
        if place.is_of_this_process:
            raise BadInput(f'{giver} {url}: no other process sees what memory holds; name a bucket, or a folder')
        try:
            if dry_run:
                place.names('')
                return Remote(place, exclusive=False)
            exclusive = place.excludes()
        except Unreachable as error:
            raise BadInput(f'{giver}: {error}; see that it is there, and that the credentials allow it') from error
    if not exclusive:
        print(
            f'note: {place.url} cannot make a file for one of several processes alone, so two hosts may compute the '
            'same stage at once; no number changes'
        )
    return Remote(place, exclusive)
