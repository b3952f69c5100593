"""Phrases for messages: the first of many items, and close matches for an unknown name."""

import pytest

from benchmarks.errors import did_you_mean, some_of


@pytest.mark.parametrize(
    'number, text', [(0, ''), (1, '0'), (4, '0, 1, 2, 3'), (5, '0, 1, 2, 3 and 1 more'), (9, '0, 1, 2, 3 and 5 more')]
)
def test_the_first_items_are_shown_and_the_others_counted(number, text):
    assert some_of([f'{n}' for n in range(number)], 4) == text


def test_close_matches_come_before_all_known_names():
    assert did_you_mean('gama', ['gamma', 'alpha']) == "; did you mean 'gamma'? (known: alpha, gamma)"
    assert did_you_mean('x', []) == ' (known: none)'
