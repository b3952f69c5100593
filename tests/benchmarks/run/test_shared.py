"""Drivers with work dirs of their own that share a remote place: each stage is computed once, whatever breaks."""

import threading
import time
import uuid

import pytest
from tiny_grid import chain, plan_of, stage

from benchmarks.run import driver as driver_module
from benchmarks.run import others
from benchmarks.run import shared as module
from benchmarks.run.driver import Driver
from benchmarks.run.shared import SharedLauncher
from benchmarks.run.state import look_up
from benchmarks.stages.worker import is_done
from benchmarks.store.damaged import damage_of
from benchmarks.store.remote.entries import Entries
from benchmarks.store.remote.place import RemotePlace, Unreachable
from benchmarks.store.store import Store

CHAINS = 4


class Computes:
    """A launcher whose stages are computed by a poll; what each of them stores follows from its config alone."""

    timeout_s = None

    def __init__(self, status='ok', seconds=0.0):
        self.status, self.seconds = status, seconds
        self.computed, self.running, self.cancelled = [], [], False

    def submit(self, *tasks):
        self.running += tasks

    def poll(self):
        ended, self.running = self.running, []
        for task in ended:
            self.compute(task)
        return {task.key: None for task in ended}

    def compute(self, task):
        store = Store(task.store)
        with store.writing(task.key) as folder:
            if is_done(store, task, folder):
                return
            time.sleep(self.seconds)
            self.computed.append(task.key)
            (folder / 'facts.csv').write_text(task.config['name'])
            if task.kind == 'predict':
                (folder / 'maps').mkdir()
                (folder / 'maps' / '0.npz').write_text('a map')
            reason = None if self.status == 'ok' else 'as it should'
            fields = dict(status=self.status, reason=reason, facts=dict(seconds=1.0), label='', ingredients={})
            store.commit(task.kind, task.key, folder, **fields)

    def cancel_all(self):
        self.cancelled = True


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(driver_module, 'POLL_S', 0.002)
    monkeypatch.setattr(others, 'LATER_S', 0.02)


@pytest.fixture
def place():
    return RemotePlace(f'memory://{uuid.uuid4().hex}')


@pytest.fixture
def plan():
    return plan_of(*(one for number in range(CHAINS) for one in chain(str(number))))


class Host:
    """A driver with a store of its own."""

    def __init__(self, root, place, plan, *, exclusive=True, jobs=3, **computes):
        self.store, self.plan, self.computes = Store(root), plan, Computes(**computes)
        self.launcher = SharedLauncher(self.computes, self.store, place, exclusive=exclusive)
        found, _ = look_up(self.store, plan)
        self.driver = Driver(plan, self.store, self.launcher, found, device='cpu', jobs=jobs)
        self.launcher.tell = self.driver.state.messages.append

    @property
    def messages(self):
        return self.driver.state.messages

    def run(self):
        self.state = self.driver.run(lambda state: None)
        return self

    def counts(self):
        """What each stage has stored, checksums compared."""
        found = {}
        for key, one in self.plan.stages.items():
            result = self.store.get(one.kind, key, verify=True)
            found[key] = result and (result.status, (result.folder / 'facts.csv').read_text())
        return found


def nothing_is_left(place):
    return not place.names('drivers') and not [key for key in place.names('leases') if place.names(f'leases/{key}')]


def test_two_drivers_at_once_compute_each_stage_once_and_have_equal_counts(tmp_path, place, plan):
    hosts = [Host(tmp_path / name, place, plan, seconds=0.02) for name in 'ab']
    threads = [threading.Thread(target=host.run) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one, other = hosts
    assert sorted(one.computes.computed + other.computes.computed) == sorted(plan.stages)
    assert one.counts() == other.counts() and None not in one.counts().values()
    assert one.computes.computed and other.computes.computed, 'both have worked'
    assert nothing_is_left(place)


def test_a_driver_that_comes_later_computes_nothing(tmp_path, place, plan):
    one, other = Host(tmp_path / 'a', place, plan).run(), Host(tmp_path / 'b', place, plan).run()
    assert other.computes.computed == [] and other.counts() == one.counts() and other.messages == []
    predictions = [key for key, each in plan.stages.items() if each.kind == 'predict']
    assert not any(other.store.has_maps('predict', key) for key in predictions), 'no stage here reads them'


def test_maps_come_where_a_stage_reads_them(tmp_path, place):
    first = chain('x')
    Host(tmp_path / 'a', place, plan_of(*first[:2])).run()
    other = Host(tmp_path / 'b', place, plan_of(*first)).run()
    assert other.computes.computed == [first[2].key] and other.store.has_maps('predict', first[1].key)


def test_a_stage_that_another_driver_computes_lets_others_start_first(tmp_path, place, plan):
    host, other = Host(tmp_path / 'a', place, plan, jobs=1), Host(tmp_path / 'b', place, plan)
    first = next(iter(plan.stages))
    assert other.launcher.leases.take(first)

    def leave_last(state):
        if len(host.computes.computed) == len(plan.stages) - 3:
            other.launcher.leases.close()

    host.driver.run(leave_last)
    assert host.computes.computed[-3:] == list(plan.stages)[:3] and None not in host.counts().values()
    assert len([line for line in host.messages if 'a driver on another host computes it' in line]) == 1


def test_damage_there_is_named_and_computed_again(tmp_path, place, plan):
    Host(tmp_path / 'a', place, plan).run()
    key, one = next(iter(plan.stages.items()))
    (digest,) = place.names(f'{one.kind}/{key}')
    place.write(f'{one.kind}/{key}/{digest}/facts.csv', b'?')
    other = Host(tmp_path / 'b', place, plan).run()
    assert other.computes.computed == [key] and None not in other.counts().values()
    named = f'{place.url}/{one.kind}/{key}/{digest}/facts.csv is altered'
    assert [damage.why for damage in damage_of(other.store.root, {key})] == [named]
    assert [line for line in other.messages if named in line]
    assert Host(tmp_path / 'c', place, plan).run().computes.computed == [], 'it is mended there'


def test_a_run_outlives_a_place_that_is_away_and_says_so_once(tmp_path, place, plan, monkeypatch):
    def away(*_, **__):
        raise ConnectionResetError('away')

    for name in ('cat_file', 'pipe_file', 'put', 'ls'):
        monkeypatch.setattr(place.fs, name, away)
    host = Host(tmp_path / 'a', place, plan).run()
    assert sorted(host.computes.computed) == sorted(plan.stages) and None not in host.counts().values()
    (said,) = host.messages
    assert said.startswith(f'{place.url} cannot be read or written: ConnectionResetError: away. The run goes on')


def test_what_could_not_be_taken_up_is_when_the_place_is_back(tmp_path, place, plan, monkeypatch):
    monkeypatch.setattr(module, 'AWAY_S', 0.05)
    lost, put = [], place.put

    def put_twice(files):
        if not lost:
            lost.append(files)
            raise Unreachable(f'{place.url} is away')
        put(files)

    monkeypatch.setattr(place, 'put', put_twice)
    host = Host(tmp_path / 'a', place, plan, seconds=0.03, jobs=1).run()
    deadline, entries = time.monotonic() + 20, Entries(place, exclusive=True)
    while (there := set().union(*map(entries.keys, ('train', 'predict', 'refine')))) != plan.stages.keys():
        host.launcher.poll()
        assert time.monotonic() < deadline, plan.stages.keys() - there
        time.sleep(0.01)


@pytest.mark.parametrize('status, shared', [('failed', False), ('out_of_memory', False), ('diverged', True)])
def test_a_failure_stays_on_its_host_unless_it_is_one_everywhere(tmp_path, place, status, shared):
    plan = plan_of(stage('train', 'x'))
    Host(tmp_path / 'a', place, plan, status=status).run()
    other = Host(tmp_path / 'b', place, plan).run()
    assert bool(other.computes.computed) is not shared
    assert nothing_is_left(place)


def test_without_exclusive_creation_stages_run_twice_at_most(tmp_path, place, plan):
    hosts = [Host(tmp_path / name, place, plan, exclusive=False, seconds=0.01) for name in 'ab']
    threads = [threading.Thread(target=host.run) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hosts[0].counts() == hosts[1].counts() and None not in hosts[0].counts().values()
    assert Host(tmp_path / 'c', place, plan, exclusive=False).run().computes.computed == []
    assert not place.names('leases')


def test_the_end_of_a_run_gives_its_leases_back(tmp_path, place, plan):
    host = Host(tmp_path / 'a', place, plan)
    host.computes.poll = dict  # it computes for ever

    def interrupt(state):
        if host.computes.running:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        host.driver.run(interrupt)
    assert host.computes.cancelled and nothing_is_left(place)


@pytest.mark.parametrize('method', ['take', 'leave'])
def test_a_stage_comes_out_whatever_happens(tmp_path, place, monkeypatch, method):
    plan = plan_of(stage('train', 'x'))
    host = Host(tmp_path / 'a', place, plan)
    monkeypatch.setattr(host.launcher.leases, method, lambda key: 1 / 0)
    monkeypatch.setattr(host.launcher.leases, 'close', lambda: None)
    (result,) = host.run().state.results.values()
    assert result.ok if method == 'leave' else 'ZeroDivisionError' in result.reason
