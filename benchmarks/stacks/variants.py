"""Variants: a technique with other values of its parameters, such as ``focal_tversky[gamma=2]``.

A variant names keys of the technique's overlay, and a value for each. A key is a dotted path from the overlay's top, or
the end of such a path where only one path ends so: ``model.decode_head.loss_decode.gamma``, ``loss_decode.gamma`` or
``gamma``. A key that the overlay lacks is added to the dict that the key's beginning names
(``loss_decode.ignore_index``); whether the type there takes it is checked with all keys of the grid, before anything is
trained. Elements of a list are numbered: ``custom_hooks._insert_.0.momentum``.

A list of names for a dict of the overlay keeps these entries of it: ``views=['hflip', 'vflip']``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.errors import BadInput, did_you_mean
from benchmarks.stacks.marks import LIST_MARKS, MARKS
from benchmarks.stacks.technique import Technique
from benchmarks.stacks.tree import copied, map_tree, walk

UNSAFE = re.compile(r'[^A-Za-z0-9_.-]+')


@dataclass(frozen=True)
class Variant:
    """A technique with other values.

    Args:
        technique: The technique's name.
        values: The value of each key.
        texts: The text of each value in names: of the keys that the grid writes, in their order.
    """

    technique: str
    values: Mapping[str, Any]
    texts: Mapping[str, str]

    @property
    def settings(self) -> str:
        """Keys and values as they stand in names and titles, by the ends of the keys: ``alpha=0.3,beta=0.7``."""
        ends = [key.rpartition('.')[2] for key in self.texts]
        shown = {key: end if ends.count(end) == 1 else key for key, end in zip(self.texts, ends)}
        return ','.join(sorted(f'{shown[key]}={text}' for key, text in self.texts.items()))

    @property
    def name(self) -> str:
        """The name of the variant in stacks; safe as the name of a file."""
        return f'{self.technique}[{self.settings}]'


def text_of(value: Any) -> str:
    """The text of a value in names: numbers as short as they are exact, the items of a list joined by ``-``.

    Example:
        >>> [text_of(value) for value in (2.0, 1e-5, 'mean logits', True, ['hflip', 'vflip'])]
        ['2', '1e-05', 'mean-logits', 'True', 'hflip-vflip']

    Raises:
        BadInput: A dict has no short text.
    """
    if isinstance(value, Mapping):
        raise BadInput(f'{dict(value)!r} has no short name; give names to the values, as in dict(one=..., two=...)')
    if isinstance(value, (list, tuple)):
        return '-'.join(map(text_of, value))
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    # A plus sign joins the techniques of a stack.
    return UNSAFE.sub('-', str(value).replace('e+', 'e'))


def varied(technique: Technique, variant: Variant) -> Technique:
    """The technique with the values of a variant.

    Raises:
        BadInput: A key is no key of the technique's overlay, or of several places; names it and close matches.
    """
    overlay = copied(technique.overlay)
    for key, value in variant.values.items():
        overlay = _with(overlay, _place(technique, key), value, f"the sweep of '{technique.name}': '{key}'")
    title = f'{technique.title}, {variant.settings.replace(",", ", ")}'
    return replace(technique, name=variant.name, title=title, overlay=overlay)


def same_overlay(one: Technique, other: Technique) -> bool:
    """Whether two techniques change a config alike; configs use tuples as lists."""
    return _with_lists(one.overlay) == _with_lists(other.overlay)


def _with_lists(node: Any) -> Any:
    return map_tree(node, lambda node: node if isinstance(node, dict) else list(node))


def _place(technique: Technique, key: str) -> tuple[str, ...]:
    """The path of a key in the technique's overlay, each step as a text."""
    steps = tuple(key.split('.'))
    nodes = {tuple(map(str, path)): node for path, node in walk(technique.overlay) if path and path[-1] not in MARKS}
    if steps in nodes:
        return steps
    found = [path for path in nodes if path[-len(steps) :] == steps]
    if not found and len(steps) > 1:  # a key that the overlay lacks, in a dict that it has
        exact = [steps[:-1]] if isinstance(nodes.get(steps[:-1]), dict) else []
        ends = [path for path, node in nodes.items() if path[1 - len(steps) :] == steps[:-1] and isinstance(node, dict)]
        found = [(*path, steps[-1]) for path in exact or ends]
    if len(found) == 1:
        return found[0]
    if found:
        places = ', '.join('.'.join(path) for path in found)
        raise BadInput(f"the sweep of '{technique.name}': '{key}' may be {places}; write more of the path")
    known = {'.'.join(path[-len(steps) :]) for path in nodes if path[-1] not in LIST_MARKS and not path[-1].isdigit()}
    raise BadInput(
        f"the sweep of '{technique.name}': its overlay has no '{key}'{did_you_mean(key, known)}; a parameter that it "
        "leaves alone needs the dict before it, as in 'loss_decode.gamma'"
    )


def _with(node: Any, path: tuple[str, ...], value: Any, origin: str) -> Any:
    """``node`` with the value at a path that exists, or whose last step is new in a dict."""
    if not path:
        return _chosen(node, value, origin) if isinstance(node, dict) and isinstance(value, (list, tuple)) else value
    if isinstance(node, dict):
        return {**node, path[0]: _with(node.get(path[0]), path[1:], value, origin)}
    items = list(node)
    items[int(path[0])] = _with(items[int(path[0])], path[1:], value, origin)
    return items


def _chosen(node: dict, names: list | tuple, origin: str) -> dict:
    """The entries of a dict with these names, and its marks."""
    for name in names:
        if name not in node:
            raise BadInput(f"{origin} has no entry '{name}' to keep{did_you_mean(str(name), node.keys() - MARKS)}")
    return {key: value for key, value in node.items() if key in names or key in MARKS}
