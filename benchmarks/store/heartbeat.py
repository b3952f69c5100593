"""Signs of life: a thread of this process sets the time of files anew, every few seconds, for as long as they are held.

Other hosts see that the time changes; its value means nothing to them.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BEAT_S = 5.0


class _Heart:
    """The files of this process, and the thread that touches them, which starts with the first file."""

    def __init__(self) -> None:
        self.files: dict[Path, Callable[[], object]] = {}
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None

    def add(self, path: Path, missing: Callable[[], object]) -> None:
        with self.lock:
            self.files[path] = missing
            if self.thread is None:
                self.thread = threading.Thread(target=self._beat, daemon=True, name='heartbeat')
                self.thread.start()

    def remove(self, path: Path) -> None:
        with self.lock:  # so that no file is missed that its holder removes next
            self.files.pop(path, None)

    def _beat(self) -> None:
        pause = threading.Event()  # not time.sleep: tests replace it
        while True:
            pause.wait(BEAT_S)
            with self.lock:
                for path, missing in list(self.files.items()):
                    _touch(path, missing)


def _touch(path: Path, missing: Callable[[], object]) -> None:
    with suppress(OSError):  # a folder that does not answer may do so next time
        try:
            os.utime(path)
        except FileNotFoundError:
            missing()


_heart = _Heart()


def _new_heart() -> None:
    global _heart
    _heart = _Heart()  # a forked process has no thread, and holds nothing of its parent's


os.register_at_fork(after_in_child=_new_heart)


@contextmanager
def beating(path: Path, missing: Callable[[], object]) -> Iterator[None]:
    """Touch a file every ``BEAT_S`` seconds.

    Args:
        path: The file.
        missing: Called, in the thread of the heartbeat, each time that the file is missing.
    """
    heart = _heart
    heart.add(path, missing)
    try:
        yield
    finally:
        heart.remove(path)
