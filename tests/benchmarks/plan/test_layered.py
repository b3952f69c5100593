"""Ingredients in two layers behave as one dict of both."""

import pickle

import pytest

from benchmarks.plan.layered import Layered


@pytest.mark.parametrize('own', [{}, dict(c='3'), dict(b='9', c='3')])
def test_it_is_a_dict_of_both(own):
    shared = dict(b='2', a='1')
    one, whole = Layered(shared, own), {**shared, **own}
    assert one == whole and whole == one and list(one) == list(whole) and len(one) == len(whole)
    assert {**one} == whole and one.get('d') is None and 'd' not in one
    assert one == Layered(whole, {}) and one != Layered(shared, dict(d='4'))
    assert pickle.loads(pickle.dumps(one)) == whole
