"""Variants: a technique with other values of its parameters, such as ``focal_tversky[gamma=2]``.

A variant names keys of the technique's overlay (:mod:`benchmarks.stacks.places` says how), and a value for each. A key
that the overlay lacks is added to it; whether the type there takes it is checked with all keys of the grid, before
anything is trained. Elements of a list are numbered: ``custom_hooks._insert_.0.momentum``.

A list of names for a dict of the overlay keeps these entries of it: ``views=['hflip', 'vflip']``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.stacks.places import place_of, with_value
from benchmarks.stacks.technique import Technique
from benchmarks.stacks.tree import copied, map_tree

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
    overlay, origin = copied(technique.overlay), f"the sweep of '{technique.name}'"
    for key, value in variant.values.items():
        overlay = with_value(overlay, place_of(technique.overlay, key, origin), value, f"{origin}: '{key}'")
    title = f'{technique.title}, {variant.settings.replace(",", ", ")}'
    return replace(technique, name=variant.name, title=title, overlay=overlay)


def same_overlay(one: Technique, other: Technique) -> bool:
    """Whether two techniques change a config alike; configs use tuples as lists."""
    return _with_lists(one.overlay) == _with_lists(other.overlay)


def _with_lists(node: Any) -> Any:
    return map_tree(node, lambda node: node if isinstance(node, dict) else list(node))
