"""Stages that another driver of the work dir computes are put aside; the launcher runs nothing."""

import os
import signal
from pathlib import Path

import pytest
from other_hosts import LEASE_S, LONG_LEASE_S, OtherHost, be_quick
from tiny_grid import chain, plan_of, stage

from benchmarks.run import driver as driver_module
from benchmarks.run import others
from benchmarks.run.claims import Claims
from benchmarks.run.driver import Driver
from benchmarks.stages.worker import is_done
from benchmarks.store.holder import Holder, this_host
from benchmarks.store.observer import Sign
from benchmarks.store.store import Store


def ALL(key):
    return True


LOOKS = 20  # so many times an idle driver goes round its loop in a test


class Stores:
    """A launcher whose stages store a good result at the next poll, or as many polls later as ``polls`` says."""

    timeout_s = None

    def __init__(self, store, polls=None):
        self.store, self.polls = store, polls or {}
        self.submitted, self.running = [], {}

    def submit(self, *tasks):
        self.submitted.append([task.label[0] for task in tasks])
        self.running |= {task.key: (task, self.polls.get(task.label[0], 0)) for task in tasks}

    def poll(self):
        ended = [task for task, polls in self.running.values() if polls == 0]
        self.running = {key: (task, polls - 1) for key, (task, polls) in self.running.items() if polls}
        for task in ended:
            put(self.store, task.kind, task.key)
        return {task.key: None for task in ended}

    def cancel_all(self):
        pass


def put(store, kind, key, status='ok', *, whole=True):
    with store.writing(key) as folder:
        reason = None if status == 'ok' else 'nan'
        fields = dict(status=status, reason=reason, facts={}, ingredients={}, label='x', whole=whole)
        return store.commit(kind, key, folder, **fields)


def trainings(names):
    """Trainings, by name, and a plan of them."""
    stages = {name: stage('train', name) for name in names}
    return stages, plan_of(*stages.values())


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(driver_module, 'POLL_S', 0)
    monkeypatch.setattr(others, 'LOOK_S', 0)
    return Store(tmp_path)


@pytest.fixture
def other(store):
    """The claims of another driver."""
    with Claims(Store(store.root)) as claims:
        yield claims


def leave(claims):
    """Leave all claims that a driver still has."""
    for key in list(claims._own):
        claims.leave(key)


def drive(store, plan, launcher, show=lambda state: None, *, jobs=1):
    return Driver(plan, store, launcher, {}, device='cpu', jobs=jobs).run(show)


# The claims


def test_one_driver_has_a_claim_at_a_time_and_those_of_a_process_are_had_together_or_not_at_all(store, other):
    own = Claims(store)
    assert other.take('b') is None and own.take('a', 'b', 'c') == 'b'
    assert own.of_others(ALL).keys() == {'b'} and other.of_others(ALL) == {}
    other.leave('b')
    with own:
        assert (
            own.take('a', 'b', 'c') is None and other.of_others(ALL).keys() == set('abc') and own.of_others(ALL) == {}
        )
        own.leave('a')
        assert other.of_others(ALL).keys() == set('bc')
    assert other.of_others(ALL) == {} and list((store.root / 'running').iterdir()) == []


def test_a_claim_is_none_of_the_key(store, other):
    assert other.take('a') is None and not store.leases.is_held('a') and store.progress('a') == {}
    put(store, 'train', 'a')
    assert store.get('train', 'a').ok


def test_a_disk_without_room_for_claims_keeps_nothing_from_starting(store, monkeypatch):
    def full(*_, **__):
        raise OSError(28, 'No space left on device')

    claims = Claims(store)
    monkeypatch.setattr('pathlib.Path.touch', full)
    monkeypatch.setattr('os.listdir', full)
    assert claims.of_others(ALL) == {} and claims.take('a') is None
    claims.leave('a')


def test_a_claim_that_could_not_be_left_is_removed_at_a_later_look(store, other, monkeypatch):
    unlink, full = Path.unlink, []

    def fails_once(path, **kwargs):
        if not full:
            full.append(path)
            raise OSError(5, 'Input/output error')
        unlink(path, **kwargs)

    own = Claims(store)
    assert own.take('a') is None
    monkeypatch.setattr(Path, 'unlink', fails_once)
    own.leave('a')
    assert full and other.of_others(ALL).keys() == {'a'}, 'its lease is still there'
    assert own.of_others(ALL) == {} and other.of_others(ALL) == {} and own.take('a') is None
    own.leave('a')


def test_a_claim_that_a_listing_has_failed_leaves_nothing(store, other, monkeypatch):
    listdir, calls = os.listdir, []

    def second_fails(folder):
        calls.append(folder)
        if len(calls) == 2:
            raise OSError(5, 'Input/output error')
        return listdir(folder)

    own = Claims(store)
    monkeypatch.setattr(os, 'listdir', second_fails)
    assert own.take('a') is None and len(calls) == 2 and list((store.root / 'running').iterdir()) == []
    own.leave('a')


def test_leases_of_keys_that_are_not_asked_for_are_not_opened(store, monkeypatch):
    for name in ('a.claim', 'b.claim', 'b'):
        (store.root / 'running' / f'{name}-far.0123456789ab-1-1-0.lease').touch()
    looked = []
    monkeypatch.setattr(store.leases.observer, 'look', lambda path: looked.append(path.name) or Sign.UNSURE)
    assert Claims(store).of_others(lambda key: key == 'a').keys() == {'a'}
    assert looked == ['a.claim-far.0123456789ab-1-1-0.lease']


@pytest.fixture
def far(monkeypatch):
    be_quick(monkeypatch)
    started = []

    def start(act):
        started.append(OtherHost(act))
        return started[-1]

    yield start
    for process in started:
        process.kill()


def test_of_a_driver_on_a_host_that_died_nobody_waits_twice_for_a_lease(store, far, monkeypatch):
    """First the driver would wait for the claim, and then the process for the key of the same host."""

    def act(say):
        there = Store(store.root)
        with Claims(there) as claims, there.writing('a'):
            say(claims.take('a'))
            signal.pause()

    monkeypatch.setattr('benchmarks.store.observer.LEASE_S', LONG_LEASE_S)
    host, claims = far(act), Claims(store)
    assert host.heard() is None
    (holder,) = claims.of_others(ALL).values()
    assert holder.machine == 'far' and claims.take('a') == 'a'
    host.kill()
    monkeypatch.setattr('benchmarks.store.observer.LEASE_S', LEASE_S)
    while store.leases.is_held('a') or claims.of_others(ALL):  # the one may have been touched after the other
        pass
    assert store.leases.names() == {'a', 'a.claim'} and claims.take('a') is None
    assert not Store(store.root).leases.is_held('a'), 'who looks for the first time cannot tell, and would wait'
    claims.leave('a')
    assert list((store.root / 'running').iterdir()) == []


# The driver


def test_a_stage_of_another_driver_is_put_aside_and_waited_for_when_nothing_else_is_ready(store, other):
    (stages, plan), waits = trainings('abc'), []
    other.take(stages['a'].key)

    def show(state):
        waits.append(dict(state.waits_for))
        if len(state.results) == 2 and len(waits) > LOOKS:
            put(store, 'train', stages['a'].key)
            leave(other)

    launcher = Stores(store, dict(b=3))
    state = drive(store, plan, launcher, show)
    assert launcher.submitted == [['b'], ['c']] and len(state.results) == 3, 'its result was taken in'
    driver = f'process {os.getpid()} on {Holder.me().machine}'
    assert waits[0] == {} and waits[LOOKS] == {stages['a'].key: driver} and state.waits_for == {}


def test_what_the_process_of_a_stopped_driver_has_stored_is_taken_in_though_the_claim_stays(store, other, monkeypatch):
    stages, plan = trainings('ab')
    key, held, looks = stages['a'].key, store.leases.is_held, []
    other.take(key)
    put(store, 'train', key)

    def held_for_a_while(name):
        """As if a process computed it again, and ended after some looks."""
        if name != key:
            return held(name)
        looks.append(name)
        return len(looks) < LOOKS

    monkeypatch.setattr(store.leases, 'is_held', held_for_a_while)
    launcher = Stores(store)
    state = drive(store, plan, launcher)
    assert launcher.submitted == [['b']] and state.results[key].ok and state.waits_for == {}
    assert len(looks) == LOOKS and other.of_others(ALL) == {}


def test_a_stage_that_another_driver_has_left_is_computed(store, other):
    stages, plan = trainings('ab')
    other.take(stages['a'].key)

    def show(state):
        if stages['b'].key in state.results:
            leave(other)

    launcher = Stores(store)
    drive(store, plan, launcher, show)
    assert launcher.submitted == [['b'], ['a']]


def test_a_driver_that_another_one_was_quicker_than_starts_other_stages(store, other, monkeypatch):
    """As where a network folder has not shown the new claim yet."""
    stages, plan = trainings('abc')
    other.take(stages['a'].key)
    monkeypatch.setattr(Claims, 'of_others', lambda self, wanted: {})

    def show(state):
        if len(state.results) == 2:
            leave(other)

    launcher = Stores(store)
    drive(store, plan, launcher, show)
    assert launcher.submitted == [['b'], ['c'], ['a']]


def test_all_jobs_are_busy_while_enough_is_ready(store, other):
    (stages, plan), most = trainings('abcdefgh'), []
    for name in 'ace':
        other.take(stages[name].key)

    def show(state):
        most.append(len(state.running))
        if len(state.results) == 5:
            leave(other)

    launcher = Stores(store, dict.fromkeys('bdfgh', 1))
    drive(store, plan, launcher, show, jobs=3)
    assert [name for (name,) in launcher.submitted[:5]] == list('bdfgh') and max(most) == 3 and most[0] == 3


@pytest.mark.parametrize('place, waits', [(this_host(), True), ('far.0123456789ab', False)])
def test_a_measurement_waits_for_stages_that_other_drivers_run_on_this_machine_alone(store, monkeypatch, place, waits):
    train, measure = stage('train', 'a'), stage('profile', 'm')
    claimed = {train.key: Holder(place, 1, 1, 0)}
    monkeypatch.setattr(Claims, 'of_others', lambda self, wanted: dict(claimed))
    rounds = []

    def show(state):
        rounds.append(list(launcher.submitted))
        if len(rounds) == LOOKS:
            claimed.clear()

    launcher = Stores(store)
    drive(store, plan_of(train, measure), launcher, show)
    assert launcher.submitted == ([['a'], ['m']] if waits else [['m'], ['a']])
    assert rounds[0] == ([] if waits else [['m']])


def test_two_drivers_share_the_measurements(store, monkeypatch):
    first, second = stage('profile', 'm'), stage('profile', 'n')
    claimed = {first.key: Holder(this_host(), 1, 1, 0)}
    monkeypatch.setattr(Claims, 'of_others', lambda self, wanted: dict(claimed))
    launcher = Stores(store)

    def show(state):
        if second.key in state.results:
            claimed.clear()

    drive(store, plan_of(first, second), launcher, show)
    assert launcher.submitted == [['n'], ['m']]


def test_others_are_looked_at_when_stages_may_start_and_not_while_all_jobs_are_busy(store, other, monkeypatch):
    (stages, plan), looks = trainings('abc'), []
    other.take(stages['a'].key)
    look = Claims.of_others
    monkeypatch.setattr(
        Claims, 'of_others', lambda self, wanted: looks.append(len(launcher.submitted)) or look(self, wanted)
    )

    def show(state):
        if len(state.results) == 2:
            leave(other)

    launcher = Stores(store, dict(b=LOOKS, c=LOOKS))
    drive(store, plan, launcher, show)
    assert looks == [0, 1, 2, 2, 3]  # before b, before c, then until a is free, and after it


def test_an_idle_job_looks_no_more_often_than_it_may(store, other, monkeypatch):
    (stages, plan), looks, rounds = trainings('a'), [], []
    other.take(stages['a'].key)
    monkeypatch.setattr(others, 'LOOK_S', 3600)
    look = Claims.of_others
    monkeypatch.setattr(Claims, 'of_others', lambda self, wanted: looks.append(1) or look(self, wanted))

    driver = Driver(plan, store, Stores(store), {}, device='cpu', jobs=1)

    def show(state):
        rounds.append(1)
        if len(rounds) == LOOKS:
            leave(other)
            driver.others._look_at = 0

    driver.run(show)
    assert len(rounds) > LOOKS and len(looks) == 3  # at the beginning, when the time is over, and after the end of a


def test_a_driver_has_left_all_claims_when_it_ends_however_it_ends(store, other):
    (stages, plan), seen = trainings('abc'), []

    def interrupt(state):
        seen.append(other.of_others(ALL).keys())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive(store, plan, Stores(store, dict(a=LOOKS, b=LOOKS)), interrupt, jobs=2)
    assert seen == [{stages['a'].key, stages['b'].key}] and other.of_others(ALL) == {}
    drive(store, plan, Stores(store))
    assert other.of_others(ALL) == {} and list((store.root / 'running').iterdir()) == []


@pytest.mark.parametrize('status, whole', [(None, True), ('ok', True), ('ok', False), ('failed', True)])
@pytest.mark.parametrize('retry_failed', [False, True])
@pytest.mark.parametrize('maps_needed', [False, True])
@pytest.mark.parametrize('again', [False, True])
def test_what_counts_as_stored_meanwhile_is_what_counts_for_the_stages_process(
    store, tmp_path, status, whole, retry_failed, maps_needed, again
):
    _, predict, refine = chain('a')
    plan = plan_of(predict, refine) if maps_needed else plan_of(predict)
    keys = {predict.key} if again else frozenset()
    driver = Driver(plan, store, Stores(store), {}, device='cpu', jobs=1, retry_failed=retry_failed, again=keys)
    task = driver._task(predict, None)
    assert task.maps_needed == maps_needed and task.rerun_failures == (retry_failed or again)
    if status:
        put(store, 'predict', predict.key, status, whole=whole)
    done = is_done(store, task, tmp_path)
    assert driver._take_in(predict) == done == (predict.key in driver.state.results)
