"""Is there something to learn and to score in the truth of a split? Reads its data card alone.

Errors: no class is there, so that training learns nothing, or a table would report perfect scores. Warnings: truth that
may well be meant so. Each names the values in the masks and the cure.
"""

import re

from benchmarks.data.card import Card
from benchmarks.data.label_cures import conversion
from benchmarks.data.loaded_labels import VOID, loaded_label
from benchmarks.data.split import Split
from benchmarks.errors import some_of

SHOWN = 6  # values or classes named in a message
ALMOST_ALL = 0.95  # the part of a split from which void is pointed out
MANY = 0.25  # the part of the masks from which masks of 0 and 255 alone are pointed out
BACKGROUND_NAMES = ('background', 'bg', 'backgr', 'backgrnd', 'bkg', 'bkgd')
TRUTH = ('train', 'test')  # the splits whose masks are read


def truth_errors(split: Split, card: Card) -> list[str]:
    """Why nothing can be learned from a split, or scored on it; empty if something can.

    Args:
        split: The split.
        card: Its data card.
    """
    if not _is_known(split, card):
        return []
    if card.void_pixels == card.pixels:
        return [f'{split.name} data: every pixel of every mask is void. {_values(split, card)}. {_cure(split, card)}']
    present, foreground = card.present(), _foreground(split)
    # Without a declared background each class is foreground. Then one class alone in the training data is a constant.
    if not present & foreground or (
        split.background is None and split.name == 'train' and len(foreground) > 1 == len(present)
    ):
        absent = [index for index in sorted(foreground) if index not in present]
        return [
            f'{split.name} data: {_named(split, absent)} in none of the {card.masks} masks, so '
            f'{"nothing can be learned" if split.name == "train" else "nothing can be scored"}. '
            f'{_values(split, card)}. {_cure(split, card)}'
        ]
    return []


def truth_warnings(split: Split, card: Card) -> list[str]:
    """What is unusual in the truth of a split that :func:`truth_errors` accepts.

    Args:
        split: The split.
        card: Its data card.
    """
    if not _is_known(split, card) or truth_errors(split, card):
        return []
    found = []
    absent = [index for index in range(len(split.classes)) if index not in card.present()]
    if absent:
        found.append(
            f'{_named(split, absent)} in none of the {card.masks} masks{_consequence(split, absent)}. '
            f'{_values(split, card)}. {_cure(split, card)}'
        )
    if card.void_share >= ALMOST_ALL:
        found.append(f'{card.void_share:.1%} of the pixels are void. {_values(split, card)}. {_cure(split, card)}')
    if card.all_void_images:
        found.append(f'{card.all_void_images} of {card.masks} masks are void throughout; they train and score nothing')
    if loaded_label(VOID, split) is None and card.bilevel_masks >= MANY * card.masks:
        found.append(
            f'{card.bilevel_masks} of {card.masks} masks hold 0 and 255 alone, and 255 is void. If it marks a class '
            f'there, {conversion(VOID, _first_foreground(split))}'
        )
    return [f'{split.name} data: {text}' for text in found]


def background_warning(split: Split) -> str | None:
    """A request to declare the background, where a class has a name that suggests it and nothing is declared."""
    alike = [i for i, name in enumerate(split.classes) if re.sub(r'[^a-z]', '', name.lower()) in BACKGROUND_NAMES]
    if split.background_declared or not alike:
        return None
    index, name = alike[0], split.classes[alike[0]]
    effect = 'is taken for the background' if split.background == index else 'counts as foreground in Dice'
    return (
        f"class {index} is called '{name}' and {effect}, but metainfo declares no background. Write "
        f'metainfo=dict(…, background={index}), or background=None if every class counts'
    )


def _is_known(split: Split, card: Card) -> bool:
    """Whether the labels of all masks are known: some formats are left to the data set's own loader."""
    return split.name in TRUTH and 0 < card.masks == len(split.masks) and card.pixels > 0


def _foreground(split: Split) -> set[int]:
    return set(range(len(split.classes))) - {split.background}


def _first_foreground(split: Split) -> int:
    return min(_foreground(split), default=0)


def _named(split: Split, indices: list[int]) -> str:
    names = some_of([f"{index} '{split.classes[index]}'" for index in indices], SHOWN)
    return f'class {names} occurs' if len(indices) == 1 else f'the classes {names} occur'


def _consequence(split: Split, absent: list[int]) -> str:
    if split.name == 'train':
        return ': nothing can be learned of ' + ('it' if len(absent) == 1 else 'them')
    if _foreground(split).intersection(absent):
        return ': mDice and mIoU are undefined (–)'
    return ''


def _values(split: Split, card: Card) -> str:
    """The values in the mask files, their parts of the pixels, and what becomes of each."""
    values = [
        f'{value} ({pixels / card.pixels:.1%} of the pixels, {_meaning(value, split)})'
        for value, pixels in card.values.items()
    ]
    return f'The masks hold the values {some_of(values, SHOWN)}' if len(values) > 1 else f'The masks hold {values[0]}'


def _meaning(value: int, split: Split) -> str:
    label = loaded_label(value, split)
    return 'void' if label is None else f"class {label} '{split.classes[label]}'"


def _cure(split: Split, card: Card) -> str:
    """How the values in place may be given the meaning that the classes expect."""
    if split.reduce_zero_label:
        return 'reduce_zero_label=True makes 0 void and moves the others down by one; leave it out if 0 is a class'
    if split.label_map is not None:
        return (
            f'The label_map {split.label_map} follows from metainfo.classes; give the classes that the masks hold, in '
            'the words of the data set'
        )
    if VOID in card.values and loaded_label(VOID, split) is None:
        absent = sorted(_foreground(split) - card.present())
        return f'255 is void; if it marks a class, {conversion(VOID, (absent or [_first_foreground(split)])[0])}'
    return 'Take classes that never occur out of metainfo.classes and num_classes, or add images that show them'
