"""Two hosts on one store, without ``flock``: who has lost its lease neither stores nor removes a result."""

import io
import json
import os
import shutil
import signal
import time
from multiprocessing.connection import wait
from pathlib import Path

import pytest
from network_folder import enter, network_folder
from other_hosts import LONG_LEASE_S

from benchmarks.store import heartbeat
from benchmarks.store.fresh import names_in
from benchmarks.store.garbage import collect_garbage
from benchmarks.store.leases import LostLease
from benchmarks.store.store import Store

KEY, OTHER = 'a' * 40, 'b' * 40
SLOW = pytest.mark.slow
REMEMBERED_S = 1.1  # FUSE remembers for a second how long a file is, whoever opens it meanwhile


@pytest.fixture(params=['one disk', pytest.param('sshfs', marks=SLOW)])
def mounts(request, tmp_path):
    """The folder that both hosts share, as this one and as the others see it."""
    if request.param == 'one disk':
        yield tmp_path, tmp_path
    else:
        _, *options = request.param.split(' -o ')
        with network_folder(tmp_path, *options) as mounts:
            yield mounts


@pytest.fixture
def arrive(mounts):
    here, there = mounts
    return lambda: None if here == there else enter(there, here)


@pytest.fixture
def store(mounts):
    return Store(mounts[0] / 'work' / 'store')


@pytest.fixture
def keeps_lease(mounts, monkeypatch):
    """For a holder that must keep its lease: the times of files have whole seconds on sshfs."""
    here, there = mounts
    if here != there:
        monkeypatch.setattr('benchmarks.store.observer.LEASE_S', LONG_LEASE_S)


def commit(store, folder, label, key=KEY):
    (folder / 'weights.bin').write_text(label)
    return store.commit('train', key, folder, status='ok', reason=None, facts={}, ingredients={}, label=label)


def put(store, label, key=KEY):
    with store.writing(key) as folder:
        return commit(store, folder, label, key)


def label(store, key=KEY):
    """The label of the stored result, whose files are those of one writer."""
    result = store.get('train', key, verify=True)
    if result is None:
        return None
    assert (result.folder / 'weights.bin').read_text() == result.label
    return result.label


def is_clean(store):
    return not list(store.root.glob('running/*')) and not list(store.root.glob('locks/collecting-*'))


def stand_still():
    os.kill(os.getpid(), signal.SIGSTOP)


def stops_before(function, number):
    """A function that stops its process before it is called for the N-th time."""
    calls = []

    def stopping(*args, **kwargs):
        calls.append(args)
        if len(calls) == number:
            stand_still()
        return function(*args, **kwargs)

    return stopping


def write_and_stop(root, at):
    """Compute a result, and stand still at a point of the commit: before the N-th rename, or before all of it."""

    def act(say):
        store = Store(root)
        with store.writing(KEY) as folder:
            (folder / 'half').write_text('x')
            if at == 0:
                stand_still()
            Path.rename = stops_before(Path.rename, at)
            commit(store, folder, 'far')
        say('stored')

    return act


# Before the manifest; before the earlier result leaves, in two steps if there is one; before the new one comes.
STOPS = [(None, 0), (None, 1), (None, 2), ('earlier', 0), ('earlier', 1), ('earlier', 2), ('earlier', 3)]


@pytest.mark.parametrize('woken_before_the_result', [True, False])
@pytest.mark.parametrize('earlier, at', STOPS)
def test_a_writer_that_wakes_up_after_its_lease_stores_nothing(store, far, earlier, at, woken_before_the_result):
    if earlier:
        put(store, earlier)
    other = far(write_and_stop(store.root, at))
    other.await_stop()
    with store.writing(KEY) as folder:
        assert list(folder.iterdir()) == [] and label(store) == earlier
        if woken_before_the_result:
            other.go_on()
            assert isinstance(other.heard(), LostLease) and label(store) == earlier
        commit(store, folder, 'here')
    if not woken_before_the_result:
        other.go_on()
        error = other.heard()
        assert isinstance(error, LostLease) and 'this process was silent for longer than its lease' in str(error)
    other.process.join()
    assert label(store) == 'here' and is_clean(store)


def test_a_writer_that_wakes_up_within_its_lease_stores_its_result(store, far):
    other = far(write_and_stop(store.root, 2))
    other.await_stop()
    other.go_on()
    assert other.heard() == 'stored' and label(store) == 'far' and is_clean(store)


def test_a_stage_that_goes_on_writing_after_its_lease_cannot_store_what_it_writes(store, far):
    def act(say):
        heartbeat.BEAT_S = 60  # it does not notice by itself
        here = Store(store.root)
        with here.writing(KEY) as folder:
            stand_still()
            (folder / 'run').mkdir(parents=True)  # as mmengine makes its folders
            commit(here, folder, 'far')
        say('stored')

    other = far(act)
    other.await_stop()
    with store.writing(KEY) as folder:
        other.go_on()
        assert isinstance(other.heard(), LostLease)
        commit(store, folder, 'here')
    assert label(store) == 'here' and is_clean(store)


@pytest.mark.parametrize('at', [2, 3])
def test_who_is_killed_elsewhere_while_it_replaces_a_result_loses_neither(store, far, at):
    put(store, 'earlier')
    other = far(write_and_stop(store.root, at))
    other.await_stop()
    assert label(store) is None  # the earlier result is out of its place
    other.kill()
    store.await_signs(lambda hosts: None)
    store.clear_abandoned()
    assert label(store) == 'earlier' and is_clean(store)


def test_a_collection_that_wakes_up_after_its_lease_removes_nothing(store, far):
    def act(say):
        here = Store(store.root)
        with here.drivers.collecting() as grave:
            stand_still()
            say(here.discard_idle('train', KEY, grave))

    put(store, 'old')
    other = far(act)
    other.await_stop()
    with store.drivers.using([KEY]):
        put(store, 'new')
        other.go_on()
        assert other.heard() is False and label(store) == 'new'
    other.process.join()
    assert is_clean(store)


def test_a_result_that_was_found_damaged_before_a_pause_is_not_removed_after_it(store, far):
    def act(say):
        here = Store(store.root)
        Path.rename = stops_before(Path.rename, 1)
        here.discard_damaged('train', KEY)
        say('done')

    (put(store, 'old').folder / 'weights.bin').write_text('damaged')
    other = far(act)
    other.await_stop()
    put(store, 'new')
    other.go_on()
    other.heard()
    assert label(store) == 'new'
    other.process.join()
    assert is_clean(store)


def work(root, *, key=KEY, keys=None, rate=1):
    """Work on a key, or drive a grid, until it is killed, with a clock of such a rate."""

    def act(say):
        utime, began = os.utime, time.time()
        heartbeat.os = type('Os', (), dict(utime=lambda path: utime(path, (began + rate * (time.time() - began),) * 2)))
        store = Store(root)
        if keys is not None:
            with store.drivers.using(keys):
                say('drives')
                signal.pause()
        with store.writing(key) as folder:
            (folder / 'progress.json').write_text('{"step": 3}')
            say(folder)
            signal.pause()

    return act


def test_living_work_elsewhere_is_never_cleared_whatever_its_clock_says(store, far, monkeypatch):
    monkeypatch.setattr('benchmarks.store.observer.LEASE_S', LONG_LEASE_S)
    rates = {KEY: 1, 'back': -60, 'fast': 1000}
    folders = [far(work(store.root, key=key, rate=rate), key).heard() for key, rate in rates.items()]
    end = time.monotonic() + LONG_LEASE_S + 1
    while time.monotonic() < end:
        store.clear_abandoned()
        time.sleep(0.05)
    store.await_signs(lambda hosts: None)
    assert all([path.name for path in folder.iterdir()] == ['progress.json'] for folder in folders)
    assert store.progress(KEY) == dict(step=3) and store.progress(KEY, here=True) == {}
    assert store.at_work(KEY, os.getpid()) is None


def test_work_of_a_host_that_died_is_cleared_when_its_lease_has_ended(store, far, capsys):
    other = far(work(store.root))
    folder = other.heard()
    other.kill()
    store.clear_abandoned()
    assert folder.exists()  # for what is known at a first look, it may live
    collect_garbage(store)
    assert not folder.exists() and is_clean(store)
    assert capsys.readouterr().out == 'waiting for signs of life from far, for 60 s at most\n'


def test_nobody_waits_longer_than_a_lease_for_a_host_that_died(store, far):
    other = far(work(store.root))
    other.heard()
    other.kill()
    put(store, 'here')
    assert label(store) == 'here' and is_clean(store)


def test_results_of_a_driver_that_lives_elsewhere_stay_and_those_of_a_dead_one_go_after_its_lease(
    store, far, keeps_lease
):
    put(store, 'one')
    put(store, 'two', OTHER)
    other = far(work(store.root, keys=[KEY]))
    other.heard()
    found = collect_garbage(store)
    assert [one.key for one in found.removed] == [OTHER] and found.kept_for_drivers == 1
    other.kill()
    assert [one.key for one in collect_garbage(Store(store.root)).removed] == [KEY]
    assert list(store.drivers.folder.iterdir()) == []


def test_a_driver_that_begins_after_a_collection_has_looked_for_drivers_keeps_its_results(store, far, keeps_lease):
    put(store, 'one')
    assert collect_garbage(store, dry_run=True).removed  # a network folder may show the next one what this one has seen
    far(work(store.root, keys=[KEY])).heard()
    assert collect_garbage(store).kept_for_drivers == 1 and label(store) == 'one'


def test_records_of_a_run_elsewhere_that_has_just_ended_keep_its_results(store, far):
    def act(say):
        out = store.root.parent / 'elsewhere'
        (out / 'records').mkdir(parents=True)
        (out / 'records' / 'row.json').write_text(json.dumps(dict(keys=dict(train=KEY))))
        Store(store.root).outputs.add(out, [KEY])
        say('told')

    put(store, 'one')
    assert collect_garbage(store, dry_run=True).removed
    assert far(act).heard() == 'told'
    assert collect_garbage(store).kept_for_records == 1 and label(store) == 'one'


@pytest.mark.parametrize('mounts', ['one disk', pytest.param('sshfs -o dir_cache=no', marks=SLOW)], indirect=True)
def test_a_result_that_another_host_has_replaced_is_not_taken_for_damaged(store, far):
    def act(say):
        put(Store(store.root), 'a longer one')
        say('stored')

    put(store, 'one')
    assert label(store) == 'one'
    assert far(act).heard() == 'stored'
    time.sleep(REMEMBERED_S)
    assert store.get('train', KEY).label == 'a longer one'


def test_a_driver_that_was_taken_for_dead_tells_of_itself_again(store, far, keeps_lease):
    other = far(work(store.root, keys=[KEY]))
    other.heard()
    other.stop()
    put(store, 'one')
    collect_garbage(store)
    assert label(store) is None and list(store.drivers.folder.iterdir()) == []
    other.go_on()
    put(store, 'again')
    while not names_in(store.drivers.folder):
        time.sleep(0.01)
    assert collect_garbage(store).kept_for_drivers == 1 and label(store) == 'again'
    (path,) = store.drivers.folder.iterdir()
    assert json.loads(path.read_text()) == [KEY]


def _compute(root, times, say):
    store = Store(root)
    for number in range(times):
        key = f'{number}' * 40
        with store.writing(key) as folder:
            if store.get('train', key) is None:
                time.sleep(0.002)
                commit(store, folder, f'{os.getpid()}', key)
                say(number)
    say(None)


def test_two_hosts_compute_each_key_once(store, far, monkeypatch):
    monkeypatch.setattr('benchmarks.store.observer.LEASE_S', 60)
    hosts = [far(lambda say: _compute(store.root, 9, say), name) for name in ('one', 'two')]
    computed = []
    for host in hosts:
        while (number := host.heard()) is not None:
            computed.append(number)
    assert sorted(computed) == list(range(9)) and is_clean(store)


SLOW_S = 0.05  # for each call of the file system; with 0.02 the computation is shorter than the lease
SLOW_PATIENCE_S = 200  # each process imports through the slow calls and waits for the other


def _slow_folder():
    """Have this process wait for each call of the file system, as on a network folder that others keep busy."""

    def slowed(call):
        def late(*args, **kwargs):
            time.sleep(SLOW_S)
            return call(*args, **kwargs)

        return late

    for name in ('stat', 'mkdir', 'rename', 'replace', 'unlink', 'rmdir', 'utime', 'scandir', 'listdir'):
        setattr(os, name, slowed(getattr(os, name)))
    io.open = slowed(io.open)


def _compute_slowly(root, say):
    _slow_folder()
    store = Store(root)
    with store.writing(KEY) as folder:
        began = time.monotonic()
        if store.get('train', KEY) is None:
            for number in range(20):
                (folder / f'{number}.txt').write_text('x')
            commit(store, folder, f'{os.getpid()}')
            say(time.monotonic() - began)
    say(None)


@pytest.mark.slow
def test_on_a_slow_folder_who_computes_for_longer_than_a_lease_keeps_it(store, far, monkeypatch):
    monkeypatch.setattr('benchmarks.store.observer.LEASE_S', LONG_LEASE_S)
    hosts = [far(lambda say: _compute_slowly(store.root, say), name) for name in ('one', 'two')]
    computed = []
    for host in hosts:
        while (seconds := host.heard(SLOW_PATIENCE_S)) is not None:
            computed.append(seconds)
    assert len(computed) == 1 and computed[0] > LONG_LEASE_S, computed
    assert label(store) == f'{hosts[0].process.pid}' or label(store) == f'{hosts[1].process.pid}'
    assert is_clean(store)


MANY_TRIES = 6  # two that wait for less time than a try takes need 7 to 17; 2 or 3 otherwise


@pytest.mark.parametrize('mounts', ['one disk'], indirect=True)
def test_of_two_hosts_that_want_a_lease_on_a_slow_folder_one_soon_has_it(store, far):
    def act(say):
        _slow_folder()
        tries, leases = [], store.leases
        attempt = leases._try
        leases._try = lambda *args: tries.append(args) or attempt(*args)
        with leases.held(KEY):
            say(len(tries))

    hosts = [far(act, name) for name in ('one', 'two')]
    first = wait([host.receiver for host in hosts], SLOW_PATIENCE_S)[0].recv()
    assert first < MANY_TRIES


def test_a_machine_is_measured_apart_from_those_of_other_hosts(store, far, monkeypatch):
    monkeypatch.undo()  # this one has locks

    def act(say):
        from benchmarks.store import machine

        machine.this_kernel = lambda: 'far'
        with Store(store.root).machine(alone=True, stage='profile there'):
            say('measures')
            signal.pause()

    assert far(act).heard() == 'measures'
    with store.machine(alone=True, stage='profile here', tell=pytest.fail):
        pass


def test_a_store_whose_parts_are_removed_by_hand_ends_the_stage_with_the_reason(store):
    with pytest.raises(LostLease), store.writing(KEY) as folder:
        shutil.rmtree(store.root / 'running')
        commit(store, folder, 'here')
