"""The store timed in folders: each operation runs in each of them, and what is told are operations a second."""

import json

import pytest

from benchmarks.errors import BadInput
from benchmarks.speed import side_by_side, store_folder


@pytest.fixture
def folders(tmp_path):
    made = [tmp_path / name for name in ('near', 'far')]
    for folder in made:
        folder.mkdir()
    return list(map(str, made))


def test_each_operation_is_timed_in_both_folders_and_nothing_stays_there(tmp_path, folders, monkeypatch):
    monkeypatch.setattr(side_by_side, 'RESULTS', tmp_path / 'speed')
    monkeypatch.setattr(store_folder, 'MOUNTS', tmp_path / 'mounts')
    (tmp_path / 'mounts').write_text(f'disk / ext4 rw 0 0\nhost:/x {folders[1]} nfs4 rw 0 0\n')
    seen = []
    monkeypatch.setattr(store_folder, 'store_all', lambda plan, store: seen.append((store.root, len(plan.stages))))
    monkeypatch.setattr(store_folder, 'resume', lambda plan, store: seen.append((store.root, 0)))
    store_folder.main(folders, cells=2, rounds=3)
    kept = json.loads((tmp_path / 'speed' / 'store_folder.json').read_text())
    assert kept['command'] == 'python -m benchmarks.speed.store_folder FOLDER FOLDER'
    assert [(line['what'], line['reference'], line['ours'], line['rounds']) for line in kept['lines']] == [
        ('7 small results stored', 'near (ext4)', 'far (nfs4)', 3),
        ('7 results looked up', 'near (ext4)', 'far (nfs4)', 3),
    ]
    for folder in folders:
        stored = [root for root, number in seen if number and str(root).startswith(folder)]
        assert len(stored) == len(set(stored)) == 5, 'each in a store of its own: one to look up, one untimed, three'
        assert sum(str(root).startswith(folder) for root, number in seen if not number) == 4


def test_the_rate_is_that_of_the_median_round():
    line = side_by_side.summarised('20 results stored', 'near', 'far', [2.0, 2.0, 9.0], [8.0, 4.0, 9.0])
    assert store_folder._with_rates(line, 20).note == '20 results stored: 2.5 a second on far, 10 on near'


def test_the_real_store_is_timed_and_removed(tmp_path, folders, monkeypatch, capsys):
    monkeypatch.setattr(side_by_side, 'RESULTS', tmp_path / 'speed')
    store_folder.main(folders, cells=1, rounds=1)
    assert '4 results looked up: far' in capsys.readouterr().out
    assert [path.name for folder in ('near', 'far') for path in (tmp_path / folder).iterdir()] == []


def test_one_folder_or_a_missing_one_is_refused(folders):
    with pytest.raises(BadInput, match='two folders or more'):
        store_folder.main(folders[:1])
    with pytest.raises(BadInput, match='missing is no folder; make it'):
        store_folder.main([folders[0], f'{folders[0]}/missing'])
