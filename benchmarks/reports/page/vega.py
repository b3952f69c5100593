"""The JavaScript of Vega, Vega-Lite and Vega-Embed, as the package vl-convert-python ships it.

To bundle it takes 1.6 s, in which Python can do nothing else, so a child process does it while the numbers of the
report are computed. The bundle is kept in the user's cache folder, by the version of the package.
"""

import hashlib
import os
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.files import write_atomic

_CODE = 'import sys, vl_convert; sys.stdout.buffer.write(vl_convert.javascript_bundle().encode())'


@cache
def start_bundling() -> subprocess.Popen | None:
    """Start the child process, or give the one that was started before; None where the bundle is kept."""
    if _kept() is not None:
        return None
    # -P: a file `vl_convert.py` in the current folder is not what is meant. A session of its own: Ctrl-C ends the run,
    # which still makes a report, and not the bundling.
    command = [sys.executable, '-P', '-c', _CODE]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)


@cache
def vega_library() -> str | None:
    """The JavaScript, 0.9 MB; None where vl-convert-python is not installed, fails, or gives what no page can hold."""
    process = start_bundling()
    if process is None:
        return _kept()
    content, _ = process.communicate()
    text = content.decode('utf-8')
    ends_its_element = any(mark in text.lower() for mark in ('</script', '<script', '<!--'))
    if process.returncode or ends_its_element:
        return None
    with suppress(OSError, RuntimeError, PackageNotFoundError):  # kept for later reports, if there is a place for it
        write_atomic(_place(), f'{_digest(text)}\n{text}'.encode(), sync=False)
    return text


@cache
def _kept() -> str | None:
    """The bundle in the cache folder; None if there is none, or a damaged one."""
    try:
        digest, _, text = _place().read_text(encoding='utf-8').partition('\n')
    except (OSError, UnicodeDecodeError, RuntimeError, PackageNotFoundError):
        return None
    return text if digest == _digest(text) else None


def _place() -> Path:
    """The file of the bundle.

    Raises:
        RuntimeError: The user has no home.
        PackageNotFoundError: vl-convert-python is not installed.
    """
    folder = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
    return folder / 'segmentation-ablation' / f'vega_{version("vl-convert-python")}.js'


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode('utf-8')).hexdigest()
