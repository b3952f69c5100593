import hashlib
import json
import multiprocessing
import os
import signal
import threading
import time

import pytest

from benchmarks.store.result import MANIFEST, Damaged, sha256
from benchmarks.store.store import Store

KEY, OTHER = 'a' * 40, 'b' * 40
# A process that waits in vain waits for so long; whoever need not wait is done long before, on a busy machine, too.
HOLD_S, PATIENCE_S = 600, 60


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / 'store')


def replace_in(path, old, new):
    """As a bit that the disk has flipped."""
    assert path.read_text().count(old) >= 1
    path.write_text(path.read_text().replace(old, new))


def put(
    store, key=KEY, text='one', *, stage='train', status='ok', label='baseline__seed0', facts=None, with_table=False
):
    with store.writing(key) as folder:
        (folder / 'sub').mkdir()
        (folder / 'sub' / 'weights.bin').write_text(text)
        (folder / 'log.txt').write_text('said\n')
        if with_table:
            (folder / 'facts.csv').write_text('tp\n12\n')
        return store.commit(
            stage,
            key,
            folder,
            status=status,
            reason=None if status == 'ok' else 'why',
            facts=facts or dict(seconds=1.5),
            ingredients={'config a': 'x'},
            label=label,
        )


def test_what_is_committed_is_found_again(store):
    written = put(store)
    read = Store(store.root).get('train', KEY, verify=True)
    assert read == written and read.ok
    assert read.facts == dict(seconds=1.5) and read.ingredients == {'config a': 'x'} and read.label == 'baseline__seed0'
    assert (read.folder / 'sub' / 'weights.bin').read_text() == 'one' and read.folder == store.folder('train', KEY)
    assert store.get('train', OTHER) is None and store.get('predict', KEY) is None
    assert list((store.root / 'running').iterdir()) == []


def test_the_manifest_names_every_file_with_size_and_checksum(store):
    folder = put(store).folder
    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest['files'] == {
        'log.txt': [5, sha256(folder / 'log.txt')],
        'sub/weights.bin': [3, sha256(folder / 'sub' / 'weights.bin')],
    }
    assert manifest['key'] == KEY and manifest['stage'] == 'train'


def test_the_manifest_is_written_as_it_always_was_and_ends_with_its_own_checksum(store):
    folder = put(store).folder
    before = f"""{{
 "stage": "train",
 "key": "{KEY}",
 "status": "ok",
 "reason": null,
 "facts": {{
  "seconds": 1.5
 }},
 "ingredients": {{
  "config a": "x"
 }},
 "label": "baseline__seed0",
 "whole": true,
 "files": {{
  "log.txt": [
   5,
   "{sha256(folder / 'log.txt')}"
  ],
  "sub/weights.bin": [
   3,
   "{sha256(folder / 'sub' / 'weights.bin')}"
  ]
 }}"""
    own = hashlib.sha256(before.encode()).hexdigest()
    assert (folder / MANIFEST).read_text() == f'{before},\n "sha256": "{own}"\n}}'
    (folder / MANIFEST).write_text(f'{before}\n}}')  # as earlier versions have written it
    assert store.get('train', KEY, verify=True).ok


def test_the_store_of_a_work_dir_is_its_folder_store(tmp_path):
    store = Store.in_work_dir(tmp_path / 'work')
    assert store.root == tmp_path / 'work' / 'store'
    assert {path.name for path in store.root.iterdir()} == {'locks', 'running', 'drivers', 'outputs'}


def test_a_failure_is_a_result(store):
    put(store, status='diverged')
    result = store.get('train', KEY)
    assert not result.ok and (result.status, result.reason) == ('diverged', 'why')


def test_a_folder_without_manifest_is_invisible(store):
    folder = store.folder('train', KEY)
    folder.mkdir(parents=True)
    (folder / 'weights.bin').write_text('half')
    assert store.get('train', KEY) is None and list(store.stored('train')) == []
    put(store)
    assert store.get('train', KEY, verify=True).ok and not (folder / 'weights.bin').exists()


def test_work_that_breaks_off_leaves_nothing(store):
    with pytest.raises(RuntimeError), store.writing(KEY) as folder:
        (folder / 'weights.bin').write_text('half')
        raise RuntimeError
    assert store.get('train', KEY) is None and list((store.root / 'running').iterdir()) == []


@pytest.mark.parametrize(
    'damage, plainly_seen, message',
    [
        (lambda folder: (folder / 'sub' / 'weights.bin').write_text('on'), True, 'weights.bin is truncated'),
        (lambda folder: (folder / 'sub' / 'weights.bin').unlink(), True, 'weights.bin is missing'),
        (lambda folder: (folder / 'sub' / 'weights.bin').write_text('two'), False, 'weights.bin is altered'),
        (lambda folder: (folder / MANIFEST).write_text('{"stage": "train", "fil'), True, 'is torn'),
        (lambda folder: (folder / MANIFEST).write_text(''), True, 'is torn'),
        (lambda folder: (folder / MANIFEST).write_text('[]'), True, 'manifest.json is altered'),
        (lambda folder: (folder / MANIFEST).write_bytes(bytes(300)), True, 'is torn'),
        (lambda folder: (folder / MANIFEST).write_bytes(b'\xff' * 300), True, 'is torn'),
        (lambda folder: replace_in(folder / MANIFEST, '1.5', '9.5'), True, 'manifest.json is altered'),
        (lambda folder: replace_in(folder / MANIFEST, '"why"', '"whi"'), True, 'manifest.json is altered'),
        (lambda folder: replace_in(folder / 'facts.csv', '12', '13'), True, 'facts.csv is altered'),
    ],
)
def test_damage_is_noticed(store, damage, plainly_seen, message):
    damage(put(store, status='failed', with_table=True).folder)
    if not plainly_seen:
        assert store.get('train', KEY) is not None
    with pytest.raises(Damaged, match=message):
        store.get('train', KEY, verify=not plainly_seen)
    put(store, text='new')
    assert (store.get('train', KEY, verify=True).folder / 'sub' / 'weights.bin').read_text() == 'new'


def test_committing_twice_replaces(store):
    put(store, text='long before', status='failed')
    second = put(store, text='one')
    assert store.get('train', KEY, verify=True) == second and second.ok
    assert (second.folder / 'sub' / 'weights.bin').read_text() == 'one'
    assert list((store.root / 'running').iterdir()) == []


def test_discard_forgets_and_may_be_repeated(store):
    put(store)
    store.discard('train', KEY)
    store.discard('train', KEY)
    assert store.get('train', KEY) is None and list((store.root / 'running').iterdir()) == []


def _hold(root, key, seconds, began):
    with Store(root).writing(key):
        began.set()
        time.sleep(seconds)


@pytest.fixture
def holder(store):
    """A process that works on KEY for as long as it is let."""
    context = multiprocessing.get_context('fork')
    began = context.Event()
    process = context.Process(target=_hold, args=(store.root, KEY, HOLD_S, began))
    process.start()
    assert began.wait(PATIENCE_S)
    yield process
    process.kill()
    process.join()


def test_a_second_writer_waits_for_the_first(store):
    began = threading.Event()
    second = threading.Thread(target=_hold, args=(store.root, KEY, 0, began))
    with store.writing(KEY):
        second.start()
        with store.writing(OTHER):
            pass  # another key is free
        assert not began.wait(0.2)
    assert began.wait(PATIENCE_S)
    second.join()


def test_only_abandoned_folders_are_cleared(store, holder, left_behind):
    (left_behind(store, OTHER) / 'half').write_text('x')
    store.clear_abandoned()
    working = store.at_work(KEY, holder.pid)
    left = {path.name for path in (store.root / 'running').iterdir()}
    assert left == {working.name, f'{working.name}.lease'} and working.name.startswith(f'{KEY}-')
    holder.kill()
    holder.join()
    store.clear_abandoned()
    assert list((store.root / 'running').iterdir()) == []


def test_a_killed_process_frees_its_key(store, holder):
    holder.kill()
    holder.join()
    start = time.monotonic()
    assert put(store).ok and time.monotonic() - start < PATIENCE_S


def test_progress_is_what_the_working_process_said_last(store, left_behind):
    assert store.progress(KEY) == {}
    with store.writing(KEY) as folder:
        assert store.progress(KEY) == {}
        (folder / 'progress.json').write_text('{"step": 3')
        assert store.progress(KEY) == {}
        (folder / 'progress.json').write_text('{"step": 3}')
        assert store.progress(KEY) == dict(step=3) and store.progress(OTHER) == {}
    (left_behind(store, KEY) / 'progress.json').write_text('{"step": 9}')
    with store.writing(KEY):
        assert store.progress(KEY) == {}  # not of the killed process


def test_the_nearest_result_is_the_newest_of_the_label(store):
    put(store, KEY, facts=dict(n=1))
    put(store, OTHER, facts=dict(n=2))
    put(store, 'c' * 40, label='another__seed0')
    for age, key in ((50, KEY), (100, OTHER)):
        manifest = store.folder('train', key) / MANIFEST
        os.utime(manifest, (time.time() - age, time.time() - age))
    labels = {'baseline__seed0', 'another__seed0', 'unknown__seed0'}
    newest = store.newest('train', labels)
    assert newest.keys() == {'baseline__seed0', 'another__seed0'} and newest['baseline__seed0'].facts == dict(n=1)
    assert store.newest('train', {'another__seed0'}).keys() == {'another__seed0'}
    assert store.newest('train', labels, among={OTHER})['baseline__seed0'].facts == dict(n=2)
    assert store.newest('train', labels, but={KEY})['baseline__seed0'].facts == dict(n=2)
    assert store.newest('predict', labels) == {} and len(list(store.stored('train'))) == 3


def test_torn_manifests_are_passed_over_and_files_not_looked_at_when_results_are_listed(store):
    put(store, KEY)
    (put(store, OTHER).folder / MANIFEST).write_text('{"stage": "train", "fil')
    (store.folder('train', KEY) / 'log.txt').unlink()
    assert [result.folder.name for result in store.stored('train')] == [KEY]


def test_a_damaged_result_is_discarded_unless_it_was_computed_anew_meanwhile(store):
    folder = put(store).folder
    began = store.identity('train', KEY)
    store.discard_damaged('train', KEY)
    assert store.identity('train', KEY) == began  # it is intact
    (folder / 'log.txt').write_text('SAID\n')
    second = threading.Thread(target=store.discard_damaged, args=('train', KEY))
    with store.writing(KEY) as working:
        second.start()
        second.join(0.2)
        assert second.is_alive() and store.identity('train', KEY) == began
        store.commit('train', KEY, working, status='ok', reason=None, facts={}, ingredients={}, label='new')
    second.join(10)
    assert store.get('train', KEY, verify=True).label == 'new' and store.identity('train', KEY) != began
    (store.folder('train', KEY) / MANIFEST).write_text('{')
    store.discard_damaged('train', KEY)
    assert store.get('train', KEY) is None and store.identity('train', KEY) is None


@pytest.mark.parametrize('hold', [lambda store: store.writing(KEY), lambda store: store.machine(alone=True)])
def test_a_forked_child_does_not_keep_a_lock_that_its_parent_has_left(store, hold):
    context = multiprocessing.get_context('fork')
    with hold(store):
        child = context.Process(target=time.sleep, args=(HOLD_S,))
        child.start()
    rival = context.Process(target=_enter, args=(store.root, hold))
    rival.start()
    rival.join(PATIENCE_S)
    assert rival.exitcode == 0
    for process in (child, rival):
        process.kill()
        process.join()


def _enter(root, hold):
    with hold(Store(root)):
        pass


def test_what_a_killed_process_left_is_rescued(store, holder):
    left = store.at_work(KEY, holder.pid)
    (left / 'log.txt').write_text('last words')
    holder.kill()
    holder.join()
    with store.writing(KEY) as folder:
        store.rescue('progress.json', folder)
        assert list(folder.iterdir()) == []
        store.rescue('log.txt', folder)
        assert (folder / 'log.txt').read_text() == 'last words' and not (left / 'log.txt').exists()


def put_maps(store, key=KEY):
    """A prediction with the maps of three images."""
    with store.writing(key) as folder:
        (folder / 'maps').mkdir()
        for name in ('facts.csv', 'maps/0.npz', 'maps/1.npz', 'maps/2.npz', 'zebra.txt'):
            (folder / name).write_text(name)
        return store.commit(
            'predict',
            key,
            folder,
            status='ok',
            reason=None,
            facts=dict(images=3),
            ingredients={},
            label='baseline__seed0',
        )


def drop_maps(store, stage, key):
    with store.drivers.collecting() as grave:
        return store.drop_idle_maps(stage, key, grave)


def test_a_result_without_its_maps_is_sound_but_not_whole(store):
    before = put_maps(store)
    identity = store.identity('predict', KEY)
    assert before.whole and store.get('predict', KEY, verify=True).whole and store.has_maps('predict', KEY)
    assert drop_maps(store, 'predict', KEY) and drop_maps(store, 'predict', KEY)
    after = store.get('predict', KEY, verify=True)
    assert not after.whole and (after.ok, after.facts, after.folder) == (True, before.facts, before.folder)
    assert store.identity('predict', KEY) == identity and not store.has_maps('predict', KEY)
    assert sorted(path.name for path in after.folder.iterdir()) == ['facts.csv', MANIFEST, 'zebra.txt']
    assert list((store.root / 'running').iterdir()) == []
    put_maps(store)
    assert store.get('predict', KEY, verify=True).whole


def test_maps_that_were_left_out_from_the_start_are_missed_likewise(store):
    with store.writing(KEY) as folder:
        written = store.commit(
            'predict', KEY, folder, status='ok', reason=None, facts={}, ingredients={}, label='x', whole=False
        )
    assert store.get('predict', KEY, verify=True) == written and not written.whole
    assert drop_maps(store, 'predict', OTHER)  # nothing is there


@pytest.mark.parametrize(
    'damage, message',
    [
        (lambda folder: (folder / 'maps' / '1.npz').unlink(), 'maps/1.npz is missing'),
        (lambda folder: (folder / 'maps' / '1.npz').write_text('half'), 'maps/1.npz is truncated'),
        (lambda folder: (folder / 'facts.csv').unlink(), 'facts.csv is missing'),
    ],
)
def test_damage_is_not_taken_for_dropped_maps(store, damage, message):
    damage(put_maps(store).folder)
    with pytest.raises(Damaged, match=message):
        store.get('predict', KEY)


def test_a_missing_file_beside_dropped_maps_is_damage(store):
    folder = put_maps(store).folder
    drop_maps(store, 'predict', KEY)
    (folder / 'zebra.txt').unlink()
    with pytest.raises(Damaged, match='zebra.txt is missing'):
        store.get('predict', KEY)


def test_maps_dropped_while_a_result_is_looked_at_are_no_damage(store, monkeypatch):
    put_maps(store)
    seen = []

    def checksum(path):
        seen.append(path.name)
        if path.name == '1.npz':
            drop_maps(store, 'predict', KEY)
        return sha256(path)

    monkeypatch.setattr('benchmarks.store.result.sha256', checksum)
    assert not store.get('predict', KEY, verify=True).whole and seen == ['facts.csv', '0.npz', '1.npz', 'zebra.txt']


def test_maps_of_a_key_at_work_stay(store, holder):
    put_maps_of_another_process(store)
    assert not drop_maps(store, 'predict', KEY) and store.get('predict', KEY).whole
    holder.kill()
    holder.join()
    assert drop_maps(store, 'predict', KEY) and not store.get('predict', KEY).whole


def put_maps_of_another_process(store):
    """As if who holds the key had just stored them, and still held it."""
    folder = put_maps(store, OTHER).folder
    folder.rename(store.folder('predict', KEY))


def _drop_and_be_killed(root, before):
    """Drop the maps, and be killed just before or just after they are out of sight, with some of them removed."""

    def removing(folder, **_):
        next(iter(folder.iterdir())).unlink()
        os.kill(os.getpid(), signal.SIGKILL)

    import benchmarks.store.store as module

    module.shutil.rmtree = removing
    if before:
        module.Path.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    drop_maps(Store(root), 'predict', KEY)


@pytest.mark.parametrize('before', [True, False])
def test_a_kill_while_maps_are_dropped_leaves_all_or_none_and_the_next_run_clears_up(store, before):
    put_maps(store)
    process = multiprocessing.get_context('fork').Process(target=_drop_and_be_killed, args=(store.root, before))
    process.start()
    process.join(10)
    assert process.exitcode == -signal.SIGKILL
    assert store.get('predict', KEY, verify=True).whole is before
    assert len(list(store.root.glob('locks/collecting-*/*/*.npz'))) == (0 if before else 2)
    store.clear_abandoned()
    assert not list(store.root.glob('locks/collecting-*'))
    assert drop_maps(store, 'predict', KEY) and not store.get('predict', KEY, verify=True).whole
    put_maps(store)
    assert store.get('predict', KEY, verify=True).whole


def test_a_driver_can_ask_what_the_others_use(store):
    with store.drivers.using([KEY]) as own, store.drivers.using([KEY, OTHER]) as other, store.drivers.collecting():
        assert store.drivers.keys_in_use() == {KEY, OTHER} == store.drivers.keys_in_use(but=own)
        assert store.drivers.keys_in_use(but=other) == {KEY} and own.exists() and other.exists()
