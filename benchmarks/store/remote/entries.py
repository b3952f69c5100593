"""The results in a remote place: brought down with all checksums compared, and taken up so that none is seen in part.

    <url>/<stage>/<key>.json            the manifest of a result, as the local store has written it; written last
    <url>/<stage>/<key>/<digest>/…      the files that the manifest with this digest names

So a kill during an upload leaves files that no manifest names. The next upload of the key removes them.
"""

import hashlib
from pathlib import Path, PurePosixPath

from benchmarks.store.remote.place import RemotePlace
from benchmarks.store.result import MANIFEST, MAPS, Damaged, Result, read_manifest, refuse_damaged_file, result_of


class Entries:
    """The results in one place.

    Args:
        place: The place.
        exclusive: Whether of several processes one alone can make a file there.
    """

    def __init__(self, place: RemotePlace, *, exclusive: bool) -> None:
        self.place, self.exclusive = place, exclusive

    def keys(self, stage: str) -> set[str]:
        """The keys of all results of one kind of stage."""
        return {name.removesuffix('.json') for name in self.place.names(stage) if name.endswith('.json')}

    def fetch(self, stage: str, key: str, folder: Path, *, maps: bool) -> Result | None:
        """Bring the files of a result down.

        Args:
            stage: Kind of stage.
            key: Its key.
            folder: An empty folder for the files. It gets no manifest, so that the local store writes its own.
            maps: Whether the maps are needed, too; they are far larger than all else.

        Returns:
            The result; None if there is none, or one without the maps that are needed.

        Raises:
            Damaged: The manifest or a file is altered, truncated or missing. The message names it by its URL.
            Unreachable: The place cannot be read.
        """
        text = self.place.read(f'{stage}/{key}.json')
        if text is None:
            return None
        files = f'{stage}/{key}/{_digest(text)}'
        try:
            manifest = _manifest_of(text, folder, stage, key)
            whole = manifest.get('whole', True)
            has_maps = any(_is_map(name) for name in manifest['files'])
            if maps and has_maps and not self.place.names(f'{files}/{MAPS}'):
                whole = False  # they had been dropped before the result was taken up
            if maps and not whole:
                return None
            wanted = {name: line for name, line in manifest['files'].items() if maps or not _is_map(name)}
            self._get(files, wanted, folder)
        except Damaged as error:
            said = str(error).replace(str(folder / MANIFEST), f'{self.place.url}/{stage}/{key}.json')
            raise Damaged(said.replace(str(folder), f'{self.place.url}/{files}')) from error
        return result_of(folder, manifest, whole=whole and (maps or not has_maps))

    def _get(self, files: str, wanted: dict, folder: Path) -> None:
        missing = self.place.get({f'{files}/{name}': folder / name for name in wanted})
        if missing:
            raise Damaged(f'{self.place.url}/{missing} is missing')
        for name, (size, checksum) in wanted.items():
            refuse_damaged_file(folder / name, size, checksum)

    def has(self, stage: str, key: str) -> bool:
        """Whether there is a result, be it a damaged one."""
        return self.place.read(f'{stage}/{key}.json') is not None

    def publish(self, stage: str, key: str, folder: Path, *, replace: bool = False) -> None:
        """Take a result up: its files first, and the manifest last.

        Args:
            stage: Kind of stage.
            key: Its key.
            folder: The folder of the result in the local store.
            replace: Whether it takes the place of another result of the key; by default the other one stays.

        Raises:
            Damaged: A file is not as it was written.
            Unreachable: The place cannot be read or written.
        """
        if not replace and self.has(stage, key):
            return
        text, manifest = (folder / MANIFEST).read_bytes(), read_manifest(folder)
        assert manifest is not None
        present = [name for name in manifest['files'] if not _is_map(name) or (folder / MAPS).is_dir()]
        for name in present:
            refuse_damaged_file(folder / name, *manifest['files'][name])
        digest, name_of_manifest = _digest(text), f'{stage}/{key}.json'
        self.place.put({f'{stage}/{key}/{digest}/{name}': folder / name for name in present})
        if replace:
            self.place.write(name_of_manifest, text)
        elif not self.place.create(name_of_manifest, text):
            if self.place.read(name_of_manifest) != text:
                self.place.remove(f'{stage}/{key}/{digest}')
            return
        if self.exclusive:  # otherwise another process may be about to write the manifest of other files
            for other in self.place.names(f'{stage}/{key}') - {digest}:
                self.place.remove(f'{stage}/{key}/{other}')


def _manifest_of(text: bytes, folder: Path, stage: str, key: str) -> dict:
    """The manifest, read as the local store reads its own.

    Raises:
        Damaged: It is altered, or another result's, or names a file outside the result.
    """
    path = folder / MANIFEST
    path.write_bytes(text)
    manifest = read_manifest(folder)
    path.unlink()
    if manifest is None or (manifest.get('stage'), manifest.get('key')) != (stage, key):
        raise Damaged(f'{path} is the manifest of another result')
    paths = [PurePosixPath(name) for name in manifest['files']]
    if any(one.is_absolute() or '..' in one.parts for one in paths):
        raise Damaged(f'{path} names a file outside the result')
    return manifest


def _is_map(name: str) -> bool:
    return name.startswith(f'{MAPS}/')


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:16]
