"""A folder that fsspec reaches by a URL, such as a prefix of an S3 bucket: the few operations that sharing needs.

Names are relative to the folder. What a name holds is replaced at once, so that no reader sees a part of it: by one
request on an object store, by a rename elsewhere.
"""

import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from benchmarks.errors import BadInput

FLAG = '--store'
EXTRA = "pip install 'segmentation-ablation[s3]'"
LONGEST_CAUSE = 300


class Unreachable(Exception):
    """The folder cannot be read or written now; the message names its URL, and the cause."""


class RemotePlace:
    """The folder.

    Args:
        url: Its URL, or the path of a local folder.
        giver: What gives the URL, for messages.

    Raises:
        BadInput: The URL has a password, or fsspec cannot open it.
    """

    def __init__(self, url: str, giver: str = FLAG) -> None:
        _refuse_credentials(url, giver)
        self.url = url.rstrip('/')
        try:
            self.fs, root = fsspec.url_to_fs(url)
        except ImportError as error:
            raise BadInput(f'{giver} {url} needs a package ({error}); for S3 install the extra: {EXTRA}') from error
        except Exception as error:  # whatever the file system raises that the URL names
            raise BadInput(f'{giver} {url} cannot be opened ({cause(error)}); give a URL that fsspec knows') from error
        self.root = root.rstrip('/')

    @property
    def is_of_this_process(self) -> bool:
        """Whether no other process sees what it holds."""
        return isinstance(self.fs, MemoryFileSystem)

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if there is none."""
        with self._reached(), suppress(FileNotFoundError):
            return self.fs.cat_file(self._path(name))
        return None

    def write(self, name: str, content: bytes) -> None:
        """Make a file, or replace it."""
        with self._reached():
            if self.fs.async_impl or self.is_of_this_process:
                self.fs.pipe_file(self._path(name), content)
                return
            fresh = self._path(f'{name}.{uuid.uuid4().hex}')
            self._make_folder_of(name)
            self.fs.pipe_file(fresh, content)
            self.fs.mv(fresh, self._path(name))

    def create(self, name: str, content: bytes) -> bool:
        """Make a file; False if there is one, or another process makes it at this moment.

        Only where :meth:`excludes` is it certain that no two processes make it.
        """
        with self._reached():
            self._make_folder_of(name)
            try:
                if isinstance(self.fs, LocalFileSystem):
                    with self.fs.open(self._path(name), 'xb') as stream:
                        stream.write(content)
                else:
                    self.fs.pipe_file(self._path(name), content, mode='create')
            except FileExistsError:
                return False
            except OSError as error:
                if not _was_refused(error):
                    raise
                return False
        return True

    def excludes(self) -> bool:
        """Try the folder: it can be written, read and emptied; and whether of several processes one alone makes a file.

        Raises:
            Unreachable: It cannot.
        """
        name, content = f'trial/{uuid.uuid4().hex}', b'a trial'
        self.write(name, content)
        try:
            if self.read(name) != content:
                raise Unreachable(f'{self.url} does not give back what is written there')
            return self._creates(f'{name}-created')
        finally:
            self.remove(name)

    def _creates(self, name: str) -> bool:
        # fsspec's own way to create a file looks first, and writes then.
        if not (self.fs.async_impl or isinstance(self.fs, (LocalFileSystem, MemoryFileSystem))):
            return False
        try:
            return self.create(name, b'1') and not self.create(name, b'2') and self.modified(name) is not None
        except Unreachable:  # such a file system does not know the mode
            return False
        finally:
            self.remove(name)

    def names(self, folder: str) -> set[str]:
        """The names directly in a folder; none if it is missing."""
        with self._reached(), suppress(FileNotFoundError):
            self.fs.invalidate_cache()
            found = {path.rstrip('/').rpartition('/')[2] for path in self.fs.ls(self._path(folder), detail=False)}
            return found - {folder.rpartition('/')[2]}  # some object stores list the folder itself
        return set()

    def modified(self, name: str) -> float | None:
        """When a file was written, in seconds by the clock of the file system; None if there is none."""
        with self._reached(), suppress(FileNotFoundError):
            self.fs.invalidate_cache()
            return self.fs.modified(self._path(name)).timestamp()
        return None

    def get(self, files: Mapping[str, Path]) -> str | None:
        """Copy files from here.

        Args:
            files: The local path of each name.

        Returns:
            The name of a file that is missing here; None if all are there.
        """
        for path in files.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        with self._reached():
            try:
                self.fs.get([self._path(name) for name in files], [str(path) for path in files.values()])
            except FileNotFoundError:
                missing = [name for name in files if self.modified(name) is None]
                if not missing:
                    raise
                return missing[0]
        return None

    def put(self, files: Mapping[str, Path]) -> None:
        """Copy files to here; a kill may leave some of them, and on some file systems a part of one.

        Args:
            files: The local path of each name.
        """
        with self._reached():
            for one in {name.rpartition('/')[0]: name for name in files}.values():
                self._make_folder_of(one)
            self.fs.put([str(path) for path in files.values()], [self._path(name) for name in files])

    def remove(self, name: str) -> None:
        """Delete a file, or a folder with all that it holds, if there is one."""
        with self._reached(), suppress(FileNotFoundError):
            self.fs.invalidate_cache()
            self.fs.rm(self._path(name), recursive=True)

    def _path(self, name: str) -> str:
        return f'{self.root}/{name}'.rstrip('/')

    def _make_folder_of(self, name: str) -> None:
        if not self.fs.async_impl:  # an object store has no folders, and would make a bucket
            self.fs.makedirs(self._path(name).rpartition('/')[0], exist_ok=True)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Turn whatever a file system raises for want of a connection, of rights or of a bucket into one error."""
        try:
            yield
        except Unreachable:
            raise
        except Exception as error:
            raise Unreachable(f'{self.url} cannot be read or written: {cause(error)}') from error


def cause(error: BaseException) -> str:
    """The type of an error, and the first line of its text."""
    lines = str(error).strip().splitlines()
    return f'{type(error).__name__}: {lines[0][:LONGEST_CAUSE]}' if lines else type(error).__name__


def _was_refused(error: OSError) -> bool:
    """Whether S3 has refused a conditional request, because the file exists (412) or is being made (409)."""
    texts = (str(error), str(error.__cause__))
    return any(text in one for one in texts for text in ('PreconditionFailed', 'ConditionalRequestConflict'))


def _refuse_credentials(url: str, giver: str) -> None:
    for part in url.split('::'):
        if re.search('://[^/@]*:[^/@]*@', part):
            raise BadInput(
                f'{giver}: the URL has a password, which would stand in records and logs; give credentials in the '
                'environment, or in a file of ~/.config/fsspec'
            )
