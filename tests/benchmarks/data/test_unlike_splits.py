"""Splits that mean different things by a label."""

from benchmarks.data.card import make_card
from benchmarks.data.unlike_splits import unequal_classes, unequal_labels


def test_a_class_more_in_one_split_is_named(make_split):
    train, test = make_split(), make_split('test', name='test', classes=('a', 'b', 'c'))
    assert unequal_classes(train, make_split('equal', name='test')) is None
    assert "class 2 is None in train and 'c' in test" in unequal_classes(train, test)


def test_values_that_both_splits_hold_are_compared(make_split):
    train, shifted = make_split(labels=(1, 2), reduce_zero_label=True), make_split('test', (0, 1), name='test')
    cards = make_card(train), make_card(shifted)
    assert "value 1 becomes class 0 'a' in train and class 1 'b' in test" in unequal_labels(train, shifted, *cards)
    # Other files may need another map: 255 in these, 1 in those.
    train, test = make_split('bytes', (0, 255), label_map={255: 1}), make_split('index', (0, 1), name='test')
    assert unequal_labels(train, test, make_card(train), make_card(test)) is None
