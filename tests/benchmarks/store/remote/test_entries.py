"""Results in a remote place: they come down as they went up, or not at all."""

import pytest

from benchmarks.store.remote.entries import Entries
from benchmarks.store.remote.place import Unreachable
from benchmarks.store.store import Damaged, Store

KEY, OTHER = 'a' * 40, 'b' * 40


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / 'store')


@pytest.fixture
def entries(place):
    return Entries(place, exclusive=True)


def put(store, text='weights', key=KEY, **options):
    with store.writing(key) as folder:
        (folder / 'log.txt').write_text(text)
        (folder / 'maps').mkdir()
        (folder / 'maps' / '0.npz').write_text('a map')
        fields = dict(status='ok', reason=None, facts=dict(seconds=2.5), ingredients={'config a': 'ä'}, label='x')
        return store.commit('predict', key, folder, **fields | options)


def fetch(entries, folder, *, maps=True, key=KEY):
    folder.mkdir()
    return entries.fetch('predict', key, folder, maps=maps)


def stored(entries):
    """The files of a key, by the digests of their manifests."""
    place = entries.place
    return {name: place.names(f'predict/{KEY}/{name}') for name in place.names(f'predict/{KEY}')}


def test_a_result_comes_down_as_it_went_up(entries, store, tmp_path):
    result = put(store)
    assert fetch(entries, tmp_path / 'before') is None and entries.keys('predict') == set()
    entries.publish('predict', KEY, result.folder)
    assert entries.keys('predict') == {KEY}
    found = fetch(entries, tmp_path / 'down')
    assert (tmp_path / 'down' / 'log.txt').read_text() == 'weights'
    assert (tmp_path / 'down' / 'maps' / '0.npz').read_text() == 'a map'
    assert not (tmp_path / 'down' / 'manifest.json').exists(), 'the local store writes its own'
    same = ('status', 'reason', 'facts', 'ingredients', 'label', 'whole')
    assert [getattr(found, name) for name in same] == [getattr(result, name) for name in same]


def test_maps_come_only_where_they_are_needed(entries, store, tmp_path):
    entries.publish('predict', KEY, put(store).folder)
    assert not fetch(entries, tmp_path / 'without', maps=False).whole
    assert [path.name for path in (tmp_path / 'without').iterdir()] == ['log.txt']


def test_dropped_maps_are_no_damage(entries, store, tmp_path):
    put(store)
    assert store.drop_idle_maps('predict', KEY, tmp_path)
    entries.publish('predict', KEY, store.folder('predict', KEY))
    assert fetch(entries, tmp_path / 'with') is None
    assert not fetch(entries, tmp_path / 'without', maps=False).whole


def test_the_first_result_of_a_key_stays_and_leaves_nothing_of_a_second(entries, store, tmp_path):
    entries.publish('predict', KEY, put(store, 'first').folder)
    entries.publish('predict', KEY, put(store, 'second').folder)
    fetch(entries, tmp_path / 'down')
    assert (tmp_path / 'down' / 'log.txt').read_text() == 'first' and len(stored(entries)) == 1


def test_the_slower_of_two_uploads_at_once_leaves_nothing(entries, store, tmp_path, monkeypatch):
    quick, slow = put(store, 'quick'), put(Store(tmp_path / 'far'), 'slow')
    put_files = entries.place.put

    def put_and_be_late(files):
        put_files(files)
        monkeypatch.undo()
        entries.publish('predict', KEY, quick.folder)

    monkeypatch.setattr(entries.place, 'put', put_and_be_late)
    entries.publish('predict', KEY, slow.folder)
    fetch(entries, tmp_path / 'down')
    assert (tmp_path / 'down' / 'log.txt').read_text() == 'quick' and len(stored(entries)) == 1


def test_a_killed_upload_is_invisible_and_its_files_go_with_the_next_one(entries, store, tmp_path, monkeypatch):
    result = put(store, 'killed')
    monkeypatch.setattr(entries.place, 'create', lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        entries.publish('predict', KEY, result.folder)
    monkeypatch.undo()
    assert fetch(entries, tmp_path / 'half') is None and entries.keys('predict') == set() and len(stored(entries)) == 1
    entries.publish('predict', KEY, put(store, 'whole').folder)
    assert len(stored(entries)) == 1 and fetch(entries, tmp_path / 'down').ok


def damage(entries, how):
    """Damage a result; returns what must be named."""
    place, (digest,) = entries.place, stored(entries)
    manifest, file = f'predict/{KEY}.json', f'predict/{KEY}/{digest}/log.txt'
    if how == 'missing':
        place.remove(file)
    elif how in ('truncated', 'flipped'):
        place.write(file, dict(truncated=b'weigh', flipped=b'weighty')[how])
    elif how == 'torn manifest':
        place.write(manifest, place.read(manifest)[:50])
    elif how == 'flipped manifest':
        place.write(manifest, place.read(manifest).replace(b'"x"', b'"y"'))
    elif how == 'missing map':
        place.write(f'predict/{KEY}/{digest}/maps/1.npz', b'')
        place.remove(f'predict/{KEY}/{digest}/maps/0.npz')
        return 'maps/0.npz is missing'
    return dict(missing='log.txt is missing', truncated='log.txt is truncated', flipped='log.txt is altered').get(
        how, f'{KEY}.json is '
    )


@pytest.mark.parametrize('how', ['missing', 'truncated', 'flipped', 'torn manifest', 'flipped manifest', 'missing map'])
def test_damage_is_named_by_url_and_mended_by_the_next_result(entries, store, tmp_path, how):
    entries.publish('predict', KEY, put(store).folder)
    named = damage(entries, how)
    with pytest.raises(Damaged, match=f'{entries.place.url}/predict/.*{named}'):
        fetch(entries, tmp_path / 'damaged')
    entries.publish('predict', KEY, put(store, 'anew').folder, replace=True)
    assert fetch(entries, tmp_path / 'down').whole and len(stored(entries)) == 1
    assert (tmp_path / 'down' / 'log.txt').read_text() == 'anew'


def test_a_manifest_at_another_place_or_with_paths_to_elsewhere_is_refused(entries, store, tmp_path):
    result, place = put(store), entries.place
    entries.publish('predict', KEY, result.folder)
    place.write(f'predict/{OTHER}.json', place.read(f'predict/{KEY}.json'))
    with pytest.raises(Damaged, match=f'{OTHER}.json is the manifest of another result'):
        fetch(entries, tmp_path / 'other', key=OTHER)
    text = (result.folder / 'manifest.json').read_text().rpartition(',\n "sha256"')[0]  # as from before it existed
    place.write(f'predict/{KEY}.json', (text.replace('log.txt', '../log.txt') + '\n}').encode())
    with pytest.raises(Damaged, match='names a file outside the result'):
        fetch(entries, tmp_path / 'down')


def test_a_local_result_that_is_damaged_does_not_go_up(entries, store):
    result = put(store)
    (result.folder / 'log.txt').write_text('altered')
    with pytest.raises(Damaged, match='log.txt is'):
        entries.publish('predict', KEY, result.folder)
    assert entries.keys('predict') == set() and stored(entries) == {}


def test_a_lost_connection_leaves_the_local_result(entries, store, monkeypatch):
    result = put(store)
    monkeypatch.setattr(entries.place.fs, 'put', lambda *_, **__: (_ for _ in ()).throw(TimeoutError('silent')))
    with pytest.raises(Unreachable, match=f'{entries.place.url} cannot .*silent'):
        entries.publish('predict', KEY, result.folder)
    assert store.get('predict', KEY, verify=True).ok and entries.keys('predict') == set()
