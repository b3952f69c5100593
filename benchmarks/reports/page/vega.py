"""The JavaScript of Vega, Vega-Lite and Vega-Embed, as the package vl-convert-python ships it.

To bundle it takes 1.6 s, in which Python can do nothing else, so a child process does it while the numbers of the
report are computed. One process bundles once, however many reports it makes.
"""

import subprocess
import sys
from functools import cache

_CODE = 'import sys, vl_convert; sys.stdout.buffer.write(vl_convert.javascript_bundle().encode())'


@cache
def start_bundling() -> subprocess.Popen:
    """Start the child process, or give the one that was started before."""
    # -P: a file `vl_convert.py` in the current folder is not what is meant.
    return subprocess.Popen([sys.executable, '-P', '-c', _CODE], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@cache
def vega_library() -> str | None:
    """The JavaScript, 0.9 MB; None where vl-convert-python is not installed.

    Raises:
        RuntimeError: The script could end the element that holds it, or the bundler failed; names the cure.
    """
    process = start_bundling()
    content, errors = process.communicate()
    if process.returncode:
        if b"No module named 'vl_convert'" in errors:
            return None
        raise RuntimeError(
            f'vl-convert-python cannot bundle its JavaScript (pip install --force-reinstall vl-convert-python): '
            f'{errors.decode(errors="replace").strip()[-500:]}'
        )
    text = content.decode('utf-8')
    if any(mark in text.lower() for mark in ('</script', '<script', '<!--')):
        raise RuntimeError('the JavaScript of vl-convert-python cannot stand in a page; install another version of it')
    return text
