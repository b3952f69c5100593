"""Variants of a technique: which key of its overlay gets the value."""

import pytest

from benchmarks.errors import BadInput
from benchmarks.stacks.technique import Technique
from benchmarks.stacks.variants import Variant, same_overlay, varied

LOSS = dict(_delete_=True, type='T', gamma=2.0, weights=(1.0, 2.0))
TECHNIQUE = Technique(
    'focal',
    'loss (focal)',
    'D',
    dict(
        model=dict(decode_head=dict(loss_decode=LOSS), auxiliary_head=dict(loss_decode=dict(alpha=1))),
        custom_hooks=dict(_insert_=[dict(type='H', momentum=0.9)]),
        inference=dict(views=dict(h=dict(type='Flip'), v=dict(type='Flip', way='v'))),
    ),
    imports=['m'],
)


def with_values(**values):
    return varied(TECHNIQUE, Variant('focal', values, {key: str(value) for key, value in values.items()}))


def loss_of(technique):
    return technique.overlay['model']['decode_head']['loss_decode']


@pytest.mark.parametrize('key', ['gamma', 'model.decode_head.loss_decode.gamma', 'decode_head.loss_decode.gamma'])
def test_a_key_is_a_path_or_the_only_end_of_one(key):
    row = with_values(**{key: 5})
    assert loss_of(row) == {**LOSS, 'gamma': 5} and loss_of(TECHNIQUE)['gamma'] == 2.0
    assert (row.name, row.title, row.imports) == ('focal[gamma=5]', 'loss (focal), gamma=5', ['m'])


def test_elements_of_lists_and_new_keys_of_dicts():
    assert with_values(momentum=0.5).overlay['custom_hooks']['_insert_'] == [dict(type='H', momentum=0.5)]
    assert loss_of(with_values(**{'weights.1': 7}))['weights'] == [1.0, 7]
    assert loss_of(with_values(weights=[3, 4]))['weights'] == [3, 4]
    assert loss_of(with_values(**{'decode_head.loss_decode.smooth': 1}))['smooth'] == 1


def test_a_list_of_names_keeps_these_entries_of_a_dict():
    assert with_values(views=['v']).overlay['inference']['views'] == dict(v=dict(type='Flip', way='v'))
    assert same_overlay(with_values(views=['v', 'h']), TECHNIQUE)
    with pytest.raises(BadInput, match="'views' has no entry 'hh' to keep; did you mean 'h'"):
        with_values(views=['hh'])


def test_the_techniques_own_values_are_known():
    assert same_overlay(with_values(gamma=2), TECHNIQUE) and not same_overlay(with_values(gamma=3), TECHNIQUE)
    assert same_overlay(with_values(weights=[1, 2]), TECHNIQUE)


@pytest.mark.parametrize(
    'key, said',
    [
        ('gama', "the sweep of 'focal': its overlay has no 'gama'; did you mean 'gamma'"),
        ('los_decode.gamma', "no 'los_decode.gamma'; did you mean 'loss_decode.gamma'"),
        ('type', "'type' may be model.decode_head.loss_decode.type, custom_hooks._insert_.0.type"),
        ('loss_decode.smooth', 'may be model.decode_head.loss_decode.smooth, model.auxiliary_head.loss_decode.smooth'),
        ('_delete_', "no '_delete_'"),
        ('gamma.x', "no 'gamma.x'"),
    ],
)
def test_a_wrong_key_is_refused_with_close_matches(key, said):
    with pytest.raises(BadInput) as refused:
        with_values(**{key: 1})
    assert said in str(refused.value)
