"""Drivers with work dirs of their own on one bucket of a server that speaks S3 (moto); they and it are killed."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import fsspec
import pytest
from s3_server import BUCKET, s3_server
from tiny_grid import STAND_INS, grid, results

from benchmarks.session.doing import MARK
from benchmarks.store.remote.entries import Entries
from benchmarks.store.remote.place import RemotePlace

ROOT = Path(__file__).resolve().parents[3]
HELPERS = ROOT / 'tests' / 'helpers'
CHAINS = 3
PATIENCE_S = 1200
KINDS = ('train', 'predict', 'refine', 'profile')
pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def server():
    with s3_server() as (process, environment):
        yield process, environment


@pytest.fixture
def bucket(server, monkeypatch):
    """The URL of a new folder in the bucket."""
    for name, value in server[1].items():
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class('s3').clear_instance_cache()
    return f's3://{BUCKET}/{uuid.uuid4().hex}'


def start(root, url):
    path = os.pathsep.join(map(str, (STAND_INS, ROOT, HELPERS)))
    return subprocess.Popen(
        [sys.executable, str(HELPERS / 'shared_grid.py'), str(root), url, str(CHAINS)],
        env={**os.environ, 'PYTHONPATH': path, 'CUDA_VISIBLE_DEVICES': ''},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(driver):
    """Wait for the end of a driver; the keys of the stages that it has computed, and what it said."""
    said, complaints = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode == 0, complaints
    return set(json.loads(said.splitlines()[-1])), ''.join(
        line for line in complaints.splitlines(keepends=True) if not line.startswith(MARK)
    )


def shared(url):
    """The keys in the bucket."""
    entries = Entries(RemotePlace(url), exclusive=True)
    return set().union(*map(entries.keys, KINDS))


def test_two_drivers_compute_each_stage_once_and_have_equal_counts(bucket, tmp_path):
    drivers = [start(tmp_path / name, bucket) for name in 'ab']
    (one, _), (other, _) = map(finish, drivers)
    found = results(tmp_path / 'a')
    assert found == results(tmp_path / 'b') and len(found) == len(grid(CHAINS).stages) - 2
    failed = {key for (_, key), (status, _) in found.items() if status == 'failed'}
    assert one & other <= failed and one | other == {key for _, key in found}, 'a failure stays on its host'
    assert shared(bucket) == (one | other) - failed
    place = RemotePlace(bucket)
    assert place.names('drivers') == set() and not any(place.names(f'leases/{key}') for key in place.names('leases'))
    kept = b''.join(path.read_bytes() for path in tmp_path.rglob('*') if path.is_file())
    assert b'a-secret-key-40217' not in kept


def test_a_driver_that_is_killed_while_it_takes_results_up_leaves_no_half_result(bucket, tmp_path):
    driver = start(tmp_path / 'a', bucket)
    assert driver.stdout.readline() == 'begins\n'
    place, deadline = RemotePlace(bucket), time.monotonic() + PATIENCE_S
    while not any(place.names(f'train/{name}') for name in place.names('train') if '.' not in name):
        assert time.monotonic() < deadline and driver.poll() is None
    os.killpg(driver.pid, signal.SIGKILL)
    driver.communicate()
    entries, before = Entries(place, exclusive=True), shared(bucket)
    for kind in KINDS:
        for key in entries.keys(kind):
            (tmp_path / key).mkdir()
            assert entries.fetch(kind, key, tmp_path / key, maps=False).ok, 'what is there is whole'
    other, said = finish(start(tmp_path / 'b', bucket))
    assert not other & before and said == ''
    assert results(tmp_path / 'b').keys() == {(one.kind, one.key) for one in grid(CHAINS).stages.values()} - blocked()


def blocked():
    """The stages below the training that fails."""
    return {(one.kind, one.key) for one in grid(CHAINS).stages.values() if one.stack == ('1',) and one.kind != 'train'}


def test_a_server_that_dies_costs_no_result_and_the_next_run_makes_up_for_it(tmp_path, monkeypatch):
    with s3_server() as (process, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        driver = start(tmp_path / 'a', f's3://{BUCKET}/x')
        assert driver.stdout.readline() == 'begins\n'
        process.kill()
        computed, said = finish(driver)
    assert said.startswith(f's3://{BUCKET}/x cannot be read or written: ') and 'The run goes on' in said
    assert len(computed) == len(grid(CHAINS).stages) - 2 == len(results(tmp_path / 'a'))
    with s3_server() as (_, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        again, said = finish(start(tmp_path / 'a', f's3://{BUCKET}/x'))
        fsspec.get_filesystem_class('s3').clear_instance_cache()
        assert (again, said) == (set(), '') and len(shared(f's3://{BUCKET}/x')) == len(computed) - 1
