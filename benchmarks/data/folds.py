"""Which images are tested in which fold: whole groups, with the classes spread over the folds.

Images of one group are not independent, so a group is never parted. A class that few groups show would by chance be
missing in the training of one fold, or in its test. So labels are dealt out as in iterative stratification: the label
that the fewest groups still have comes first, and each group goes to the fold that lacks this label most. The groups
play the part of the samples there.

Ties are broken by digests of names, so that the folds follow from the data alone, and are the same on every machine.

Reference: Sechidis, Tsoumakas and Vlahavas 2011, "On the stratification of multi-label data".
"""
# N images, G groups, F folds

import hashlib
from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

from benchmarks.errors import BadInput, some_of

LEAVE_ONE_GROUP_OUT = 'leave_one_group_out'
SHOWN = 3


def divide(
    groups: Sequence[str], labels: Sequence[Collection[Hashable]], folds: int | str, *, grouped: bool = True
) -> list[int]:
    """The fold in which each image is tested.

    Args:
        groups: The group of each image, (N,).
        labels: The labels that occur in each image, (N,).
        folds: F, or ``leave_one_group_out`` for one fold per group.
        grouped: Whether the data set declares groups; otherwise each image is one.

    Returns:
        list: Numbers from 0 to F - 1, (N,). Each fold has at least one group.

    Raises:
        BadInput: There are fewer groups than folds, or a fold per group is asked for and there are no groups.
    """
    images: dict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        images[group].append(index)
    if folds == LEAVE_ONE_GROUP_OUT:
        _refuse_lone_groups(images, grouped)
        fold_of = {group: number for number, group in enumerate(sorted(images))}
    else:
        number = int(folds)
        _refuse_few_groups(images, number, grouped)
        fold_of = _stratified(images, labels, number)
    return [fold_of[group] for group in groups]


def is_number_of_folds(value: Any) -> bool:
    """Whether a grid may ask for these folds."""
    return value == LEAVE_ONE_GROUP_OUT or (type(value) is int and value >= 2)


def _refuse_lone_groups(images: Mapping[str, Collection[int]], grouped: bool) -> None:
    if not grouped:
        raise BadInput(
            f"folds='{LEAVE_ONE_GROUP_OUT}' needs groups, and the data set declares none: each of its {len(images)} "
            "images would be a fold. Declare 'group' in metainfo, or give a number of folds"
        )
    if len(images) < 2:
        raise BadInput(
            f"folds='{LEAVE_ONE_GROUP_OUT}': all images are of one group ({', '.join(images)}), so nothing would be "
            "left to train on. Correct 'group' in metainfo, or take folds out of the grid"
        )


def _refuse_few_groups(images: Mapping[str, Collection[int]], folds: int, grouped: bool) -> None:
    if len(images) >= folds:
        return
    names = f' ({some_of(sorted(images), SHOWN)})' if grouped else ''
    cure = (
        f"give at most {len(images)} folds, or folds='{LEAVE_ONE_GROUP_OUT}'"
        if len(images) > 1
        else 'take folds out of the grid'
    )
    raise BadInput(
        f'folds={folds}, but the training and test images together are {len(images)} '
        f'{"group" if grouped else "image"}{"s" * (len(images) > 1)}{names}, and a group is never parted; {cure}'
    )


def _stratified(images: Mapping[str, list[int]], labels: Sequence[Collection[Hashable]], folds: int) -> dict[str, int]:
    """The fold of each group."""
    left = {group: _counts(members, labels) for group, members in images.items()}
    totals: dict[Hashable, int] = defaultdict(int)
    for counts in left.values():
        for label, number in counts.items():
            totals[label] += number
    wanted = [{label: total / folds for label, total in totals.items()} for _ in range(folds)]
    room = [sum(map(len, images.values())) / folds for _ in range(folds)]
    turn = _by_names(images)
    fold_of: dict[str, int] = {}
    while left:
        label = _rarest(left)
        # The largest group first: small ones can still level the folds.
        group = min(
            (name for name, counts in left.items() if label is None or label in counts),
            key=lambda name: (-left[name].get(label, 0), -len(images[name]), turn[name]),
        )
        empty = set(range(folds)) - set(fold_of.values())
        open_folds = empty if len(empty) >= len(left) else range(folds)
        fold = min(open_folds, key=lambda one: (-wanted[one].get(label, 0.0), -room[one], one))
        fold_of[group] = fold
        for one, number in left.pop(group).items():
            wanted[fold][one] -= number
        room[fold] -= len(images[group])
    return fold_of


def _counts(members: Sequence[int], labels: Sequence[Collection[Hashable]]) -> dict[Hashable, int]:
    """The number of a group's images that show each label."""
    counts: dict[Hashable, int] = defaultdict(int)
    for index in members:
        for label in set(labels[index]):
            counts[label] += 1
    return dict(counts)


def _rarest(left: Mapping[str, Mapping[Hashable, int]]) -> Hashable | None:
    """The label that the fewest of the groups show; None once none shows any."""
    number: dict[Hashable, int] = defaultdict(int)
    for counts in left.values():
        for label in counts:
            number[label] += 1
    return min(number, key=lambda label: (number[label], str(label)), default=None)


def _by_names(images: Mapping[str, Collection[int]]) -> dict[str, str]:
    """A place in a random order for each group; the names of all groups are its seed."""
    seed = hashlib.sha256('\n'.join(sorted(images)).encode()).hexdigest()
    return {group: hashlib.sha256(f'{seed} {group}'.encode()).hexdigest() for group in images}
