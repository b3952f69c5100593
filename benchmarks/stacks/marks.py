"""The marks of the overlay language, the paths that an overlay sets, and where two overlays clash.

The marks are explained in :mod:`benchmarks.stacks.overlay`.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any

from benchmarks.errors import BadInput, did_you_mean
from benchmarks.stacks.references import MARKS as REFERENCE_MARKS
from benchmarks.stacks.references import is_reference
from benchmarks.stacks.tree import mappings

DELETE, KEEP, ONLY, WRAP = '_delete_', '_keep_', '_only_', '_wrap_'
INSERT, AFTER, BEFORE, EACH = '_insert_', '_after_', '_before_', '_each_'
MARKS = frozenset((DELETE, KEEP, ONLY, WRAP))
LIST_MARKS = frozenset((INSERT, AFTER, BEFORE, EACH))
ALL_MARKS = MARKS | LIST_MARKS | REFERENCE_MARKS
MMENGINES_OWN = frozenset(('_scope_',))
Path = tuple[str, ...]


def changes_list(node: Any) -> bool:
    """Whether an overlay node changes a list: inserts into it, or merges into each of its elements."""
    return isinstance(node, dict) and (INSERT in node or EACH in node)


def wraps(node: Any) -> bool:
    """Whether an overlay node wraps the value in its place."""
    return isinstance(node, dict) and WRAP in node


def leaves(overlay: dict, owner: str, path: Path = ()) -> Iterator[Path]:
    """The paths that an overlay sets.

    Args:
        overlay: The overlay.
        owner: Its technique's name. It ends the path of an insertion: two techniques that insert into one list set
            different paths.
        path: The place of ``overlay`` in the whole config.
    """
    for key, node in overlay.items():
        here = (*path, key)
        if wraps(node):
            yield (*here, WRAP)
        elif changes_list(node):
            if INSERT in node:
                yield (*here, INSERT, owner)
            yield from leaves(node.get(EACH, {}), owner, (*here, EACH))
        elif isinstance(node, dict) and node and not node.get(DELETE) and not is_reference(node):
            yield from leaves({key: value for key, value in node.items() if key != ONLY}, owner, here)
        else:
            yield here


def clash(first: dict, second: dict, names: tuple[str, str]) -> str | None:
    """The first key that two overlays both set, or that one sets inside a value that the other replaces.

    Args:
        first: An overlay.
        second: Another one.
        names: The names of their techniques.

    Returns:
        The dotted key; None if the overlays are disjoint.
    """
    paths_of_first, paths_of_second = (
        sorted(set(leaves(overlay, name))) for overlay, name in zip((first, second), names)
    )
    for one, other in product(paths_of_first, paths_of_second):
        if _one_holds_the_other(one, other):
            return _dotted(max(one, other, key=len))
    return None


def _one_holds_the_other(one: Path, other: Path) -> bool:
    shared = min(len(one), len(other))
    return one[:shared] == other[:shared]


def _dotted(path: Path) -> str:
    """The config key of an overlay's path: without marks, and without the owner that ends an insertion's path."""
    if INSERT in path:
        path = path[: path.index(INSERT)]
    return '.'.join(step for step in path if step not in (KEEP, WRAP, EACH))


def refuse_left_over(config: dict, base: dict) -> None:
    """Refuse a composed config that holds a mark: a misspelt one, or one that does nothing in its place.

    Args:
        config: The baseline with the overlay of a technique.
        base: The baseline, whose own keys stay as they are.

    Raises:
        BadInput: Names the mark, and the one that it resembles.
    """
    # The keys of `paramwise_cfg.custom_keys` are parts of names of parameters.
    patterns = {key for node in mappings(config) for key in _names(node.get('custom_keys'))} - ALL_MARKS
    left = _like_marks(config) - _like_marks(base) - patterns - MMENGINES_OWN
    if not left:
        return
    key = min(left - ALL_MARKS or left)  # a misspelling explains most
    why = 'does nothing in its place' if key in ALL_MARKS else f'is unknown{did_you_mean(key, ALL_MARKS)}'
    raise BadInput(f"the mark '{key}' {why}; configs/README.md explains the overlay language")


def _names(custom_keys: Any) -> Iterable[str]:
    return custom_keys if isinstance(custom_keys, Mapping) else ()


def _like_marks(config: dict) -> set[str]:
    keys = {key for node in mappings(config) for key in node if isinstance(key, str)}
    return {key for key in keys if key.startswith('_') and key.endswith('_') and key.strip('_')}
