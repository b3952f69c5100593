"""A folder that appears complete or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def new_folder(target: str | os.PathLike) -> Iterator[Path]:
    """Provide a scratch folder beside ``target``, and rename it to ``target`` if the block ends without an error.

    Readers therefore never see a half-written folder. If several processes write the same target at the same time, the
    first to finish wins, and the scratch folders of the others are deleted. A block that fails leaves no files.

    Args:
        target: The folder to create, with its parents. It may exist if it is empty.

    Yields:
        The scratch folder to write into.

    Raises:
        FileExistsError: ``target`` already holds files, perhaps from a faster process.
    """
    target = Path(os.path.abspath(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f'.{target.name}-', dir=target.parent))
    # mkdtemp creates a private folder; the folder inside it gets the usual permissions.
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
