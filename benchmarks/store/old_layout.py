"""Files in a store from before it had leases: ``running/<key>-<pid>`` and ``drivers/<id>.json``, each with a ``flock``.

An old version of the harness may still run on the work dir when a new one begins. It holds ``locks/<key>`` while it
works on a key, and its file among the drivers.
"""

import fcntl
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from benchmarks.store.locks import Locks


def is_old_working_folder(folder: Path) -> bool:
    """Whether a folder in ``running`` is one of an old version, or of a result that it was about to remove."""
    return re.fullmatch(r'\w+-(replaced-|discarded-|dropped-)?\d+', folder.name) is not None


def clear_old_working_folder(folder: Path, locks: Path, put_back: Callable[[str, Path], None]) -> None:
    """Remove a working folder of an old version, unless its process runs.

    Args:
        folder: The folder.
        locks: The folder of the locks of old versions.
        put_back: Called with the key and the folder of a result that was about to be replaced.
    """
    key = folder.name.split('-')[0]
    with suppress(BlockingIOError), Locks(locks).held(key, wait=False):
        if '-replaced-' in folder.name:
            put_back(key, folder)
        shutil.rmtree(folder, ignore_errors=True)


def old_driver_runs(path: Path) -> bool:
    """Whether the driver of an old version that wrote this file still runs.

    Raises:
        FileNotFoundError: It has just ended.
    """
    with open(path) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
