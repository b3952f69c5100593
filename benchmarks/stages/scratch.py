"""A folder for runners that leave nothing behind."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.logging import MMLogger


@contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """A temporary folder; at its end no logger writes into it any more.

    mmengine keeps the loggers of all runners of a process, each with the file of its work dir, and logs to the newest.
    A file that was closed meanwhile is opened again, which fails once its folder is gone.

    Args:
        prefix: The beginning of the folder's name.
    """
    with tempfile.TemporaryDirectory(prefix=prefix) as folder:
        try:
            yield Path(folder)
        finally:
            for logger in MMLogger._instance_dict.values():
                for handler in list(logger.handlers):
                    if isinstance(handler, logging.FileHandler) and Path(handler.baseFilename).is_relative_to(folder):
                        logger.removeHandler(handler)
                        handler.close()
