"""Real drivers on two hosts that have mounted one folder by sshfs; a host dies, one stands still, and one collects."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from network_folder import network_folder

from benchmarks.run.contract import LOST_LEASE
from benchmarks.stages.descendants import descendants
from benchmarks.store import observer
from benchmarks.store.garbage import collect_garbage
from benchmarks.store.store import Store

ROOT = Path(__file__).resolve().parents[3]
HELPERS = ROOT / 'tests' / 'helpers'
SHELL = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'
KINDS = ('train', 'predict', 'refine')
CHAINS, JOBS = 4, 2
LEASE_S = 8.0  # times on sshfs have whole seconds, and its server may have to wait for other work of the machine
FOR_EVER_S = 3600
STILL_S = 5.0  # long enough to be stopped in; when it goes on, this time is over
PATIENCE_S = 200  # both cores may be busy
pytestmark = pytest.mark.slow


class Host:
    """A host with a kernel and process numbers of its own, as the store sees it, that runs a driver.

    Args:
        name: Its name.
        place: The folder of the test, on the local disk.
        mount: Its mount of the network folder.
        chains: The chains of the driver's grid.
        seconds: The time that each stage takes here.
    """

    def __init__(self, name, place, mount, chains, seconds):
        self.computed = place / 'computed'
        self.computed.mkdir(exist_ok=True)
        boot = place / f'{name}.boot'
        boot.write_text(f'{uuid.uuid4()}\n')
        script = HELPERS / 'driver_on_a_host.py'
        driver = (sys.executable, script, mount / 'store', self.computed, chains, seconds, JOBS)
        namespaces = ('unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc')
        path = os.pathsep.join([str(ROOT), str(HELPERS)])
        self.process = subprocess.Popen(
            list(map(str, (*namespaces, 'sh', '-c', SHELL, boot, *driver))),
            env={**os.environ, 'PYTHONPATH': path, 'HOST': name, 'LEASE_S': f'{LEASE_S}'},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def go(self):
        """Let the driver run its grid."""
        self.process.stdin.write('run\n')
        self.process.stdin.flush()

    def finish(self):
        """Let the driver end when it has run, and wait for that; what it says."""
        said, complaints = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0, complaints
        return json.loads(said.splitlines()[-1])

    def signal(self, number):
        """Send a signal to all processes of the host."""
        for pid in descendants(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def die(self):
        """End all of its processes at once, as a power cut would."""
        self.process.kill()
        self.process.wait()


@pytest.fixture
def mounts(tmp_path):
    with network_folder(tmp_path) as mounts:
        yield mounts


@pytest.fixture
def start(tmp_path, mounts):
    """Starts hosts by their mounts, 'here' and 'there'; their drivers begin together."""
    hosts = []

    def start(*names, chains=CHAINS, seconds=0.5):
        new = [Host(mount.name, tmp_path, mount, chains, seconds) for mount in mounts if mount.name in names]
        hosts.extend(new)
        for host in new:
            assert host.process.stdout.readline() == 'begins\n', host.process.stderr.read()
        for host in new:
            host.go()
        return new

    yield start
    for host in hosts:
        host.die()
        for stream in (host.process.stdin, host.process.stdout, host.process.stderr):
            stream.close()


@pytest.fixture
def served(tmp_path):
    """The store as its file server has it: nothing here is remembered from earlier."""
    return tmp_path / 'export' / 'store'


def stages(chains=CHAINS):
    return {f'{kind} {number}' for number in range(chains) for kind in KINDS}


def began(tmp_path):
    """How often each stage has begun, by stage and host."""
    return Counter(tuple(path.name.rsplit(' ', 2)[:2]) for path in (tmp_path / 'computed').iterdir())


def stored(served):
    """By which host each result was stored; all of them are sound."""
    store, found = Store(served), {}
    for kind in KINDS:
        for result in store.stored(kind):
            assert result.ok and store.get(kind, result.folder.name, verify=True), result
            found[f'{kind} {result.label.removesuffix("__seed0")}'] = (result.folder / 'host.txt').read_text()
    return found


def is_clean(served):
    return not [*served.glob('running/*'), *served.glob('drivers/*'), *served.glob('locks/collecting-*')]


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_two_hosts_compute_each_stage_once(tmp_path, start, served):
    for host in start('here', 'there', seconds=1):
        assert set(host.finish()['statuses']) == {'ok'}
    times = began(tmp_path)
    assert set(stored(served)) == {stage for stage, _ in times} == stages() and times.total() == len(stages())
    assert {host for _, host in times} == {'here', 'there'}, 'both have worked'
    assert is_clean(served)


def test_a_host_that_dies_holds_nobody_up_for_longer_than_its_lease(tmp_path, start, served):
    (dying,) = start('there', chains=1, seconds=FOR_EVER_S)
    wait_for(lambda: began(tmp_path))
    dying.die()
    died = time.monotonic()
    (other,) = start('here')
    assert set(other.finish()['statuses']) == {'ok'}
    assert time.monotonic() - died > LEASE_S, 'its stages were taken over, so that this test has tested something'
    assert stored(served) == dict.fromkeys(stages(), 'here') and began(tmp_path).total() == len(stages()) + 1
    assert os.listdir(served / 'running') == []


def test_a_host_that_stood_still_publishes_nothing_over_the_new_owners_results(tmp_path, start, served):
    (still,) = start('there', chains=1, seconds=STILL_S)
    wait_for(lambda: began(tmp_path))
    still.signal(signal.SIGSTOP)
    (other,) = start('here', chains=1)
    assert set(other.finish()['statuses']) == {'ok'}
    before = manifests(served)
    still.signal(signal.SIGCONT)
    said = still.finish()
    assert set(said['statuses']) == {'ok'} and any(LOST_LEASE in line for line in said['told']), said
    assert manifests(served) == before and stored(served) == dict.fromkeys(stages(1), 'here')
    assert began(tmp_path) == {('train 0', 'there'): 1, **{(stage, 'here'): 1 for stage in stages(1)}}
    assert is_clean(served)


def manifests(served):
    """Each manifest's content and time."""
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in served.glob('*/*/manifest.json')}


def test_results_stay_while_a_host_works_and_are_garbage_when_it_has_ended(mounts, start, monkeypatch, served):
    monkeypatch.setattr(observer, 'LEASE_S', LEASE_S)
    store = Store(mounts[0] / 'store')
    collect_garbage(store)  # from now on this host remembers that there is no driver
    (host,) = start('there')
    while (found := collect_garbage(store)).kept_for_drivers < len(stages()):
        assert found.removed == [] and host.process.poll() is None
    assert set(stored(served)) == stages()
    assert set(host.finish()['statuses']) == {'ok'}
    assert len(collect_garbage(Store(served)).removed) == len(stages()), 'so nothing but the driver has kept them'
