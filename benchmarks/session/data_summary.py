"""Describes the data of a grid in a few lines: the data card of each split, and the warnings."""

import textwrap

from benchmarks.data.card import Card, Format
from benchmarks.session.data import Data
from benchmarks.session.fold_data import fold_lines

WIDTH = 120


def show_data(data: Data) -> None:
    """Print the data cards of the first stack's splits, the sizes of folds, and all warnings.

    Args:
        data: The data sets of a grid.
    """
    first = 'fold 0, ' if data.folds else ''
    for name, part in ((f'{first}train', data.train), (f'{first}test', data.test)):
        for line in card_lines(name, part.card):
            print(line)
    for line in fold_lines(data):
        print(line)
    for text in data.warnings:
        print(f'warning: {text}')


def show_lints(lints: list[str]) -> None:
    """Print what was looked for beside the data; each as a warning."""
    for text in lints:
        print(f'warning: {text}')


def card_lines(name: str, card: Card) -> list[str]:
    """A data card as text.

    Args:
        name: The name of the split.
        card: Its data card.
    """
    groups = 'no groups declared' if card.groups is None else f'{card.groups} groups'
    head = [f'{name}: {card.images} images', groups, *_sizes(card), _formats('images', card.image_formats)]
    if card.mask_formats:
        head.append(_formats('masks', card.mask_formats))
    lines = _wrapped(', '.join(part for part in head if part), '')
    if card.pixels:
        counts = [
            f'{index} {one.name} {_percent(one.pixels, card.pixels)} in {one.images}'
            for index, one in enumerate(card.classes)
        ]
        counts.append(f'void {_percent(card.void_pixels, card.pixels)}')
        text = f'pixels of each class, and the images that show it: {", ".join(counts)}'
        lines += _wrapped(text, '  ')
    return lines


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent='    ', break_long_words=False)


def _sizes(card: Card) -> list[str]:
    if card.smallest is None or card.largest is None:
        return []
    smallest, largest = ('×'.join(map(str, size)) for size in (card.smallest, card.largest))
    return [smallest if card.sizes == 1 else f'{card.sizes} sizes from {smallest} to {largest}']


def _formats(what: str, formats: tuple[Format, ...]) -> str:
    """The channels and bits of files; each kind with its number of files where there are several kinds."""
    kinds = [
        f'{one.channels}×{one.bits} bits' + (f' ({one.files} files)' if len(formats) > 1 else '') for one in formats
    ]
    return f'{what} of {" and ".join(kinds)}' if kinds else ''


def _percent(part: int, whole: int) -> str:
    """A part in percent; a part that rounds to nothing is told from none."""
    percent = 100 * part / whole
    return '0 %' if not part else f'{percent:.1f} %' if percent >= 0.1 else '< 0.1 %'
