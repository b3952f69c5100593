"""Remote leases: one holder per key; dead and silent drivers lose theirs, slow clocks and pauses cost nothing."""

import time

import pytest

from benchmarks.store.holder import Holder, this_host
from benchmarks.store.remote import leases as module
from benchmarks.store.remote.leases import RemoteLeases

KEY = 'a' * 40


@pytest.fixture
def drivers(place):
    """Makes drivers of other hosts, each with leases of its own."""
    made = []

    def make(host='far', place=place):
        one = RemoteLeases(place, exclusive=True)
        one.me_is = Holder(f'{host}.{host}', 1, 1, len(made))
        made.append(one)
        return one

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.Holder, 'me', classmethod(lambda cls: next(one.me_is for one in made if one.me is None)))
        yield make
    for one in made:
        one.close()


def hush(driver, monkeypatch):
    """Let a driver be silent from now on."""
    monkeypatch.setattr(driver, '_beat', lambda me: None)


def test_one_driver_holds_a_key_until_it_leaves_it(drivers, place):
    one, other = drivers(), drivers('farther')
    assert one.take(KEY) and one.take(KEY) and one.holds(KEY)
    assert not other.take(KEY) and not other.holds(KEY)
    one.leave(KEY)
    assert not one.holds(KEY) and other.take(KEY)
    other.leave(KEY)
    assert place.names(f'leases/{KEY}') == set()


def test_the_end_of_a_driver_gives_its_leases_back_at_once(drivers, place):
    one, other = drivers(), drivers()
    one.take(KEY)
    one.close()
    assert other.take(KEY)
    other.close()
    assert place.names('drivers') == set() and place.names(f'leases/{KEY}') == set()


def test_a_silent_driver_loses_its_lease_and_what_it_does_then_harms_nobody(drivers, monkeypatch):
    one, other, third = drivers(), drivers(), drivers()
    one.take(KEY)
    hush(one, monkeypatch)
    assert other.take('b' * 40) and not other.take(KEY)
    now = other._now
    monkeypatch.setattr(other, '_now', lambda: now() + module.LEASE_S + 5)
    assert other.take(KEY) and other.holds(KEY) and not one.holds(KEY)
    one.leave(KEY)
    assert other.holds(KEY) and not third.take(KEY)


def test_of_two_drivers_that_take_over_one_gets_it(drivers, place, monkeypatch):
    one, other, third = drivers(), drivers(), drivers()
    one.take(KEY)
    hush(one, monkeypatch)
    for driver, letter in ((other, 'b'), (third, 'c')):
        driver.take(letter * 40)
        monkeypatch.setattr(driver, '_lives', lambda lease: False)
    seen = third._last(KEY)  # before the other one acts
    assert other.take(KEY)
    monkeypatch.setattr(third, '_last', lambda key: seen)
    assert not third.take(KEY)


def test_a_driver_that_was_killed_on_this_host_loses_its_lease_at_once(drivers, place):
    dead = Holder(this_host(), 2**22 + 1, 1, 0)
    place.write(f'leases/{KEY}/7', str(dead).encode())
    one = drivers()
    assert one.take(KEY) and place.names(f'leases/{KEY}') == {'7', '8'}
    one.leave(KEY)
    assert place.names(f'leases/{KEY}') == set()


def test_a_lease_that_is_just_being_made_counts_as_held(drivers, place):
    place.write(f'leases/{KEY}/1', b'')
    assert not drivers().take(KEY)


def test_clocks_of_hosts_are_not_compared(drivers, monkeypatch):
    one, other = drivers(), drivers()
    one.take(KEY)
    wrong = time.time() + 10**6
    monkeypatch.setattr(time, 'time', lambda: wrong)
    assert not other.take(KEY)


def test_drivers_give_signs_of_life_and_files_of_dead_ones_go(drivers, place, monkeypatch):
    monkeypatch.setattr(module, 'BEAT_S', 0.02)
    place.write('drivers/long.dead-1-1-1', b'')
    monkeypatch.setattr(module, 'FORGOTTEN_S', -1.0)
    one = drivers()
    one.take(KEY)
    assert 'long.dead-1-1-1' not in place.names('drivers')
    beats, beat = [], one._beat
    monkeypatch.setattr(one, '_beat', lambda me: (beats.append(me), beat(me)))
    deadline = time.monotonic() + 30
    while len(beats) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_without_exclusive_creation_all_leases_are_granted(place):
    one, other = RemoteLeases(place, exclusive=False), RemoteLeases(place, exclusive=False)
    assert one.take(KEY) and other.take(KEY) and not one.holds(KEY) and place.names('leases') == set()
