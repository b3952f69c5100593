"""Groups of images that the ``metainfo`` of a data set declares, whatever the type of the data set.

    metainfo=dict(classes=('road', 'car'), group='(.*)_frame')
    metainfo=dict(classes=('road', 'car'), group=dict(csv='groups.csv', image='file', group='video'))

A regular expression is matched from the beginning of an image's name; its group ``( )`` is the image's group. A table
lies below ``data_root``, with a row for each image. A *name* is a path within the image folder, without the suffix.
"""

import csv
import os
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from benchmarks.errors import BadInput

GROUP = 'group'  # in metainfo
SHOWN = 5


def declared_groups(declared: Any, names: Sequence[str], root: str, suffix: str = '') -> list[str]:
    """The group of each image.

    Args:
        declared: The value of ``group`` in ``metainfo``.
        names: The images' names.
        root: The data set's ``data_root``, which the table lies below.
        suffix: The data set's suffix of images; names in the table may have it, or any other usual one.

    Raises:
        BadInput: The declaration is neither an expression with one group nor a table, or gives an image no group or
            two; names the images.
    """
    if isinstance(declared, Mapping) and set(declared) == {'csv', 'image', 'group'}:
        groups = _groups_of_table(declared, root, suffix)
        _refuse(f'{declared["csv"]} has no row for the images', set(names) - {*groups})
        return [groups[name] for name in names]
    pattern = _pattern(declared)
    found = {name: pattern.match(name) for name in names}
    lost = {name for name, match in found.items() if not match or not match[1]}
    _refuse(f"'{declared}' gives no group to the images", lost)
    return [found[name][1] for name in names]  # type: ignore[index]


def _pattern(declared: Any) -> re.Pattern:
    try:
        pattern = re.compile(declared)
    except (TypeError, re.error) as error:
        raise BadInput(
            f"metainfo's {GROUP} is {declared!r} ({error}); give a regular expression such as '(.*)_frame', or "
            "dict(csv='groups.csv', image='…', group='…') with the names of two columns"
        ) from error
    if pattern.groups != 1:
        raise BadInput(f"metainfo's {GROUP} '{declared}' has {pattern.groups} groups ( ); give it one")
    return pattern


def _groups_of_table(declared: Mapping[str, str], root: str, suffix: str) -> dict[str, str]:
    """The group of each image that the table has; rows of images of other splits are no mistake."""
    path = os.path.join(root, declared['csv'])
    try:
        with open(path, newline='', encoding='utf-8-sig') as stream:
            reader = csv.DictReader(stream)
            lost = {declared['image'], declared['group']} - {*(reader.fieldnames or ())}
            _refuse(f'{path}, whose columns are {reader.fieldnames}, lacks', lost)
            rows = [(_name(row[declared['image']] or '', suffix), row[declared['group']]) for row in reader]
    except OSError as error:
        raise BadInput(f"metainfo's {GROUP} names {path}, which cannot be read: {error.strerror}") from error
    _refuse(f'{path} has no group in the row of', {name for name, group in rows if not group})
    groups = dict(rows)
    _refuse(f'{path} gives two groups to', {name for name, group in rows if groups[name] != group})
    return groups


def _name(text: str, suffix: str) -> str:
    """An image of a table without its suffix; what comes after a dot within a name is part of it."""
    if suffix and text.endswith(suffix):
        return text[: -len(suffix)]
    stem, ending = os.path.splitext(text)
    return stem if ending.lower() in ('.png', '.jpg', '.jpeg', '.tif', '.tiff', '.bmp', '.gif', '.webp') else text


def _refuse(fault: str, culprits: Collection[str]) -> None:
    if culprits:
        more = f' and {len(culprits) - SHOWN} more' if len(culprits) > SHOWN else ''
        raise BadInput(f"metainfo's {GROUP}: {fault} {', '.join(sorted(culprits)[:SHOWN])}{more}")
