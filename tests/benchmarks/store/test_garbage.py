"""Garbage collection on planted stores: what records refer to and what runs use stays, whatever happens meanwhile."""

import json
import multiprocessing
import os
import shutil
import threading
import time

import pytest

from benchmarks.cli import main
from benchmarks.errors import BadInput
from benchmarks.store import garbage
from benchmarks.store.damaged import damage_of
from benchmarks.store.garbage import collect_garbage, collection_text
from benchmarks.store.result import MANIFEST
from benchmarks.store.sizes import age_s, size_bytes, size_text
from benchmarks.store.store import Store

DAY = 86400


def key(name):
    return name.ljust(40, '0')


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / 'work' / 'store')


def put(store, name, kind='train', *, days=0, size=100, parents=()):
    """A result stored so many days ago, whose files take ``size`` bytes in all."""
    ingredients = {f'parent {number}': key(parent) for number, parent in enumerate(parents)}
    with store.writing(key(name)) as folder:
        store.commit(kind, key(name), folder, status='ok', reason=None, facts={}, ingredients=ingredients, label=name)
    manifest = store.folder(kind, key(name)) / MANIFEST
    (manifest.parent / 'weights.bin').write_bytes(b'w' * (size - manifest.stat().st_size))
    os.utime(manifest, (time.time() - days * DAY,) * 2)


def write_records(out, *names, profile=None):
    """A grid's output, with a cell of one stage for each of ``names``."""
    (out / 'records').mkdir(parents=True, exist_ok=True)
    (out / 'grid.json').write_text('{}')
    for name in names:
        (out / 'records' / f'{name}__seed0.json').write_text(json.dumps(dict(keys=dict(train=key(name), refine=None))))
    if profile:
        (out / 'records' / 'x__profile.json').write_text(json.dumps(dict(key=key(profile))))
    return out


def left(store):
    return {path.parent.name[0] for path in store.root.glob(f'*/*/{MANIFEST}') if path.parts[-3] != 'running'}


def removed(found):
    return [one.key[0] for one in found.removed]


def test_what_no_record_refers_to_goes(store, tmp_path):
    for name, kind in zip('abcd', ('train', 'predict', 'profile', 'refine')):
        put(store, name, kind)
    write_records(tmp_path / 'work' / 'grid', 'a', profile='c')
    found = collect_garbage(store)
    assert sorted(removed(found)) == ['b', 'd'] and left(store) == {'a', 'c'}
    assert (len(found.results), found.kept_for_records, found.kept_for_drivers) == (4, 2, 0)
    assert list((store.root / 'running').iterdir()) == []


def test_what_a_referred_result_was_made_from_stays(store, tmp_path):
    put(store, 'a')
    put(store, 'b', 'label', parents='a')
    put(store, 'c', parents='b')
    put(store, 'd', parents='a')
    write_records(tmp_path / 'work' / 'grid', 'c')
    collect_garbage(store)
    assert left(store) == {'a', 'b', 'c'}


def test_an_output_folder_elsewhere_is_known_from_its_run_and_refers_to_nothing_once_it_is_gone(store, tmp_path):
    put(store, 'a')
    out = write_records(tmp_path / 'elsewhere', 'a')
    store.outputs.add(out, [])
    assert collect_garbage(store).removed == [] and left(store) == {'a'}
    shutil.rmtree(out)
    found = collect_garbage(store)
    assert found.lost == [out] and left(store) == set()
    assert f'{out} no longer exists' in collection_text(found, dry_run=False)
    assert collect_garbage(store).lost == []


def test_the_last_plan_of_a_grid_that_was_interrupted_stays(store, tmp_path):
    put(store, 'a')
    put(store, 'b')
    (tmp_path / 'out').mkdir()
    store.outputs.add(tmp_path / 'out', [key('b'), key('never run')])
    collect_garbage(store)
    assert left(store) == {'b'}
    store.outputs.add(tmp_path / 'out', [])
    collect_garbage(store)
    assert left(store) == set()


def test_a_work_dir_that_was_moved_keeps_what_its_grids_refer_to(store, tmp_path):
    put(store, 'a')
    out = store.root.parent / 'runs' / 'deep'
    store.outputs.add(write_records(out, 'a'), [])
    moved = store.root.parent.rename(tmp_path / 'moved')
    found = collect_garbage(Store(moved / 'store'))
    assert found.removed == [] and found.lost == [] and found.kept_for_records == 1


@pytest.mark.parametrize('content', ['{"keys": {"tra', '[]', '{}', '{"keys": null}'])
def test_records_that_cannot_be_read_protect_everything(store, tmp_path, content):
    put(store, 'a')
    record = write_records(tmp_path / 'out', 'b') / 'records' / 'b__seed0.json'
    record.write_text(content)
    store.outputs.add(tmp_path / 'out', [])
    with pytest.raises(BadInput, match=f'{record} cannot be read.*nothing is removed'):
        collect_garbage(store)
    assert left(store) == {'a'}


def test_young_results_stay(store):
    for name, days in zip('abc', (31, 29, 0)):
        put(store, name, days=days)
    found = collect_garbage(store, older_than_s=30 * DAY)
    assert removed(found) == ['a'] and left(store) == {'b', 'c'}


def test_the_oldest_go_first_until_the_store_is_small_enough(store, tmp_path):
    for name, days in zip('abcd', (1, 4, 3, 2)):
        put(store, name, days=days, size=1000)
    write_records(tmp_path / 'work' / 'grid', 'b')
    found = collect_garbage(store, max_size=2000)
    assert removed(found) == ['c', 'd'] and (found.size_before, found.size_after) == (4000, 2000)
    assert collect_garbage(store, max_size=2000).removed == []
    found = collect_garbage(store, max_size=10)
    assert left(store) == {'b'} and found.size_after == 1000


def test_both_limits_hold_together(store):
    for name, days in zip('abc', (40, 35, 1)):
        put(store, name, days=days, size=1000)
    assert removed(collect_garbage(store, older_than_s=30 * DAY, max_size=2500)) == ['a']
    assert removed(collect_garbage(store, older_than_s=30 * DAY, max_size=0)) == ['b']


def test_a_dry_run_removes_nothing(store, tmp_path, left_behind):
    put(store, 'a', size=1500)
    store.outputs.add(tmp_path / 'gone', [])
    half = left_behind(store, key('b'))
    found = collect_garbage(store, dry_run=True)
    assert removed(found) == ['a'] and left(store) == {'a'} and half.exists()
    assert collection_text(found, dry_run=True).splitlines()[-2:] == [
        '  train     1 would go, 1.5 kB',
        '0 results would be left, 0 B',
    ]
    assert collect_garbage(store, dry_run=True).lost == [tmp_path / 'gone']


def test_a_torn_result_is_garbage_like_any_other(store):
    put(store, 'a')
    (store.folder('train', key('a')) / MANIFEST).write_text('{"stage": "tr')
    (store.root / 'train' / key('b')).mkdir()
    collect_garbage(store)
    assert list((store.root / 'train').iterdir()) == []


def _hold(root, entered):
    with Store(root).writing(key('a')):
        entered.set()
        time.sleep(60)


def _drive(root, entered):
    with Store(root).drivers.using([key('a'), key('to come')]):
        entered.set()
        time.sleep(60)


@pytest.fixture
def other_process(store):
    context = multiprocessing.get_context('fork')
    started = []

    def start(target):
        entered = context.Event()
        process = context.Process(target=target, args=(store.root, entered))
        process.start()
        started.append(process)
        assert entered.wait(10)
        return process

    yield start
    for process in started:
        process.kill()
        process.join()


def end(process):
    process.kill()
    process.join()


def test_a_key_at_work_stays_until_its_process_is_gone_and_what_that_left_goes(store, other_process):
    put(store, 'a')
    put(store, 'b')
    process = other_process(_hold)
    assert removed(collect_garbage(store)) == ['b'] and left(store) == {'a'}
    working = store.at_work(key('a'), process.pid)
    assert working.exists() and store.at_work(key('a'), os.getpid()) is None
    end(process)
    collect_garbage(store)
    assert left(store) == set() and not working.exists()


def test_what_a_running_grid_uses_stays_until_it_ends_or_is_killed(store, other_process):
    put(store, 'p')
    put(store, 'a', parents='p')
    put(store, 'b')
    process = other_process(_drive)
    found = collect_garbage(store)
    assert left(store) == {'a', 'p'} and found.kept_for_drivers == 2
    end(process)
    collect_garbage(store)
    assert left(store) == set() and list((store.root / 'drivers').iterdir()) == []


def test_a_grid_waits_until_garbage_is_collected(store):
    begun = threading.Event()

    def begin():
        with Store(store.root).drivers.using([key('a')]):
            begun.set()

    grid = threading.Thread(target=begin)
    with store.drivers.collecting():
        grid.start()
        assert not begun.wait(0.2) and store.drivers.keys_in_use() == set()
    assert begun.wait(10)
    grid.join()


def test_a_run_that_ends_leaves_no_trace_of_its_use(store):
    with store.drivers.using([key('a')]), store.drivers.collecting():
        assert store.drivers.keys_in_use() == {key('a')}
    assert list((store.root / 'drivers').iterdir()) == []


def test_a_collection_that_is_killed_loses_no_whole_result_and_the_next_one_clears_up(store, monkeypatch):
    put(store, 'a', size=1000)
    put(store, 'b', size=1000)

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr('benchmarks.store.store.shutil.rmtree', killed)
        with pytest.raises(KeyboardInterrupt):
            collect_garbage(store)
    assert left(store) == {'b'}  # one is out of sight, the other whole
    assert list(store.root.glob(f'locks/collecting-*/{key("a")}/weights.bin'))
    collect_garbage(store)
    assert left(store) == set() and not list(store.root.glob('locks/collecting-*'))


@pytest.mark.parametrize(
    'text, seconds', [('90m', 5400), ('12h', 43200), ('30d', 2592000), ('1.5 d', 129600), ('2w', 1209600)]
)
def test_ages(text, seconds):
    assert age_s(text, '--flag') == seconds


@pytest.mark.parametrize(
    'text, number', [('0B', 0), ('500MB', 500_000_000), ('20GB', 2 * 10**10), ('1.5GiB', 1610612736)]
)
def test_sizes(text, number):
    assert size_bytes(text, '--flag') == number


@pytest.mark.parametrize('read', [age_s, size_bytes])
@pytest.mark.parametrize('text', ['30', 'd', '-3d', '3 years', '5Gb', ''])
def test_what_is_neither_is_refused(read, text):
    with pytest.raises(BadInput, match=f'--flag {text}: it is not a'):
        read(text, '--flag')


def test_sizes_in_words():
    assert [size_text(n) for n in (0, 999, 1500, 20_000_000, 3 * 10**9, 4 * 10**12)] == [
        '0 B',
        '999 B',
        '1.5 kB',
        '20 MB',
        '3 GB',
        '4 TB',
    ]


@pytest.fixture
def command(store, tmp_path, monkeypatch):
    monkeypatch.setenv('ABLATION_WORK_DIR', '')
    monkeypatch.setenv('PYTHONPATH', '')
    return lambda *flags: main(['--work-dir', str(store.root.parent), *flags], tmp_path)


def test_the_command_says_what_went(store, tmp_path, command, capsys):
    put(store, 'a', size=1500, days=40)
    put(store, 'b', size=1500)
    write_records(tmp_path / 'work' / 'grid', 'c')
    assert command('--collect-garbage', '--older-than', '30d', '--max-size', '1kB') == 0
    assert capsys.readouterr().out.splitlines() == [
        '2 results, 3 kB: records refer to 0, running grids use 0 more',
        '  train     1 removed, 1.5 kB',
        '1 result left, 1.5 kB',
    ]
    assert left(store) == {'b'}


@pytest.mark.parametrize(
    'flags, message',
    [
        (['--older-than', '30d'], '--older-than limits what --collect-garbage removes'),
        (['--max-size', '1GB'], '--max-size limits what --collect-garbage removes'),
        (['--collect-garbage', '--older-than', 'long'], '--older-than long: it is not an age such as'),
        (['--collect-garbage', '--max-size', '3'], '--max-size 3: it is not a size such as'),
    ],
)
def test_flags_that_say_nothing_are_refused(store, command, capsys, flags, message):
    put(store, 'a')
    assert command(*flags) == 2 and message in capsys.readouterr().err and left(store) == {'a'}


def damage(store, name):
    with store.writing(key(name)) as folder:
        store.set_aside('train', key(name), folder, 'altered')


def test_no_folder_of_the_stores_own_is_taken_for_a_kind_of_stage(store, tmp_path):
    store.outputs.add(tmp_path, [])
    put(store, 'a')
    with store.machine(alone=True):
        pass
    put(store, 'b')
    damage(store, 'b')
    assert {path.name for path in store.root.iterdir()} == {'train', *garbage.OWN_FOLDERS}


def test_what_was_set_aside_is_garbage(store):
    put(store, 'a')
    damage(store, 'a')
    collect_garbage(store, dry_run=True)
    assert [damage.why for damage in damage_of(store.root, {key('a')})] == ['altered']
    collect_garbage(store)
    assert not (store.root / 'damaged').exists()
