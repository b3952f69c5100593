"""References: values that an overlay takes from the config, so that one technique fits any baseline and any stack.

A reference is a dict that stands in an overlay in place of a value. There are four forms:

``dict(_from_='model.decode_head.num_classes')``
    The value at this path of the config. The config is that of the whole stack, before any ``_wrap_`` is applied. In a
    list of heads, a path goes to the last one. A path that leads nowhere is an error.

``dict(_from_='model.decode_head.dropout_ratio', _else_=0.1)``
    The same, with the value 0.1 where the config has none at this path.

``dict(_from_='train_cfg.max_iters', _times_=0.1)``
    A multiple of the value at this path. A multiple of an integer is rounded to an integer, and is at least 1 unless
    the integer is 0. For 20000 iterations this gives 2000.

``dict(_times_=2)``
    A multiple of the number that the config has in the reference's own place: ``optimizer=dict(lr=dict(_times_=2))``
    doubles the learning rate. A list of numbers is multiplied number by number.

``dict(_probe_='channels')``
    A fact about the feature maps that reach the heads, found by building the backbone and the neck. The probes are

    * ``channels``: the number of channels of each level, such as ``[64, 128, 256, 512]``;
    * ``strides``: image pixels per step of each level, such as ``[4, 8, 16, 32]``;
    * ``levels``: the index of each level, such as ``[0, 1, 2, 3]``;
    * ``levels_read``: the indices of the levels that some head reads, such as ``[2, 3]``.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.errors import BadInput, did_you_mean
from benchmarks.stacks.tree import map_tree, mappings

FROM, ELSE, TIMES, PROBE = '_from_', '_else_', '_times_', '_probe_'
MARKS = frozenset((FROM, ELSE, TIMES, PROBE))
PROBES = ('channels', 'strides', 'levels', 'levels_read')


@dataclass(frozen=True)
class Levels:
    """The feature maps that reach the heads, in the order of the backbone's (or neck's) output.

    Args:
        channels: Number of channels of each level.
        strides: Image pixels per step of each level.
    """

    channels: list[int]
    strides: list[int]


def is_reference(node: Any) -> bool:
    """Whether an overlay node is a reference."""
    return isinstance(node, dict) and bool(node) and node.keys() <= MARKS


def looked_up(node: Any, config: Mapping[str, Any]) -> Any:
    """A copy of ``node`` in which each ``_from_`` is replaced by the value at its path.

    A value may be a reference itself; it is not looked up in turn.

    Args:
        node: A config or an overlay.
        config: The config in which the paths lead to values.

    Raises:
        BadInput: The config has no value at a path, or a value that cannot be multiplied.
    """

    def answered(part: Any) -> Any:
        if not (isinstance(part, dict) and FROM in part and is_reference(part)):
            return part
        value = _value_at(config, part)
        return times(value, {TIMES: part[TIMES]}, part[FROM]) if TIMES in part else value

    return map_tree(node, answered, as_one=is_reference)


def _value_at(config: Mapping[str, Any], reference: Mapping[str, Any]) -> Any:
    value: Any = config
    for step in reference[FROM].split('.'):
        value = value[-1] if isinstance(value, list) and value else value  # the last head of a cascade predicts
        if not isinstance(value, Mapping) or step not in value:
            if ELSE in reference:
                return reference[ELSE]
            raise BadInput(f"'{reference[FROM]}' is taken from the baseline, which has no such value")
        value = value[step]
    return value


def times(value: Any, reference: Mapping[str, Any], place: str) -> Any:
    """The multiple of ``value`` for which a reference asks.

    Args:
        value: The config's value: a number, or a list of numbers.
        reference: The reference. One that holds ``_from_`` or no ``_times_`` is returned as it is: its answer comes
            later.
        place: The value's path, for the message.

    Raises:
        BadInput: The value is no number.
    """
    if TIMES not in reference or FROM in reference:
        return dict(reference)
    if isinstance(value, (list, tuple)):
        return type(value)([times(item, reference, place) for item in value])
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadInput(f"'{place}' is {value!r} in the baseline, so it cannot be multiplied by {reference[TIMES]}")
    product = value * reference[TIMES]
    return max(round(product), 1) if isinstance(value, int) and value else product


def probes_asked(node: Any) -> Iterator[str]:
    """The name of each probe that a config refers to.

    Raises:
        BadInput: A ``_times_`` is left over, because the config has no number in its place.
    """
    for part in mappings(node):
        if (PROBE in part or TIMES in part) and is_reference(part):
            if PROBE not in part:
                raise BadInput(
                    f'there is nothing to multiply by {part[TIMES]}: {dict(part)} stands where the config has no '
                    f'value; name a value by {FROM}'
                )
            yield part[PROBE]


def resolve(config: dict, bare: dict, probe: Callable[[dict], Levels]) -> dict:
    """``config`` with every ``_probe_`` replaced by its fact.

    Args:
        config: A composed config.
        bare: The same config before any ``_wrap_`` was applied: its backbone and neck are probed.
        probe: Finds the levels of a config. It is called only if ``config`` refers to a probe.

    Raises:
        BadInput: There is no probe of this name.
    """
    asked = set(probes_asked(config))
    if not asked:
        return config
    for name in asked - set(PROBES):
        raise BadInput(f"there is no probe '{name}'{did_you_mean(name, PROBES)}")
    levels = probe(bare)
    count = len(levels.channels)
    facts = dict(channels=levels.channels, strides=levels.strides, levels=list(range(count)))
    facts['levels_read'] = _levels_read(_with_facts(bare, facts)['model'], count)
    return _with_facts(config, facts)


def _with_facts(node: Any, facts: Mapping[str, Any]) -> Any:
    def answered(part: Any) -> Any:
        return facts.get(part.get(PROBE), part) if is_reference(part) else part

    return map_tree(node, answered, as_one=is_reference)


def _levels_read(model: Mapping[str, Any], count: int) -> list[int]:
    """The indices, from 0, of the ``count`` levels that some head of the model reads."""
    read: set[int] = set()
    for name in ('decode_head', 'auxiliary_head'):
        heads = model.get(name)
        for head in heads if isinstance(heads, list) else [heads]:
            if head:
                read |= {level % count for level in _levels_of(head, count)}
    return sorted(read)


def _levels_of(head: Mapping[str, Any], count: int) -> list[int]:
    index = head.get('in_index')
    if index is None:  # with a list of channels a head takes all levels; otherwise mmseg's heads take the last one
        index = list(range(count)) if isinstance(head.get('in_channels'), (list, tuple)) else -1
    low_level = [0] if head.get('c1_in_channels') else []  # DeepLabV3+'s head takes the first level, too
    return [*(index if isinstance(index, (list, tuple)) else [index]), *low_level]
