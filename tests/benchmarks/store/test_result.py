"""A result in memory: what was given comes back, and texts that results share are there once."""

import json
import pickle
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from benchmarks.store.result import MANIFEST, Damaged, Result, read_manifest, write_manifest

FACTS = dict(seconds=1.5, loss=float('inf'), images=3, losses=[1.0, None], acted={'Hook': 2})


def result(key='k', facts=FACTS, label='a__seed0'):
    return Result(Path('/store/train') / key, 'failed', 'jammed', facts, {'config a': 'x'}, label, False)


def test_what_was_given_comes_back():
    one = result()
    assert one.folder == Path('/store/train/k') and one.facts == FACTS and not one.ok
    assert (one.status, one.reason, one.label, one.whole) == ('failed', 'jammed', 'a__seed0', False)
    assert Result(Path(), 'ok', None, {}, {}, '').folder == Path()
    assert pickle.loads(pickle.dumps(one)) == one == result() != result(facts={})


def test_nobody_can_change_it():
    one = result()
    one.facts['seconds'] = 2.0
    assert one.facts == FACTS
    with pytest.raises(FrozenInstanceError):
        one.status = 'ok'


def test_equal_ingredients_are_shared_and_others_stay():
    own = {'config a': 'x'}
    assert result().sharing(own).ingredients is own and result().sharing(own) == result()
    assert result().sharing({'config a': 'y'}).ingredients == own


def test_results_share_the_texts_that_they_have_in_common():
    def texts(one):
        return one.status, one.label, one._parent

    one, other = (result(key, label=''.join(['a__', 'seed0'])) for key in 'kl')
    assert all(mine is yours for mine, yours in zip(texts(one), texts(other)))


def test_a_manifest_whose_checksum_is_lost_is_damaged(tmp_path):
    """It is not taken for one from before manifests had checksums."""
    (tmp_path / 'facts.csv').write_text('tp\n12\n')
    write_manifest(tmp_path, 'train', 'k', result())
    text = (tmp_path / MANIFEST).read_text()
    assert read_manifest(tmp_path)['label'] == result().label
    for mark in ('"sha255": "', '"sha256":"'):
        (tmp_path / MANIFEST).write_text(text.replace('"sha256": "', mark).replace(result().label, 'another'))
        with pytest.raises(Damaged, match='is altered'):
            read_manifest(tmp_path)


@pytest.mark.parametrize(
    'change',
    [
        dict(label=None),
        dict(status=3),
        dict(facts=[]),
        dict(ingredients='x'),
        dict(files=[]),
        dict(files={'facts.csv': [6]}),
        dict(files={'facts.csv': ['6', 'a']}),
        dict(files={'facts.csv': 6}),
    ],
)
def test_a_manifest_whose_value_has_another_type_is_damaged(tmp_path, change):
    """One from before manifests had checksums."""
    files = {'facts.csv': [6, 'a']}
    right = dict(stage='train', key='k', status='ok', reason=None, facts={}, ingredients={}, label='a', files=files)
    (tmp_path / MANIFEST).write_text(json.dumps(right))
    assert read_manifest(tmp_path) == right
    (tmp_path / MANIFEST).write_text(json.dumps(right | change))
    with pytest.raises(Damaged, match='is altered'):
        read_manifest(tmp_path)
