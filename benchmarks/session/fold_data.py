"""The data of all folds: each fold's training and test data are listed and checked as if they were a grid's own."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.errors import BadInput, some_of
from benchmarks.session.baseline import Baseline
from benchmarks.session.data import Data, DataSet, list_data
from benchmarks.session.folds import Fold
from benchmarks.session.stacks import Stacks

SHOWN = 3  # absent classes named of each part of a fold


def list_folds(
    folds: Sequence[Fold],
    stacks: Stacks,
    baseline: Baseline,
    cache: Path,
    told: Callable[[int, int], object] | None = None,
) -> Data:
    """List, check and fingerprint the data sets of every fold.

    Args:
        folds: The folds.
        stacks: The stacks of the first fold.
        baseline: The baseline of the first fold.
        cache: As in :func:`benchmarks.session.data.list_data`.
        told: Likewise.

    Returns:
        Data: The first fold's, with the data sets, notes and warnings of all.

    Raises:
        BadInput: The data of a fold cannot be trained or tested on; all folds are checked first.
    """
    found: list[Data] = []
    errors: list[list[str]] = []
    for fold in folds:
        try:
            found.append(list_data(fold.stacks(stacks), fold.baseline(baseline), cache, told, is_fold=True))
            errors.append([])
        except BadInput as error:
            errors.append(str(error).splitlines())
    if any(errors):
        raise BadInput(*with_numbers(errors))
    first = found[0]
    return replace(
        first,
        by_config={key: data for of in found for key, data in of.by_config.items()},
        notes=tuple(with_numbers([of.notes for of in found])),
        warnings=tuple(with_numbers([of.warnings for of in found])),
        leaks=tuple(with_numbers([of.leaks for of in found])),
        folds=tuple((of.train, of.test) for of in found),
    )


def with_numbers(texts: Sequence[Sequence[str]]) -> list[str]:
    """The sentences on all folds, each once, with the numbers of its folds unless it is about all.

    Example:
        >>> with_numbers([['dark', 'small'], ['dark'], ['dark', 'small']])
        ['dark', 'folds 0, 2: small']
    """
    folds_of: dict[str, list[int]] = {}
    for number, of_fold in enumerate(texts):
        for text in dict.fromkeys(of_fold):
            folds_of.setdefault(text, []).append(number)
    return [
        text if len(numbers) == len(texts) else f'fold{"s" * (len(numbers) > 1)} {", ".join(map(str, numbers))}: {text}'
        for text, numbers in folds_of.items()
    ]


def fold_lines(data: Data) -> list[str]:
    """The sizes of each fold's training and test, one line each; none without folds."""
    return [
        f'fold {number}: trains on {_size(train)}, tests {_size(test)}'
        for number, (train, test) in enumerate(data.folds)
    ]


def _size(part: DataSet) -> str:
    """The number of images and groups, and the class that the fewest images show."""
    card = part.card
    groups = '' if card.groups is None else f' in {card.groups} group{"s" * (card.groups != 1)}'
    size = f'{card.images} image{"s" * (card.images != 1)}{groups}'
    if not card.pixels or not card.classes:
        return size
    absent = [one.name for one in card.classes if not one.images]
    if absent:
        return f'{size} (without {some_of(absent, SHOWN)})'
    rarest = min(card.classes, key=lambda one: one.images)
    return f'{size} (rarest class: {rarest.name}, in {rarest.images})'
