"""A folder that two hosts have mounted through a network: by sshfs, each mount with a server and caches of its own.

Its caches are harsh: an attribute and a listing may be 20 s old, times have whole seconds, and ``flock`` on one mount
is unknown on the other.

A test that needs it is skipped where it cannot be made, also in CI: containers often have no ``/dev/fuse``, or may not
mount, and no package can change that.
"""

import ctypes
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import which

import pytest

SERVER = Path('/usr/lib/openssh/sftp-server')
DEVICE = Path('/dev/fuse')
PATIENCE_S = 30
CLONE_NEWNS = 0x20000


@contextmanager
def network_folder(place: Path, *options: str) -> Iterator[tuple[Path, Path]]:
    """Export a folder, and mount it twice; skip the test where that cannot be done.

    Args:
        place: A folder on a local disk; its folder ``export`` is what both mounts show.
        options: Options of the mounts, as sshfs takes them after ``-o``.

    Yields:
        The two mounts.
    """
    absent = [name for name in ('sshfs', 'fusermount3', 'unshare', 'mount') if which(name) is None]
    absent += [str(path) for path in (SERVER, DEVICE) if not path.exists()]
    if absent:
        pytest.skip(f'{", ".join(absent)} missing: apt-get install sshfs openssh-sftp-server, where FUSE is allowed')
    done = subprocess.run(['unshare', '--mount', '--pid', '--fork', 'true'], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f'no namespace for another host can be made here: {done.stderr.strip()}')
    export, mounts = place / 'export', (place / 'here', place / 'there')
    with ExitStack() as mounted:
        for folder in (export, *mounts):
            folder.mkdir()
        for mount in mounts:
            mounted.enter_context(_mounted(export, mount, options))
        yield mounts


@contextmanager
def _mounted(export: Path, mount: Path, options: Sequence[str]) -> Iterator[None]:
    """Mount a folder through a server of its own; both end with the block, whatever still uses them."""
    ours, theirs = socket.socketpair()
    with ExitStack() as ends, open(mount.with_suffix('.log'), 'wb') as log:
        ends.enter_context(_process([str(SERVER)], theirs, log))
        # passive: no ssh; the protocol goes over the client's own input and output
        command = ['sshfs', '-f', '-o', ','.join(['passive', *options]), f'host:{export}', str(mount)]
        client = ends.enter_context(_process(command, ours, log))
        ours.close()
        theirs.close()
        ends.callback(subprocess.run, ['fusermount3', '-u', '-z', str(mount)], capture_output=True)
        deadline = time.monotonic() + PATIENCE_S
        while not os.path.ismount(mount):
            if client.poll() is not None:
                pytest.skip(f'sshfs cannot mount here: {mount.with_suffix(".log").read_text().strip()}')
            assert time.monotonic() < deadline, 'sshfs has not mounted'
            time.sleep(0.01)
        yield


@contextmanager
def _process(command: list[str], end: socket.socket, log) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(command, stdin=end, stdout=end, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def enter(mount: Path, at: Path) -> None:
    """Let this process, and those that it starts, see a mount at another path: that of another host's mount."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), 'unshare')
    subprocess.run(['mount', '--make-rprivate', '/'], check=True)
    subprocess.run(['mount', '--bind', str(mount), str(at)], check=True)
