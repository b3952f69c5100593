"""The operations of a remote place, alike on all file systems; and URLs that are refused."""

import sys

import fsspec
import pytest

from benchmarks.errors import BadInput
from benchmarks.store.remote.place import RemotePlace, Unreachable


def test_files_are_written_read_listed_and_removed(place):
    assert place.read('a/b') is None and place.names('a') == set() and place.modified('a/b') is None
    place.write('a/b', b'1')
    place.write('a/b', b'22')
    place.write('a/c/d', b'')
    assert place.read('a/b') == b'22' and place.names('a') == {'b', 'c'} and 'a' in place.names('')
    assert place.modified('a/b') > 0
    place.remove('a')
    place.remove('a')
    assert place.names('a') == set()


def test_a_file_is_made_once(place):
    assert place.create('lease', b'first') and not place.create('lease', b'second') and place.read('lease') == b'first'
    assert place.excludes() and place.names('trial') == set()


def test_files_are_copied_to_and_fro_and_a_missing_one_is_named(place, tmp_path):
    (tmp_path / 'up').mkdir()
    (tmp_path / 'up' / 'weights.bin').write_bytes(bytes(300_000))
    (tmp_path / 'up' / 'empty').touch()
    place.put({'x/weights.bin': tmp_path / 'up' / 'weights.bin', 'x/maps/empty': tmp_path / 'up' / 'empty'})
    down = {'x/weights.bin': tmp_path / 'down' / 'weights.bin', 'x/maps/empty': tmp_path / 'down' / 'm' / 'empty'}
    assert place.get(down) is None
    assert [path.stat().st_size for path in down.values()] == [300_000, 0]
    assert place.get(down | {'x/none': tmp_path / 'down' / 'none'}) == 'x/none'


def test_without_exclusive_creation_it_is_told(tmp_path, monkeypatch):
    """As with SFTP, whose file system in fsspec looks whether there is a file, and writes then."""
    monkeypatch.setattr('benchmarks.store.remote.place.LocalFileSystem', type('None', (), {}))
    assert not RemotePlace(str(tmp_path)).excludes()


def test_a_server_that_ignores_the_condition_is_found_out(tmp_path, monkeypatch):
    place = RemotePlace(str(tmp_path))
    monkeypatch.setattr(place, 'create', lambda name, content: place.write(name, content) is None)
    assert not place.excludes()


def test_whatever_a_file_system_raises_becomes_one_error_that_names_the_url(tmp_path, monkeypatch):
    place = RemotePlace(f'file://{tmp_path}/x/')

    def fail(*_, **__):
        raise ConnectionResetError(104, 'reset by peer')

    for name in ('cat_file', 'pipe_file', 'ls', 'modified', 'get', 'put', 'rm', 'makedirs'):
        monkeypatch.setattr(place.fs, name, fail, raising=True)
    calls = (
        lambda: place.read('a'),
        lambda: place.write('a', b''),
        lambda: place.create('a', b''),
        lambda: place.names('a'),
        lambda: place.modified('a'),
        lambda: place.get({'a': tmp_path / 'a'}),
        lambda: place.put({'a': tmp_path / 'a'}),
        lambda: place.remove('a'),
    )
    for call in calls:
        with pytest.raises(Unreachable, match=f'^file://{tmp_path}/x cannot .*ConnectionResetError.*reset by peer'):
            call()


@pytest.mark.parametrize(
    'url, said',
    [
        ('sftp://me:hush@host/folder', '--store: the URL has a password, which would stand in records and logs'),
        ('simplecache::s3://key:hush@bucket/x', 'has a password'),
        ('nonsense://x', 'nonsense://x cannot be opened .*nonsense'),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url, said):
    with pytest.raises(BadInput, match=said) as error:
        RemotePlace(url)
    assert '--store' in str(error.value) and 'hush' not in str(error.value)


def test_a_missing_package_is_told_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, 's3fs', None)
    monkeypatch.delitem(sys.modules['fsspec.registry']._registry, 's3', raising=False)
    with pytest.raises(BadInput, match=r"--store s3://b/x needs a package .*pip install 'segmentation-ablation\[s3\]'"):
        RemotePlace('s3://b/x')


@pytest.mark.slow
def test_a_missing_bucket_and_a_lost_server_are_told_by_url(s3, monkeypatch):
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class('s3').clear_instance_cache()
    with pytest.raises(Unreachable, match='^s3://nowhere/x cannot .*bucket does not exist'):
        RemotePlace('s3://nowhere/x').excludes()
    monkeypatch.setenv('AWS_ENDPOINT_URL', 'http://127.0.0.1:9')
    fsspec.get_filesystem_class('s3').clear_instance_cache()
    with pytest.raises(Unreachable, match='^s3://bucket/x cannot .*127.0.0.1:9'):
        RemotePlace('s3://bucket/x').excludes()
