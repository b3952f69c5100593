"""A real Ray for the tests that start a cluster on this machine; no process and no file of it stays."""

import os
import signal
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import pytest
from needed_programs import missing
from packaging.requirements import Requirement

T = TypeVar('T')
ROOT = Path(__file__).resolve().parents[2]
FOLDER = 'RAY_TMPDIR'  # the variable that tells Ray where its sockets and logs go
END_S = 60.0
# Bytes. By default a node reserves a third of the memory; Ray refuses less than 75 MiB.
OBJECT_STORE = 80 * 2**20


def need_ray(markers: Mapping[str, str] | None = None) -> None:
    """Skip the test where Ray is not installed; in CI fail it, unless ``[test]`` leaves Ray out for this Python.

    Args:
        markers: What differs from this Python, such as ``python_version``.
    """
    if find_spec('ray') is not None:
        return
    extras = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']['optional-dependencies']
    (wanted,) = (one for one in map(Requirement, extras['test']) if one.name == 'ray')
    if wanted.marker is not None and not wanted.marker.evaluate(markers and dict(markers)):
        pytest.skip(f'ray has no wheel for this Python: [test] has it where {wanted.marker}')
    missing("ray is not installed: pip install -c constraints.txt -e '.[test]'")


@contextmanager
def real_ray(patience_s: float = END_S) -> Iterator[str]:
    """A folder for the files of clusters; what of them still runs at the end is killed, and fails the test.

    Args:
        patience_s: Seconds that the processes have to end by themselves.

    Yields:
        The value of :data:`FOLDER` for the processes that start a cluster.
    """
    need_ray()
    # The path of a socket has at most 107 bytes, and Ray adds 80 to the folder: pytest's folders are too long for it.
    with tempfile.TemporaryDirectory(prefix='ray_', dir='/tmp') as folder:
        left: dict[int, str] = {}
        try:
            yield folder
            left = _left_after(folder, patience_s)
        finally:
            for pid in users_of(folder):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        assert left == {}, f'these processes were left: {left}'


def started(start: Callable[[], T]) -> T:
    """What ``start()`` gives, a cluster or a node; tried three times, because Ray waits for a node for a constant 30 s.

    A machine that is busy with other tests may need longer.
    """
    for _ in range(2):
        try:
            return start()
        except Exception as error:  # Ray has no class of its own for it
            if 'timed out during startup' not in str(error):
                raise
    return start()


def users_of(folder: str) -> dict[int, str]:
    """The other processes that have a file of a folder open, as each of a cluster has its log: pid → command."""
    found = {}
    for process in Path('/proc').glob('[0-9]*'):
        if int(process.name) != os.getpid() and any(path.startswith(f'{folder}/') for path in _open_files(process)):
            with suppress(OSError):  # it has ended meanwhile
                found[int(process.name)] = (process / 'cmdline').read_bytes().replace(b'\0', b' ').decode()
    return found


def _open_files(process: Path) -> Iterator[str]:
    with suppress(OSError):  # it has ended meanwhile, or is another user's
        for handle in (process / 'fd').iterdir():
            with suppress(OSError):  # it was closed meanwhile
                yield os.readlink(handle)


def _left_after(folder: str, patience_s: float) -> dict[int, str]:
    deadline = time.monotonic() + patience_s
    while (left := users_of(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left
