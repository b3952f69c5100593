"""The data behind a grid: images, groups, sizes, and the pixels of each class in each split."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

MOST_CLASSES = 300
_NO_LEAK = 'No image and no group was found in two splits, and no test image is a near copy of a training image.'
_CHOSEN = 'Values were chosen on the validation images, which no test shows.'


class DataCard(NamedTuple):
    """What a page says of the data.

    Attributes:
        name: The data set.
        splits: The head of the facts: nothing, and the name of each split.
        facts: Rows of a name and what it is in each split.
        class_head: The head of the classes.
        classes: Rows of a class and, of each split that was counted, its share of the pixels and its images.
        more_classes: The number of further classes.
        chosen: What the validation images were for; empty where there are none.
        leaks: What the splits share; empty where the records do not say.
    """

    name: str
    splits: tuple[str, ...]
    facts: list[tuple[str, ...]]
    class_head: tuple[str, ...]
    classes: list[tuple[str, ...]]
    more_classes: int
    chosen: str
    leaks: Sequence[str]


class _Split(NamedTuple):
    """A split; records from before there were cards lack its card."""

    name: str
    images: int | None
    fingerprint: str | None
    card: Mapping[str, Any]


def data_card(grid: Mapping[str, Any]) -> DataCard:
    """The data card of a grid.

    Args:
        grid: The content of ``grid.json``; records from before there were cards have numbers of images alone.
    """
    splits = _splits(grid)
    facts = [
        ('images', *(_text(split.images) for split in splits)),
        ('groups', *(_text(split.card.get('groups')) for split in splits)),
        ('sizes (height × width)', *(_sizes(split.card) for split in splits)),
        ('image files', *(_formats(split.card.get('image_formats')) for split in splits)),
        ('masks that were counted', *(_text(split.card.get('masks')) for split in splits)),
        ('void pixels', *(_void(split.card) for split in splits)),
        ('fingerprint, its beginning', *(_text(split.fingerprint)[:16] for split in splits)),
    ]
    counted = [split for split in splits if split.card.get('classes')]
    classes = _classes(counted)
    heads = [(f'share of {split.name} pixels', f'{split.name} images') for split in counted]
    return DataCard(
        grid['dataset']['name'],
        ('', *(split.name for split in splits)),
        [fact for fact in facts if set(fact[1:]) != {'–'}],
        ('class', *(name for of_split in heads for name in of_split)),
        classes[:MOST_CLASSES],
        max(len(classes) - MOST_CLASSES, 0),
        _CHOSEN if len(splits) > 2 else '',
        grid['dataset'].get('leaks', ()) or ([_NO_LEAK] if 'leaks' in grid['dataset'] else []),
    )


def _splits(grid: Mapping[str, Any]) -> list[_Split]:
    """Training, validation where values were chosen on it, and test."""
    dataset = grid['dataset']
    cards, images, prints = dataset.get('cards') or {}, dataset['n_images'], dataset['fingerprint']
    train, test = (
        _Split(title, images.get(name), prints.get(name), cards.get(name) or {})
        for name, title in (('train', 'training'), ('test', 'test'))
    )
    tuning = grid.get('tuning') or {}
    number = tuning.get('n_images') or grid.get('n_validation_images')
    validation = _Split('validation', number, tuning.get('fingerprint'), cards.get('validation') or {})
    return [train, *([validation] if number else []), test]


def _classes(splits: Sequence[_Split]) -> list[tuple[str, ...]]:
    of_split = [{entry['name']: entry for entry in split.card['classes']} for split in splits]
    rows = []
    for name in dict.fromkeys(name for entries in of_split for name in entries):
        cells = [name]
        for split, entries in zip(splits, of_split):
            entry = entries.get(name, {})
            cells += [_share(entry.get('pixels'), _all_pixels(split.card)), _text(entry.get('images'))]
        rows.append(tuple(cells))
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
