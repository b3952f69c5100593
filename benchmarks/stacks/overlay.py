"""The overlay language: how a technique says what it changes in a config.

An overlay is a nested dict, merged key by key. Beyond plain keys there are

* ``_delete_=True`` in a dict: replace what stands there instead of merging into it;
* ``_keep_=['num_classes', ...]`` in a dict: likewise, but keep these keys of what stood there (as far as it had them);
* ``_only_='FCNHead'`` in a dict: only what is of this type in the baseline can be changed so;
* ``_wrap_='head'`` in a dict: replace what stands there, and put what stood there (or None) under this key;
* ``dict(_insert_=[...], _after_='RandomFlip')`` where the config has a list (a pipeline, ``custom_hooks``): insert the
  items after the first element of that type, or before it (``_before_``), or append them when neither is given;
* ``dict(_each_=dict(...))`` where the config has a list of dicts: merge into each of them;
* a value computed from the baseline or from its model: see :mod:`benchmarks.stacks.references`.

A dict that meets a list of heads goes to the last head of a cascade (``decode_head``: its output is the prediction) and
to every auxiliary head (``auxiliary_head``); one that replaces (``_delete_``, ``_keep_``) a cascade's heads puts one head in
their place, and the model is a cascade no longer. Overlays of disjoint keys commute: what replaces comes first, then what
merges, then lists, and what wraps comes last, so that the others find what it wraps at its usual place.
"""

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.stacks.references import is_reference, times

DELETE, KEEP, ONLY, WRAP = '_delete_', '_keep_', '_only_', '_wrap_'
INSERT, AFTER, BEFORE, EACH = '_insert_', '_after_', '_before_', '_each_'
MARKS = frozenset((DELETE, KEEP, ONLY, WRAP))
LIST_MARKS = frozenset((INSERT, AFTER, BEFORE, EACH))
Path = tuple[str, ...]
CASCADE = 'CascadeEncoderDecoder'  # mmseg's, whose `decode_head` is a list of `num_stages` heads


def changes_list(node: Any) -> bool:
    """Whether this overlay node changes a list: inserts into it, or merges into each of its elements."""
    return isinstance(node, dict) and (INSERT in node or EACH in node)


def wraps(node: Any) -> bool:
    """Whether this overlay node wraps what stands in its place."""
    return isinstance(node, dict) and WRAP in node


def leaves(overlay: dict, owner: str, path: Path = ()) -> Iterator[Path]:
    """The paths that ``overlay`` sets; an insertion is a path of its own per ``owner``."""
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
    """The first key that both overlays set, or that one sets within what the other replaces; None when disjoint."""
    paths = [set(leaves(overlay, name)) for overlay, name in zip((first, second), names)]
    for a in sorted(paths[0]):
        for b in sorted(paths[1]):
            shorter = min(len(a), len(b))
            if a[:shorter] == b[:shorter]:
                longer = max(a, b, key=len)
                return '.'.join(
                    step
                    for step in longer[: longer.index(INSERT) if INSERT in longer else None]
                    if step not in (KEEP, WRAP, EACH)
                )
    return None


def apply(base: dict, overlays: Iterable[dict]) -> dict:
    """``base`` with all overlays, of which no two clash. Neither is changed.

    Raises:
        BadInput: An overlay meets a place that it does not fit, as a dict a list that is not a list of heads.
    """
    overlays = sorted(overlays, key=_depth_of_keep)  # what replaces comes first, the outermost before all
    config = base
    for overlay in overlays:
        config = _merged(config, overlay)
    for step in (_each, _inserted):
        for overlay in overlays:
            config = _change_lists(config, overlay, (), step)
    return copied(config)


def copied(node: Any) -> Any:
    """A deep copy; several times faster than ``copy.deepcopy`` on configs, which hold each value once."""
    if type(node) is dict:
        return {key: copied(value) for key, value in node.items()}
    if type(node) is list:
        return [copied(value) for value in node]
    return node if isinstance(node, (str, int, float, type(None))) else copy.deepcopy(node)


def _depth_of_keep(node: Any, depth: int = 0) -> float:
    if not isinstance(node, dict):
        return math.inf
    return (
        depth if KEEP in node else min((_depth_of_keep(value, depth + 1) for value in node.values()), default=math.inf)
    )


def merge(base: Any, overlay: Any, path: Path = ()) -> Any:
    """``base`` with the plain keys of ``overlay`` (lists and wraps are left for later). Neither is changed.

    Raises:
        BadInput: A dict meets a list that is not a list of heads.
    """
    return copied(_merged(base, overlay, path))


def _merged(base: Any, overlay: Any, path: Path = ()) -> Any:
    """:func:`merge`, with parts of both in the result."""
    if not isinstance(overlay, dict):
        return overlay
    if is_reference(overlay):
        return times(base, overlay, '.'.join(path))
    if changes_list(overlay) or wraps(overlay):
        return base
    if isinstance(base, list):
        return _merge_into_heads(base, overlay, path)
    _refuse_other_type(base, overlay, path)
    merged = _what_stays(base, overlay)
    for key, node in overlay.items():
        if key in MARKS or ((changes_list(node) or wraps(node)) and key not in merged):
            continue
        merged[key] = _merged(merged.get(key), node, (*path, key))
    return _without_cascade(base, merged) if path == ('model',) else merged


def _refuse_other_type(base: Any, overlay: dict, path: Path) -> None:
    found = base.get('type') if isinstance(base, dict) else None
    if ONLY in overlay and found != overlay[ONLY]:
        raise BadInput(
            f"'{'.'.join(path)}' is of the type {found!r} in the baseline, and only '{overlay[ONLY]}' can be changed so"
        )


def _without_cascade(base: Any, model: dict) -> dict:
    """``model`` as a plain one where a single head has taken the place of the heads of a cascade."""
    if not (
        isinstance(base, dict)
        and isinstance(base.get('decode_head'), list)
        and isinstance(model.get('decode_head'), dict)
        and model.get('type') == CASCADE
    ):
        return model
    return {**{key: value for key, value in model.items() if key != 'num_stages'}, 'type': 'EncoderDecoder'}


def _what_stays(base: Any, overlay: dict) -> dict:
    """What ``overlay`` merges into."""
    if overlay.get(DELETE) or not isinstance(base, dict):
        return {}
    kept = overlay.get(KEEP, base)
    return {key: value for key, value in base.items() if key in kept}


def _merge_into_heads(heads: list, overlay: dict, path: Path) -> Any:
    if overlay.get(DELETE) or KEEP in overlay:
        return _merged(heads[-1] if heads else {}, overlay, path)
    return _change_heads(heads, path, lambda head: _merged(head, overlay, path))


def _change_heads(heads: list, path: Path, change: Callable[[dict], dict]) -> list:
    """``heads`` with ``change`` applied to those that an overlay at ``path`` means."""
    if path == ('model', 'decode_head'):
        return copy.deepcopy(heads[:-1]) + [change(heads[-1])]
    if path == ('model', 'auxiliary_head'):
        return [change(head) for head in heads]
    raise BadInput(
        f"'{'.'.join(path)}' is a list in the baseline; give dict({INSERT}=[...]) to add to it, "
        f'dict({EACH}=dict(...)) to change each element, or a whole list to replace it'
    )


def _change_lists(config: dict, overlay: dict, path: Path, change: Callable[[Any, dict, Path], Any]) -> dict:
    """``config`` with ``change`` applied wherever ``overlay`` changes a list."""
    config = dict(config)
    for key, node in overlay.items():
        here = (*path, key)
        if wraps(node) or is_reference(node):
            continue
        if changes_list(node):
            config[key] = change(config.get(key, [] if key == 'custom_hooks' else None), node, here)
        elif isinstance(node, dict) and isinstance(config.get(key), dict):
            config[key] = _change_lists(config[key], node, here, change)
        elif isinstance(node, dict) and isinstance(config.get(key), list):
            config[key] = _change_heads(config[key], here, lambda head: _change_lists(head, node, here, change))
    return config


def _each(items: Any, node: dict, path: Path) -> Any:
    _refuse_unknown_marks(items, node, path)
    if EACH not in node:
        return items
    return [merge(item, _as_far_as_there(node[EACH], item), path) for item in items]


def _as_far_as_there(overlay: dict, item: Any) -> dict:
    """``overlay`` without the multiples of values that ``item`` does not have: not every scheduler has every key."""
    return {key: value for key, value in overlay.items() if not is_reference(value) or key in item}


def _inserted(items: Any, node: dict, path: Path) -> Any:
    if INSERT not in node:
        return items
    position = len(items)
    for mark, shift in ((BEFORE, 0), (AFTER, 1)):
        if mark in node:
            types = [item.get('type') for item in items if isinstance(item, dict)]
            if node[mark] not in types:
                raise BadInput(
                    f"'{'.'.join(path)}' has no '{node[mark]}' to insert {mark.strip('_')} "
                    f'(it has: {", ".join(map(str, types))})'
                )
            position = types.index(node[mark]) + shift
    return items[:position] + copy.deepcopy(node[INSERT]) + items[position:]


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


def wrap(config: dict, overlay: dict, path: Path = ()) -> dict:
    """``config`` with what ``overlay`` wraps around parts of it."""
    config = dict(config)
    for key, node in overlay.items():
        here, old = (*path, key), config.get(key)
        if wraps(node):
            around = _wrapper(node)
            config[key] = _change_heads(old, here, around) if isinstance(old, list) else around(old)
        elif isinstance(node, dict) and isinstance(old, dict):
            config[key] = wrap(old, node, here)
        elif isinstance(node, dict) and isinstance(old, list) and not (changes_list(node) or is_reference(node)):
            config[key] = _change_heads(old, here, lambda head: wrap(head, node, here))
    return config


def _wrapper(node: dict) -> Callable[[Any], dict]:
    """What puts ``node`` around a value."""
    around = {key: copy.deepcopy(value) for key, value in node.items() if key != WRAP}
    return lambda old: {**around, node[WRAP]: copy.deepcopy(old)}
