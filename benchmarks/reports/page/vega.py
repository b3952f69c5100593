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
    # -P: a file `vl_convert.py` in the current folder is not what is meant. A session of its own: Ctrl-C ends the run,
    # which still makes a report, and not the bundling.
    command = [sys.executable, '-P', '-c', _CODE]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)


@cache
def vega_library() -> str | None:
    """The JavaScript, 0.9 MB; None where vl-convert-python is not installed, fails, or gives what no page can hold."""
    process = start_bundling()
    content, _ = process.communicate()
    text = content.decode('utf-8')
    ends_its_element = any(mark in text.lower() for mark in ('</script', '<script', '<!--'))
    return None if process.returncode or ends_its_element else text
