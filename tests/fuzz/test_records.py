"""Damaged records, manifests, counts and caches: read, or refused by the one error that names the file."""

import gzip
import json
import random

import pytest
from mutations import mutated_bytes, mutated_tree

from benchmarks import record
from benchmarks.analysis.counts import read_counts
from benchmarks.data.file_facts import FileStore
from benchmarks.store.store import Damaged, Store

FOLDER = 'records'
KEY = 'a' * 40


def damaged(data, rng):
    """The bytes of a JSON file with damage to its bytes or to its tree."""
    if rng.random() < 0.3:
        return mutated_bytes(data, rng)
    return json.dumps(mutated_tree(json.loads(data), rng)).encode()


def read_back(out, name, data):
    """Read a file of an output folder by the function that reports use."""
    path = out / ('records' if name != 'grid.json' else '') / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    try:
        if name == 'grid.json':
            read = record.read_grid_json(out)
        else:
            read = (record.read_profiles if name.endswith(record.PROFILE_ENDING) else record.read_records)(out)
    except ValueError as error:
        assert name in str(error), error
        return 'refused'
    finally:
        path.unlink()
    assert read
    return 'read'


def test_what_is_kept_is_read_or_refused_as_it_was(inputs, tmp_path):
    for name, data in inputs.kept.items():
        how, _, name = name.rpartition('--')
        assert read_back(tmp_path, name, data) == (how.partition('_')[0] or 'read'), name


@pytest.mark.slow
def test_damaged_records_are_read_or_refused_by_their_name(inputs, tmp_path):
    sound = {name: data for name, data in inputs.kept.items() if '--' not in name}
    how = dict(read=0, refused=0)
    for _, rng in inputs.numbered():
        name = rng.choice(sorted(sound))
        how[read_back(tmp_path, name, damaged(sound[name], rng))] += 1
    assert all(how.values()), how


@pytest.mark.slow
def test_damaged_counts_are_read_or_refused_by_their_name(inputs, tmp_path, synthetic_counts):
    path = tmp_path / 'records' / 'counts.csv.gz'
    path.parent.mkdir()
    for _, rng in inputs.numbered():
        inside = rng.random() < 0.5
        data = mutated_bytes(gzip.decompress(synthetic_counts) if inside else synthetic_counts, rng)
        path.write_bytes(gzip.compress(data, 1) if inside else data)
        try:
            read_counts(tmp_path)
        except ValueError as error:
            assert 'counts.csv.gz' in str(error), error


@pytest.fixture
def synthetic_counts(tmp_path):
    """The bytes of a file of counts."""
    names = (*record.COUNT_NAMES, *record.COUNTS, *record.DISTANCES)
    rows = [
        dict(zip(names, (cell, image, 'g', label, 5, 1, 2, 3, 4, 5, 6, 7, 1.5, None)))
        for cell in ('baseline__seed0', 'x__seed0')
        for image in ('a', 'b')
        for label in (0, 1)
    ]
    return record.write_counts(tmp_path / 'sound', rows, ['background', 'disc']).read_bytes()


@pytest.mark.slow
def test_a_manifest_with_any_damage_is_damaged(inputs, tmp_path):
    """No byte of a manifest can change without notice, and nothing but Damaged is raised for it."""
    store = Store(tmp_path / 'store')
    with store.writing(KEY) as folder:
        (folder / 'facts.csv').write_text('tp\n12\n')
        facts = dict(seconds=1.5, losses=[0.5, 0.25])
        store.commit('train', KEY, folder, status='ok', reason=None, facts=facts, ingredients={'a': 'b'}, label='x')
    path = store.folder('train', KEY) / 'manifest.json'
    sound, expected = path.read_bytes(), store.get('train', KEY, verify=True)
    for _, rng in inputs.numbered():
        path.write_bytes(mutated_bytes(sound, rng))
        try:
            assert store.get('train', KEY) == expected
        except Damaged:
            assert path.read_bytes() != sound


@pytest.mark.slow
def test_a_damaged_cache_is_ignored_or_read(inputs, tmp_path):
    (tmp_path / 'picture.png').write_bytes(b'no picture')
    path = str(tmp_path / 'picture.png')
    facts = dict(sha256='x', labels=None, counts=None, colours=None)
    sound = json.dumps(dict(version=4, files={f'image:{path}': [10, 5, facts]})).encode()
    for number, rng in inputs.numbered():
        (tmp_path / 'files.json').write_bytes(damaged(sound, random.Random(number) if number else rng))
        with FileStore(tmp_path) as files:
            assert len(files.images([path])) == 1
