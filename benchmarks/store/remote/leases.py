"""Leases in a remote place, by which the drivers of several hosts compute each stage once.

    <url>/drivers/<holder>            written anew by a living driver, every few seconds
    <url>/leases/<key>/<number>       the lease: made once, with the name of its holder; of several the highest counts

A driver takes a lease by making the file with the next number, which of several drivers one alone can do. A driver of
this host has lost its leases when its process has ended. Another host's has when its own file is older than ``LEASE_S``
by the clock of the place: this driver writes such a file, too, so that no clocks of two hosts are compared.

Who was silent for too long may still store its result: it is that of the key as well, and the first one stays.
"""

import threading
import time
from contextlib import suppress

from benchmarks.store.holder import Holder
from benchmarks.store.observer import LEASE_S
from benchmarks.store.remote.place import RemotePlace, Unreachable

BEAT_S = 10.0
FORGOTTEN_S = 3600.0  # after so long a silence a driver's file is removed


class RemoteLeases:
    """The leases that one driver takes. It begins with the first one, and ends with :meth:`close`.

    Args:
        place: The place.
        exclusive: Whether of several processes one alone can make a file there; otherwise all leases are granted.
    """

    def __init__(self, place: RemotePlace, *, exclusive: bool) -> None:
        self.place, self.exclusive = place, exclusive
        self.me: Holder | None = None
        self._held: dict[str, int] = {}
        self._beaten = 0.0, 0.0  # when this driver's own file was written: by the place's clock, and by ours
        self._lock, self._closed = threading.Lock(), threading.Event()
        self._heart: threading.Thread | None = None

    def take(self, key: str) -> bool:
        """Take a lease, or keep it; False while a driver holds it that may live, and after :meth:`close`.

        Raises:
            Unreachable: The place cannot be read or written.
        """
        if not self.exclusive or key in self._held:
            return True
        if self._closed.is_set():
            return False
        self._begin()
        last = self._last(key)
        if last and self._lives(f'leases/{key}/{last}'):
            return False
        if not self.place.create(f'leases/{key}/{last + 1}', str(self.me).encode()):
            return False
        self._held[key] = last + 1
        if self._closed.is_set():  # meanwhile, in another thread
            self.leave(key)
            return False
        return True

    def holds(self, key: str) -> bool:
        """Whether this driver holds a lease, and nobody has taken it over."""
        return key in self._held and self._last(key) == self._held[key]

    def leave(self, key: str) -> None:
        """Give a lease back, and remove those of dead drivers before it; nothing happens if it is not held."""
        number = self._held.get(key, 0)
        if number and self.place.read(f'leases/{key}/{number}') == str(self.me).encode():
            for one in (one for one in self._numbers(key) if one <= number):
                self.place.remove(f'leases/{key}/{one}')
        self._held.pop(key, None)

    def close(self) -> None:
        """Give all leases back, and end the signs of life."""
        self._closed.set()
        for key in list(self._held):
            with suppress(Unreachable):  # of this one; the others may be given back
                self.leave(key)
        if self._heart is not None:
            self._heart.join()  # a beat may be on its way
            with suppress(Unreachable):
                self.place.remove(f'drivers/{self.me}')

    def _numbers(self, key: str) -> list[int]:
        return sorted(int(name) for name in self.place.names(f'leases/{key}') if name.isdecimal())

    def _last(self, key: str) -> int:
        return max(self._numbers(key), default=0)

    def _lives(self, lease: str) -> bool:
        content = self.place.read(lease)
        holder = Holder.named((content or b'').decode(errors='replace'))
        ended = holder.has_ended() if holder else None
        if ended is not None:
            return not ended
        # A lease that is just being made has no name in it yet; its own time tells then.
        written = self.place.modified(f'drivers/{holder}' if holder else lease)
        return written is not None and self._now() - written <= LEASE_S

    def _now(self) -> float:
        """The time by the clock of the place."""
        there, here = self._beaten
        return there + time.monotonic() - here

    def _begin(self) -> None:
        with self._lock:
            if self.me is not None:
                return
            me = Holder.me()
            self._beat(me)
            self.me = me
            self._sweep(but=str(me))
            self._heart = threading.Thread(target=self._beat_on, args=(me,), daemon=True, name='remote heartbeat')
            self._heart.start()

    def _beat(self, me: Holder) -> None:
        self.place.write(f'drivers/{me}', b'')
        written = self.place.modified(f'drivers/{me}')
        if written is not None:
            self._beaten = written, time.monotonic()

    def _beat_on(self, me: Holder) -> None:
        while not self._closed.wait(BEAT_S):
            with suppress(Unreachable):  # it may be reached next time
                self._beat(me)

    def _sweep(self, *, but: str) -> None:
        """Remove the files of drivers that have been silent for long."""
        for name in self.place.names('drivers') - {but}:
            written = self.place.modified(f'drivers/{name}')
            if written is not None and self._now() - written > FORGOTTEN_S:
                self.place.remove(f'drivers/{name}')
