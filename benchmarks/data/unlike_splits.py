"""Do training and test mean the same by a label? A network learns the one and is scored by the other."""

from collections.abc import Iterable

from benchmarks.data.card import Card
from benchmarks.data.loaded_labels import loaded_label
from benchmarks.data.split import Split
from benchmarks.errors import some_of

SHOWN = 3


def unequal_classes(train: Split, test: Split) -> str | None:
    """A message, if the classes of two splits differ in number, name or order; None if they are the same.

    Args:
        train: The training data.
        test: The test data.
    """
    if train.classes == test.classes:
        return None
    length = max(len(train.classes), len(test.classes))
    first, second = ([*split.classes, *[None] * (length - len(split.classes))] for split in (train, test))
    unlike = [f'class {i} is {a!r} in {train.name} and {b!r} in {test.name}' for i, (a, b) in _differing(first, second)]
    order = ', in another order' if sorted(train.classes) == sorted(test.classes) else ''
    return (
        f'{train.name} and {test.name} data declare other classes{order}: {some_of(unlike, SHOWN)}. A network would be '
        f'scored by classes that it has not learned: give both data sets the same metainfo.classes, in the order of '
        f'the labels'
    )


def unequal_labels(train: Split, test: Split, train_card: Card, test_card: Card) -> str | None:
    """A warning, if a value that masks of both splits hold becomes another class in training than in the test.

    Args:
        train: The training data.
        test: The test data.
        train_card: The data card of the training data.
        test_card: The data card of the test data.
    """
    shared = sorted(train_card.values.keys() & test_card.values.keys())
    unlike = [
        f'{value} becomes {_named(train, value)} in {train.name} and {_named(test, value)} in {test.name}'
        for value in shared
        if loaded_label(value, train) != loaded_label(value, test)
    ]
    if not unlike:
        return None
    declared = '; '.join(
        f'{split.name} has label_map={split.label_map}, reduce_zero_label={split.reduce_zero_label}'
        for split in (train, test)
    )
    return (
        f'{train.name} and {test.name} data read the masks differently: the value {some_of(unlike, SHOWN)} '
        f'({declared}). Give both data sets the same two, unless their files do not mean the same'
    )


def _differing(first: Iterable, second: Iterable) -> list[tuple[int, tuple]]:
    return [(index, pair) for index, pair in enumerate(zip(first, second)) if pair[0] != pair[1]]


def _named(split: Split, value: int) -> str:
    label = loaded_label(value, split)
    if label is None:
        return 'void'
    return f"class {label} '{split.classes[label]}'" if label < len(split.classes) else f'class {label}'
