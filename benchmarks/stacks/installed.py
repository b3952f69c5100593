"""Which code an installed distribution holds as it was installed: its version stands for it, so it enters no key.

All other code counts as the user's own: modules beside a config, editable installs, and files of an installed
distribution that were edited in place. ``RECORD`` of a distribution lists size and sha256 of each file. A file of the
same size is read only if a time stamp says that it was written after the installation.
"""

import base64
import csv
import hashlib
import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from benchmarks.stacks.module_files import find

# The libraries whose modules a config's types reach without any import by a plugin.
LIBRARIES = ('mmengine', 'mmcv', 'mmseg')
SITES = frozenset(('site-packages', 'dist-packages'))
# An installer writes RECORD last; file systems may round time stamps.
SLACK_NS = 2_000_000_000


def is_own(module: str) -> bool:
    """Whether a module's code may change while no version changes."""
    top = module.partition('.')[0]
    path = find(module)
    if path is None or top in sys.stdlib_module_names:
        return False
    site = _site(path)
    if site is None:
        return True
    return module in edited_modules(top) if top in LIBRARIES else _is_edited(path, site)


def _site(path: Path) -> Path | None:
    """The folder of installed distributions that holds a file."""
    return next((folder for folder in path.parents if folder.name in SITES), None)


@cache
def edited_modules(library: str) -> Mapping[str, Path]:
    """The modules of a library that are not as they were installed; all of them if it is installed as editable."""
    path = find(library)
    if path is None:
        return {}
    site = _site(path)
    modules = _modules_below(path.parent, library)
    return {module: file for module, file in modules.items() if site is None or _is_edited(file, site)}


@cache
def library_modules() -> Mapping[str, str]:
    """The source text of each module of the libraries; read only where one of them was edited."""
    files = {
        module: file
        for library in LIBRARIES
        if (path := find(library)) is not None
        for module, file in _modules_below(path.parent, library).items()
    }
    return {module: file.read_text(errors='replace') for module, file in files.items()}


def _modules_below(folder: Path, package: str) -> dict[str, Path]:
    found = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name.isidentifier() and name != '__pycache__']
        parts = [package, *Path(place).relative_to(folder).parts]
        for file in files:
            name, suffix = os.path.splitext(file)
            if suffix == '.py':
                module = parts if name == '__init__' else [*parts, name]
                found['.'.join(module)] = Path(place, file)
    return found


def _is_edited(path: Path, site: Path) -> bool:
    """Whether a file is not what a distribution installed, or no distribution installed it."""
    name = path.relative_to(site).as_posix()
    record = _record_with(name.partition('/')[0], site)
    if record is None:
        return not _keeps_no_records(site)
    row = _rows(record).get(name)
    if row is None:
        return True
    status, installed = path.stat(), record.stat()
    later = max(status.st_mtime_ns - installed.st_mtime_ns, status.st_ctime_ns - installed.st_ctime_ns) > SLACK_NS
    sha256, size = row
    return status.st_size != size or (later and _sha256(path) != sha256)


@cache
def _record_with(top: str, site: Path) -> Path | None:
    """The ``RECORD`` of the distribution that installed a package or module directly below ``site``."""
    starts = tuple(f'{lead}{top}{end}'.encode() for lead in ('\n', '') for end in ('/__init__.py,', '/', ','))
    contents = _records(site)
    for start in starts:  # a package's own file decides before the folder, which namespace packages share
        for path, content in contents.items():
            if start in content if start[:1] == b'\n' else content.startswith(start):
                return path
    return None


@cache
def _records(site: Path) -> Mapping[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(site.glob('*.dist-info/RECORD'))}


@cache
def _rows(record: Path) -> Mapping[str, tuple[str, int]]:
    """sha256 and size in bytes of each file that a distribution installed, by its path below the site folder."""
    with open(record, newline='') as stream:
        return {
            name: (sha256.removeprefix('sha256='), int(size))
            for name, sha256, size in csv.reader(stream)
            if sha256 and size
        }


@cache
def _keeps_no_records(site: Path) -> bool:
    """Whether distributions lie here whose installer writes no ``RECORD``, as a Linux distribution's own does."""
    return any(site.glob('*.egg-info'))


def _sha256(path: Path) -> str:
    """As ``RECORD`` writes it: base64 for addresses, without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b'=').decode()
