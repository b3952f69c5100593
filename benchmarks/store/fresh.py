"""What a folder holds now, where the file system is a network's and answers from memory.

Attributes and listings may be some seconds old there; sshfs keeps them for 20 s. To open a file asks the server. So
does to list a folder in which this host has just made a file, unless another process of this host was listing it at
that moment: then the listing lacks the new file.
"""

import errno
import os
import time
import uuid
from pathlib import Path

PAUSE_S = 0.05
MARK = 'look-'  # begins the name of a file that lives as long as a look


def is_there(path: Path) -> bool:
    """Whether there is such a file, which may be one that another host has removed."""
    try:
        with open(path, 'rb'):
            return True
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno != errno.ESTALE:  # a file of NFS that was removed while this host knew it
            raise
        return False


def names_in(folder: Path) -> list[str]:
    """The names in a folder, as they are at some moment of this call.

    An empty file ``look-…`` is made there meanwhile. A process that is killed here leaves it to :func:`clear_marks`.
    """
    while True:
        mark = folder / f'{MARK}{uuid.uuid4().hex}'  # no other process, on any host, has this name
        mark.touch()
        try:
            names = os.listdir(folder)
        finally:
            mark.unlink(missing_ok=True)
        if mark.name in names:
            return [name for name in names if name != mark.name]
        time.sleep(PAUSE_S)


def clear_marks(folder: Path) -> None:
    """Remove what killed looks have left. A look that goes on at this moment begins anew when its file is gone."""
    for mark in folder.glob(f'{MARK}*'):
        mark.unlink(missing_ok=True)
