"""The processes that hold something in a store: their names, which are file names, and whether they still run.

A process number means something on one kernel and in one namespace of process numbers only: both, as the kernel names
them, are the host of a holder here. Two containers on one machine are two hosts. The name of the machine stands before
for people.
"""

import os
import re
import socket
import uuid
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from itertools import count
from pathlib import Path

PROC = Path('/proc')
_numbers = count()


@lru_cache
def this_kernel() -> str:
    """A digest that all processes on this machine share, until it is started anew."""
    try:
        boot = (PROC / 'sys/kernel/random/boot_id').read_text().strip()
    except OSError:  # only Linux has such a file
        boot = f'{uuid.getnode():x}'
    return sha256(boot.encode()).hexdigest()[:12]


@lru_cache
def this_host() -> str:
    """The name of the machine, a full stop, and a digest of the kernel and of the namespace of process numbers."""
    namespace = ''
    with suppress(OSError):
        namespace = os.readlink(PROC / 'self/ns/pid')
    name = re.sub(r'[^\w.-]', '_', socket.gethostname())[:40]
    return f'{name}.{sha256(f"{this_kernel()} {namespace}".encode()).hexdigest()[:12]}'


@dataclass(frozen=True)
class Holder:
    """A process that holds something, or wants to.

    Args:
        host: Its host; see :func:`this_host`.
        pid: Its process number there.
        start: When it started, in the kernel's ticks since the machine's start; 0 if that cannot be read. Together with
            the number it names one process for ever.
        number: A number that tells apart all that the process holds, at once or one after the other.
    """

    host: str
    pid: int
    start: int
    number: int

    @classmethod
    def me(cls) -> 'Holder':
        """This process, with a number that it has not used before."""
        return cls(this_host(), os.getpid(), _start_of_this(os.getpid()), next(_numbers))

    @classmethod
    def named(cls, name: str) -> 'Holder | None':
        """The holder of a name that :meth:`__str__` has made; None if the name is none of these."""
        host, *numbers = name.rsplit('-', 3)
        if len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
            return None
        return cls(host, *map(int, numbers))

    def __str__(self) -> str:
        return f'{self.host}-{self.pid}-{self.start}-{self.number}'

    @property
    def machine(self) -> str:
        """The name of its machine, for people."""
        return self.host.rpartition('.')[0]

    @property
    def is_here(self) -> bool:
        """Whether it is a process of this host."""
        return _digest(self.host) == _digest(this_host())

    def has_ended(self) -> bool | None:
        """Whether the process has ended; None if that cannot be seen from here, because it is one of another host."""
        if not self.is_here:
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:  # it is another user's, whose /proc may be out of sight
            pass
        state, start = _state_and_start(self.pid)
        if not (start and self.start):
            return None
        return start != self.start or state in 'ZX'  # a killed process is a zombie until its parent takes note


@lru_cache(maxsize=1)
def _start_of_this(pid: int) -> int:
    return _state_and_start(pid)[1]


def _digest(host: str) -> str:
    return host.rpartition('.')[2]  # the name before may change while the machine runs


def _state_and_start(pid: int) -> tuple[str, int]:
    """The state of a process of this host, as one letter, and its start in ticks; ('', 0) if they cannot be read."""
    try:
        fields = (PROC / str(pid) / 'stat').read_text().rpartition(')')[2].split()  # a name may have parentheses
        return fields[0], int(fields[19])
    except (OSError, ValueError, IndexError):
        return '', 0
