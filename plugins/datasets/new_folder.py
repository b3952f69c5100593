"""A folder that appears whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def new_folder(target: str | os.PathLike) -> Iterator[Path]:
    """Gives a scratch folder beside ``target`` and renames it to ``target`` when the block ends without an error.

    Readers therefore never see a half-written folder. Of several processes that write the same target at once, the
    first to finish wins and the others' scratch folders are discarded; a failing block leaves nothing behind.

    Args:
        target: The folder to make. It may exist if it is empty; its parents are made.

    Yields:
        The scratch folder to write into.

    Raises:
        FileExistsError: ``target`` holds files already, from before or because another writer was faster.
    """
    target = Path(os.path.abspath(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f'.{target.name}-', dir=target.parent))
    # mkdtemp makes a private folder; the one inside gets the permissions a user's own mkdir would give.
    content = scratch / target.name
    content.mkdir()
    try:
        yield content
        try:
            os.rename(content, target)
        except OSError as error:
            if target.is_dir() and any(target.iterdir()):
                raise FileExistsError(f'{target} exists and is not empty') from error
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
