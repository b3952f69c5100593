"""Phrases for messages: the first of many items, and close matches for an unknown name."""

import pickle

import pytest

from benchmarks.errors import BadInput, Mistakes, did_you_mean, some_of, unknown_names


@pytest.mark.parametrize(
    'number, text', [(0, ''), (1, '0'), (4, '0, 1, 2, 3'), (5, '0, 1, 2, 3 and 1 more'), (9, '0, 1, 2, 3 and 5 more')]
)
def test_the_first_items_are_shown_and_the_others_counted(number, text):
    assert some_of([f'{n}' for n in range(number)], 4) == text


def test_close_matches_come_before_all_known_names():
    assert did_you_mean('gama', ['gamma', 'alpha']) == "; did you mean 'gamma'? (known: alpha, gamma)"
    assert did_you_mean('x', []) == ' (known: none)'


def test_long_lists_of_known_names_are_complete_and_wrapped():
    known = [f'name_number_{n:03d}' for n in range(200)]
    text = did_you_mean('name_numer_007', known)
    assert text.startswith("; did you mean 'name_number_007'")
    assert all(name in text for name in known) and max(map(len, text.splitlines())) <= 102


def test_several_unknown_names_share_one_list_of_known_names():
    text = unknown_names(['gama', 'zzz'], ['gamma', 'alpha'])
    assert text == "'gama' (did you mean 'gamma'?), 'zzz' (known: alpha, gamma)"


def test_mistakes_are_collected_told_once_each_and_survive_the_way_from_another_process():
    mistakes = Mistakes()
    for messages in (['a'], ['b', 'a'], []):
        with mistakes.noted():
            if messages:
                raise BadInput(*messages)
    with pytest.raises(BadInput) as refused:
        mistakes.refuse()
    assert str(refused.value) == str(pickle.loads(pickle.dumps(refused.value))) == '2 mistakes:\n- a\n- b'
    assert str(BadInput('alone')) == 'alone' and Mistakes().refuse() is None
