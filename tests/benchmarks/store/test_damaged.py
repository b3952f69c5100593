"""Damaged results are set aside with their damage, so that a report can name it."""

import errno
from pathlib import Path

import pytest

from benchmarks.store.damaged import FOLDER, Damage, damage_of, forget_damage
from benchmarks.store.store import Damaged, Store

KEY = 'a' * 40


@pytest.fixture
def damaged(tmp_path):
    """A store with a result of which a bit was flipped."""
    store = Store(tmp_path / 'store')
    with store.writing(KEY) as folder:
        (folder / 'maps').mkdir()
        (folder / 'maps' / '0.npz').write_text('large')
        (folder / 'facts.csv').write_text('12')
        store.commit('predict', KEY, folder, status='ok', reason=None, facts={}, ingredients={}, label='x')
    (store.folder('predict', KEY) / 'facts.csv').write_text('13')
    return store


def test_a_damaged_result_is_out_of_its_place_and_its_damage_known(damaged):
    damaged.discard_damaged('predict', KEY)
    aside = damaged.root / 'damaged' / f'predict-{KEY}'
    assert (aside / 'facts.csv').read_text() == '13' and not (aside / 'maps').exists()
    assert damaged.get('predict', KEY) is None
    assert list(damage_of(damaged.root, {KEY})) == [Damage('predict', KEY, 'facts.csv is altered')]
    assert list(damage_of(damaged.root, {'b' * 40})) == []
    forget_damage(damaged.root)
    assert list(damage_of(damaged.root, {KEY})) == []


def test_of_two_damages_of_a_key_the_last_one_is_kept(damaged):
    for why in ('first', 'second'):
        (damaged.root / 'predict' / KEY).mkdir(exist_ok=True)
        with damaged.writing(KEY) as folder:
            damaged.set_aside('predict', KEY, folder, why)
    assert [one.why for one in damage_of(damaged.root, {KEY})] == ['second']


def test_a_disk_without_room_still_loses_the_damaged_result(damaged, monkeypatch):
    rename = Path.rename

    def full(path, target):
        if target.parent.name == FOLDER:
            raise OSError(errno.ENOSPC, 'No space left on device')
        return rename(path, target)

    monkeypatch.setattr('pathlib.Path.rename', full)
    damaged.discard_damaged('predict', KEY)
    assert damaged.get('predict', KEY) is None


def test_what_is_no_damage_is_passed_over(damaged):
    damaged.discard_damaged('predict', KEY)
    path = damaged.root / 'damaged' / f'predict-{KEY}.json'
    for text in ('', '[]', '{"key": 3}', path.read_text()[:-5]):
        path.write_text(text)
        assert list(damage_of(damaged.root, {KEY})) == []


def test_a_damaged_table_is_found_without_reading_all_files(damaged):
    with pytest.raises(Damaged, match='facts.csv is altered'):
        damaged.get('predict', KEY)


def test_a_result_that_has_gone_leaves_the_earlier_evidence(damaged):
    damaged.discard_damaged('predict', KEY)
    with damaged.writing(KEY) as folder:
        damaged.set_aside('predict', KEY, folder, 'nothing is there')
    assert [one.why for one in damage_of(damaged.root, {KEY})] == ['facts.csv is altered']
    assert (damaged.root / 'damaged' / f'predict-{KEY}' / 'facts.csv').exists()
