"""The overlay language: how a technique says what it changes in a config.

An overlay is a nested dict, merged key by key. Beyond plain keys there are

* ``_delete_=True`` in a dict: replace what stands there instead of merging into it;
* ``dict(_insert_=[...], _after_='RandomFlip')`` where the config has a list (a pipeline, ``custom_hooks``): insert the
  items after the first element of that type, or append them when ``_after_`` is left out.

A dict that meets a list of heads goes to the last head of a cascade (``decode_head``: its output is the prediction) and
to every auxiliary head (``auxiliary_head``). Overlays of disjoint keys commute: insertions come last, by technique name.
"""
import copy
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.errors import BadInput

DELETE, INSERT, AFTER = '_delete_', '_insert_', '_after_'
Path = tuple[str, ...]


def is_insertion(node: Any) -> bool:
    """Whether this overlay node inserts into a list."""
    return isinstance(node, dict) and INSERT in node


def leaves(overlay: dict, owner: str, path: Path = ()) -> Iterator[Path]:
    """The paths that ``overlay`` sets; an insertion is a path of its own per ``owner``."""
    for key, node in overlay.items():
        here = (*path, key)
        if is_insertion(node):
            yield (*here, INSERT, owner)
        elif isinstance(node, dict) and node and not node.get(DELETE):
            yield from leaves(node, owner, here)
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
                return '.'.join(longer[:longer.index(INSERT)] if INSERT in longer else longer)
    return None


def merge(base: Any, overlay: Any, path: Path = ()) -> Any:
    """``base`` with the plain keys of ``overlay`` (insertions are left for :func:`insert`). Neither is changed.

    Raises:
        BadInput: A dict meets a list that is not a list of heads.
    """
    if not isinstance(overlay, dict):
        return copy.deepcopy(overlay)
    if is_insertion(overlay):
        return copy.deepcopy(base)
    if isinstance(base, list):
        return _merge_into_heads(base, overlay, path)
    if overlay.get(DELETE) or not isinstance(base, dict):
        base = {}
    merged = copy.deepcopy(base)
    for key, node in overlay.items():
        if key == DELETE or (is_insertion(node) and key not in base):
            continue
        merged[key] = merge(base.get(key), node, (*path, key))
    return merged


def _merge_into_heads(heads: list, overlay: dict, path: Path) -> list:
    if overlay.get(DELETE):
        return merge({}, overlay, path)
    return _change_heads(heads, path, lambda head: merge(head, overlay, path))


def _change_heads(heads: list, path: Path, change: Callable[[dict], dict]) -> list:
    """``heads`` with ``change`` applied to those that an overlay at ``path`` means."""
    if path == ('model', 'decode_head'):
        return copy.deepcopy(heads[:-1]) + [change(heads[-1])]
    if path == ('model', 'auxiliary_head'):
        return [change(head) for head in heads]
    raise BadInput(f"'{'.'.join(path)}' is a list in the baseline; give dict({INSERT}=[...]) to add to it, "
                   f'or a whole list to replace it')


def insert(config: dict, overlay: dict, path: Path = ()) -> dict:
    """``config`` with the insertions of ``overlay``.

    Raises:
        BadInput: There is no list at the place, or no element of the type named by ``_after_``.
    """
    config = dict(config)
    for key, node in overlay.items():
        here = '.'.join((*path, key))
        if is_insertion(node):
            config[key] = _inserted(config.get(key, [] if key == 'custom_hooks' else None), node, here)
        elif isinstance(node, dict) and isinstance(config.get(key), dict):
            config[key] = insert(config[key], node, (*path, key))
        elif isinstance(node, dict) and isinstance(config.get(key), list):
            config[key] = _change_heads(config[key], (*path, key), lambda head: insert(head, node, (*path, key)))
    return config


def _inserted(items: Any, node: dict, where: str) -> list:
    unknown = node.keys() - {INSERT, AFTER}
    if unknown:
        raise BadInput(f"'{where}' inserts with the unknown key '{sorted(unknown)[0]}' (known: {INSERT}, {AFTER})")
    if not isinstance(items, list):
        raise BadInput(f"'{where}' is not a list in the baseline, so nothing can be inserted there")
    position = len(items)
    if AFTER in node:
        types = [item.get('type') for item in items if isinstance(item, dict)]
        if node[AFTER] not in types:
            raise BadInput(f"'{where}' has no '{node[AFTER]}' to insert after (it has: {', '.join(map(str, types))})")
        position = types.index(node[AFTER]) + 1
    return items[:position] + copy.deepcopy(node[INSERT]) + items[position:]
