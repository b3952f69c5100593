"""Changes that an overlay makes to a list of a config: ``_insert_`` and ``_each_``."""

import copy
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.stacks.marks import AFTER, BEFORE, EACH, INSERT, LIST_MARKS, Path
from benchmarks.stacks.merging import merge
from benchmarks.stacks.references import is_reference


def each_merged(items: Any, node: dict, path: Path) -> Any:
    """``items`` with the ``_each_`` of ``node``, if it has one, merged into each of them.

    Args:
        items: What the config has at ``path``.
        node: The overlay's dict at ``path``, which changes a list.
        path: The place of both in the whole config.

    Raises:
        BadInput: ``items`` is no list, or ``node`` has keys that do not go together.
    """
    _refuse_unknown_marks(items, node, path)
    if EACH not in node:
        return items
    return [merge(item, _without_idle_multiples(node[EACH], item), path) for item in items]


def _without_idle_multiples(overlay: dict, item: Any) -> dict:
    """``overlay`` without references to values that ``item`` does not have: not every scheduler has every key."""
    return {key: value for key, value in overlay.items() if not is_reference(value) or key in item}


def inserted(items: Any, node: dict, path: Path) -> Any:
    """``items`` with the ``_insert_`` of ``node``, if it has one, put in.

    Args:
        items: The list that the config has at ``path``.
        node: The overlay's dict at ``path``, which changes a list.
        path: The place of both in the whole config.

    Raises:
        BadInput: The list has no item of the type that ``_after_`` or ``_before_`` names.
    """
    if INSERT not in node:
        return items
    position = len(items)
    for mark, shift in ((BEFORE, 0), (AFTER, 1)):
        if mark in node:
            position = _index_of_type(items, node[mark], mark, path) + shift
    return items[:position] + copy.deepcopy(node[INSERT]) + items[position:]


def _index_of_type(items: list, wanted: str, mark: str, path: Path) -> int:
    types = [item.get('type') if isinstance(item, dict) else None for item in items]
    if wanted not in types:
        raise BadInput(
            f"'{'.'.join(path)}' has no '{wanted}' to insert {mark.strip('_')} "
            f'(it has: {", ".join(str(name) for name in types if name is not None)})'
        )
    return types.index(wanted)


def _refuse_unknown_marks(items: Any, node: dict, path: Path) -> None:
    where = '.'.join(path)
    unknown = node.keys() - LIST_MARKS
    if unknown:
        raise BadInput(
            f"'{where}' changes a list with the unknown key '{sorted(unknown)[0]}' "
            f'(known: {", ".join(sorted(LIST_MARKS))})'
        )
    if AFTER in node and BEFORE in node:
        raise BadInput(f"'{where}' inserts both {AFTER.strip('_')} and {BEFORE.strip('_')} a type; give one of them")
    if not isinstance(items, list):
        raise BadInput(f"'{where}' is not a list in the baseline, so nothing can be inserted there")
