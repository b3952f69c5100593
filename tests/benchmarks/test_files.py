import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from benchmarks import files
from benchmarks.files import digest, read_json, write_atomic, write_json

KILLED_AT = """
import os, signal, sys
from benchmarks import files

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

files.os.{call} = kill
files.write_atomic(sys.argv[1], b'new' * 100_000, sync={sync})
"""


@pytest.mark.parametrize('sync', [True, False])
def test_readers_see_the_new_content_and_the_folder_holds_nothing_else(tmp_path, sync):
    path = tmp_path / 'deep' / 'file'
    for content in (b'old', b'new', b''):
        assert write_atomic(path, content, sync=sync) == path
        assert path.read_bytes() == content and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize('call, sync', [('replace', True), ('replace', False), ('fsync', True)])
def test_a_killed_writer_leaves_the_old_file(tmp_path, call, sync):
    path = write_atomic(tmp_path / 'file', b'old')
    code = KILLED_AT.format(call=call, sync=sync)
    done = subprocess.run([sys.executable, '-c', code, str(path)])
    assert done.returncode == -signal.SIGKILL and path.read_bytes() == b'old'
    assert all(left.name.startswith('.') for left in tmp_path.iterdir() if left != path)
    write_atomic(path, b'newer')
    assert path.read_bytes() == b'newer'


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = write_atomic(tmp_path / 'file', b'old')

    def refuse(descriptor):
        raise OSError('disk full')

    monkeypatch.setattr(files.os, 'fsync', refuse)
    with pytest.raises(OSError, match='disk full'):
        write_atomic(path, b'new')
    assert path.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [path]


def test_without_sync_nothing_waits_for_the_disk(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(files.os, 'fsync', synced.append)
    write_atomic(tmp_path / 'file', b'a', sync=False)
    write_json(tmp_path / 'file.json', 1)
    assert not synced
    write_atomic(tmp_path / 'file', b'a')
    assert len(synced) == 1


@pytest.mark.parametrize('sync', [True, False])
def test_threads_that_write_one_file_never_mix(tmp_path, sync):
    path = write_atomic(tmp_path / 'file', b'0' * 50_000)
    done, seen = threading.Event(), set()

    def read():
        while not done.is_set():
            seen.add(path.read_bytes())

    def write(letter):
        for _ in range(50):
            write_atomic(path, letter * 50_000, sync=sync)

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(letter,)) for letter in (b'a', b'b')]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert seen <= {letter * 50_000 for letter in (b'0', b'a', b'b')}
    assert path.read_bytes()[:1] in (b'a', b'b') and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('write', [lambda path: write_atomic(path, b'new'), lambda path: write_json(path, 1)])
def test_where_nothing_can_be_written_it_raises_and_leaves_nothing(tmp_path, write):
    (tmp_path / 'file').write_text('a file is no folder')
    (tmp_path / 'folder').mkdir()
    for path in (tmp_path / 'file' / 'below', tmp_path / 'folder'):
        with pytest.raises(OSError):
            write(path)
    assert sorted(tmp_path.iterdir()) == [tmp_path / 'file', tmp_path / 'folder']
    assert not list((tmp_path / 'folder').iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write everywhere')
def test_a_folder_without_write_permission_raises_and_stays_empty(tmp_path):
    folder = tmp_path / 'folder'
    folder.mkdir(mode=0o500)
    with pytest.raises(PermissionError):
        write_atomic(folder / 'file', b'new')
    assert not list(folder.iterdir())


def test_writing_json_leaves_no_scratch_file(tmp_path):
    write_json(tmp_path / 'deep' / 'a.json', dict(a=1))
    with pytest.raises(TypeError):
        write_json(tmp_path / 'deep' / 'a.json', dict(a=object()))
    assert read_json(tmp_path / 'deep' / 'a.json') == dict(a=1)
    assert [path.name for path in (tmp_path / 'deep').iterdir()] == ['a.json']


@pytest.mark.parametrize('content', [None, '', '{"a": 1', b'\xff\xfe\x00'])
def test_json_that_is_missing_or_damaged_reads_as_none(tmp_path, content):
    path = tmp_path / 'a.json'
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert read_json(path) is None


def test_json_is_read_back(tmp_path):
    content = dict(a=[1, None, 'ä'], b=dict(c=0.1))
    assert read_json(write_json(tmp_path / 'a.json', content)) == content
    written = json.loads((tmp_path / 'a.json').read_text())
    assert written['content'] == content and list(written) == ['sha256', 'content']
    (tmp_path / 'a.json').write_text(json.dumps(content))  # as earlier versions have written it
    assert read_json(tmp_path / 'a.json') == content


def test_a_single_bit_that_is_wrong_is_damage(tmp_path):
    content = dict(files=dict(a=[1, 2.5, 'x']))
    path = write_json(tmp_path / 'a.json', content)
    sound = path.read_bytes()
    for at in range(len(sound)):
        for bit in range(8):
            flipped = bytearray(sound)
            flipped[at] ^= 1 << bit
            path.write_bytes(flipped)
            read = read_json(path)
            assert read in (None, content) or 'files' not in read, bytes(flipped)


def test_a_digest_ignores_what_does_not_tell_values_apart():
    assert digest(dict(a=1, b=(2, {3, 4}))) == digest(dict(b=[2, {4, 3}], a=1))
    assert digest([1, 2]) != digest([2, 1]) and digest(1) != digest('1') != digest(None)
