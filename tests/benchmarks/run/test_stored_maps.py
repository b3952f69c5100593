"""The account of stored maps is that of the store, and costs no more in a larger one."""

import os
import random
import shutil

import pytest

from benchmarks.plan.plan import Stage
from benchmarks.run import stored_maps
from benchmarks.run.map_budget import MapBudget
from benchmarks.run.stored_maps import LISTED_FOR_S, MapAccount
from benchmarks.store.store import MANIFEST, Store

OWN = [f'own{number}' for number in range(4)]


class Clock:
    """Stands still until it is told the time."""

    seconds = 0.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def put(store, key, size=100, age=0):
    with store.writing(key) as folder:
        (folder / 'maps').mkdir()
        (folder / 'maps' / '0.npz').write_bytes(bytes(size))
        store.commit('predict', key, folder, status='ok', reason=None, facts={}, ingredients={}, label=key)
    seconds = 1e9 - age
    os.utime(store.folder('predict', key) / MANIFEST, (seconds, seconds))


def drop(store, key):
    shutil.rmtree(store.folder('predict', key) / 'maps')


def of_disk(store):
    """What a listing at this moment says."""
    account = MapAccount(store, OWN)
    account.refresh()
    return sorted(account, key=lambda maps: maps.key), account.total, account.of_plan


def test_the_oldest_come_first_and_the_plans_are_told_apart(store):
    for age, key, size in ((1, 'own1', 10), (3, 'b', 20), (2, 'own2', 30)):
        put(store, key, size, age)
    account = MapAccount(store, OWN)
    account.refresh()
    assert [maps.key for maps in account] == ['b', 'own2', 'own1'] and len(account) == 3
    assert (account.total, account.of_plan) == (60, 40)


@pytest.mark.parametrize('seed', range(5))
def test_it_follows_all_that_it_hears_of(store, seed):
    chance, account = random.Random(seed), MapAccount(store, OWN, Clock())
    account.refresh()
    for step in range(40):
        key = chance.choice([*OWN, 'b', 'c'])
        if (store.folder('predict', key) / 'maps').is_dir() and chance.random() < 0.5:
            drop(store, key)
        else:
            put(store, key, chance.randrange(1, 99), age=-step)
        account.look_at('predict', key)
        assert (sorted(account, key=lambda maps: maps.key), account.total, account.of_plan) == of_disk(store)
    times = [maps.stored for maps in account]
    assert times == sorted(times)


def test_what_another_driver_does_is_known_after_a_while(store):
    clock = Clock()
    account = MapAccount(store, OWN, clock)
    put(store, 'own1')
    account.refresh()
    put(store, 'own2')
    drop(store, 'own1')
    clock.seconds = LISTED_FOR_S - 1
    account.refresh()
    assert [maps.key for maps in account] == ['own1']
    clock.seconds = LISTED_FOR_S
    account.refresh()
    assert [maps.key for maps in account] == ['own2'] and account.total == account.of_plan == 100


def test_maps_that_another_driver_has_dropped_or_made_anew_are_not_dropped_in_its_stead(store):
    for age, key in enumerate(('b', 'own2', 'own1')):
        put(store, key, age=age)
    budget = MapBudget(store, 100, 100, OWN)
    assert [maps.key for maps in budget.to_drop(set())] == ['own1', 'own2']
    drop(store, 'own1')
    put(store, 'own2', age=-9)
    budget.enforce(set())
    assert [maps.key for maps in budget.stored] == ['b', 'own2']  # own2 is the newest now
    budget.enforce(set())
    assert [maps.key for maps in of_disk(store)[0]] == ['own2'] == [maps.key for maps in budget.stored]


def test_maps_that_a_stage_has_read_are_known_though_a_launcher_has_fetched_them(store):
    budget = MapBudget(store, 100, 100, OWN)
    budget.enforce(set())
    for age, key in ((1, 'own1'), (0, 'own2')):
        put(store, key, age=age)
        budget.heed(Stage('refine', f'of {key}', (), 0, '', {}, (('predict', key),), {}))
    budget.enforce(set())
    assert [maps.key for maps in of_disk(store)[0]] == ['own2']


def test_a_run_that_ends_leaves_the_limit_although_another_driver_stored_maps_a_moment_ago(store):
    budget = MapBudget(store, 100, 100, OWN)
    budget.stored.clock = Clock()
    budget.enforce(set())
    for age, key in enumerate(('b', 'own1')):
        put(store, key, age=age)
    budget.enforce(set())
    assert of_disk(store)[1] == 200
    budget.settle(set())
    assert [maps.key for maps in of_disk(store)[0]] == ['b']


def test_each_stage_that_ends_costs_the_same_in_a_larger_store(store, monkeypatch):
    """All is listed once; then a stage's own maps are looked at, and those that are dropped."""
    looked = []
    size = stored_maps._size
    monkeypatch.setattr(stored_maps, '_size', lambda folder: looked.append(folder) or size(folder))
    monkeypatch.setattr(stored_maps, 'WITH_MAPS', ('predict',))
    listed = []
    keys = MapAccount._keys
    monkeypatch.setattr(MapAccount, '_keys', lambda self, kind: listed.append(kind) or keys(self, kind))
    for number in range(20):
        put(store, f'old{number}', age=number)
    budget = MapBudget(store, 20 * 100, 100, OWN)
    budget.stored.clock = Clock()
    budget.enforce(set())
    assert len(looked) == 20
    for number in range(10):
        put(store, f'new{number}', age=-number)
        budget.heed(Stage('predict', f'new{number}', (), 0, '', {}, (), {}))
        budget.enforce(set())
        budget.allow((f'new{number}',), (), 1)
    assert listed == ['predict'] and len(looked) == 20 + 10 + 10  # found at first, stored, and dropped
    assert len(budget.stored) == 20 and of_disk(store)[1] == 2000
