"""The data behind a grid: images, groups, sizes, and the pixels of each class in both splits."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

MOST_CLASSES = 300


class DataCard(NamedTuple):
    """What a page says of the data.

    Attributes:
        name: The data set.
        facts: Rows of name, training, test.
        classes: Rows of class, share of the training pixels, its training images, and the same of the test; empty where
            the records have no cards.
        more_classes: The number of further classes.
    """

    name: str
    facts: list[tuple[str, str, str]]
    classes: list[tuple[str, str, str, str, str]]
    more_classes: int


def data_card(grid: Mapping[str, Any]) -> DataCard:
    """The data card of a grid.

    Args:
        grid: The content of ``grid.json``; records from before there were cards have numbers of images alone.
    """
    dataset = grid['dataset']
    cards = dataset.get('cards') or {}
    train, test = cards.get('train') or {}, cards.get('test') or {}
    numbers = dataset['n_images']
    prints = dataset['fingerprint']
    facts = [
        ('images', _text(numbers.get('train')), _text(numbers.get('test'))),
        ('groups', _text(train.get('groups')), _text(test.get('groups'))),
        ('sizes (height × width)', _sizes(train), _sizes(test)),
        ('image files', _formats(train.get('image_formats')), _formats(test.get('image_formats'))),
        ('masks that were counted', _text(train.get('masks')), _text(test.get('masks'))),
        ('void pixels', _void(train), _void(test)),
        ('fingerprint, its beginning', _text(prints.get('train'))[:16], _text(prints.get('test'))[:16]),
    ]
    classes = _classes(train, test)
    return DataCard(
        dataset['name'],
        [fact for fact in facts if set(fact[1:]) != {'–'}],
        classes[:MOST_CLASSES],
        max(len(classes) - MOST_CLASSES, 0),
    )


def _classes(train: Mapping, test: Mapping) -> list[tuple[str, str, str, str, str]]:
    of_train = {entry['name']: entry for entry in train.get('classes') or ()}
    of_test = {entry['name']: entry for entry in test.get('classes') or ()}
    rows = []
    for name in dict.fromkeys([*of_train, *of_test]):
        in_train, in_test = of_train.get(name, {}), of_test.get(name, {})
        shares = [
            _share(entry.get('pixels'), _all_pixels(card)) for entry, card in ((in_train, train), (in_test, test))
        ]
        rows.append((name, shares[0], _text(in_train.get('images')), shares[1], _text(in_test.get('images'))))
    return rows


def _all_pixels(card: Mapping) -> int:
    return sum((card.get('values') or {}).values())


def _share(pixels: int | None, of_all: int) -> str:
    return '–' if pixels is None or not of_all else f'{100 * pixels / of_all:.3g} %'


def _void(card: Mapping) -> str:
    return _share(card.get('void_pixels'), _all_pixels(card))


def _sizes(card: Mapping) -> str:
    ends = [card.get(end) for end in ('smallest', 'largest')]
    texts = list(dict.fromkeys(f'{end[0]} × {end[1]}' for end in ends if end))
    return ' to '.join(texts) or '–'


def _formats(formats: Iterable[Mapping] | None) -> str:
    return ', '.join(f'{one["files"]} of {one["channels"]} × {one["bits"]} bits' for one in formats or ()) or '–'


def _text(value: Any) -> str:
    return '–' if value is None else str(value)
