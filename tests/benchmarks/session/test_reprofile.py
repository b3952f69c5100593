"""``--reprofile``: which measurements are taken again, and that the earlier one stays until the new one is stored."""

import pytest

from benchmarks.errors import BadInput
from benchmarks.plan.plan import Plan
from benchmarks.session.reprofile import profiles_again
from benchmarks.store.store import REPLACED, Store

PLAN = Plan([], {}, {(): 'a' * 40, ('cbam',): 'b' * 40, ('cbam', 'focal'): 'b' * 40}, [])
KEY = 'c' * 40


def test_which_measurements_are_taken_again():
    assert profiles_again(PLAN, None) == set()
    assert profiles_again(PLAN, []) == {'a' * 40, 'b' * 40}
    assert profiles_again(PLAN, ['cbam+focal']) == {'b' * 40}
    with pytest.raises(BadInput, match=r"no stack 'cbm'; did you mean 'cbam'.*no stack 'basline'; did you mean 'base"):
        profiles_again(PLAN, ['cbm', 'baseline', 'basline'])


def put(store, label):
    with store.writing(KEY) as folder:
        return store.commit('profile', KEY, folder, status='ok', reason=None, facts={}, ingredients={}, label=label)


def test_a_kill_while_a_result_is_replaced_loses_neither(tmp_path, left_behind):
    store = Store(tmp_path)
    put(store, 'earlier')
    store.folder('profile', KEY).rename(f'{left_behind(store, KEY)}{REPLACED}')  # and here the process is killed
    assert store.get('profile', KEY) is None
    store.clear_abandoned()
    assert store.get('profile', KEY, verify=True).label == 'earlier'
    put(store, 'new')
    assert store.get('profile', KEY).label == 'new' and list((tmp_path / 'running').iterdir()) == []
