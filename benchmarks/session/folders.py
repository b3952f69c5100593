"""The folders that the command line names: can they be made and written to?"""

import tempfile
from pathlib import Path

from benchmarks.errors import BadInput
from benchmarks.store.store import Store


def refuse_unusable_folder(flag: str, folder: Path) -> None:
    """Refuse a folder that cannot be made or written to, before anything is computed for it.

    Args:
        flag: The flag that names the folder.
        folder: The folder; it is made if it is missing.

    Raises:
        BadInput: The folder cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise BadInput(
            f'{flag} {folder} cannot be used ({error.strerror}); choose a folder that can be made and written to'
        ) from error


def open_store(work_dir: Path) -> Store:
    """The store of a work dir, which is made if it is missing.

    Raises:
        BadInput: The work dir or its store cannot be used, or its parts are on several file systems.
    """
    refuse_unusable_folder('--work-dir', work_dir)
    try:
        store = Store.in_work_dir(work_dir)
        store.try_machine()
        apart = [path for path in store.root.iterdir() if path.stat().st_dev != store.root.stat().st_dev]
    except OSError as error:
        raise BadInput(f'--work-dir {work_dir}: its store cannot be used ({error}); choose another folder') from error
    if apart:
        raise BadInput(
            f'{apart[0]} is on another file system than {store.root}, so that no result can take its place there at '
            f'once; put all of {store.root} on one file system, and make it the link or mount'
        )
    return store
