"""Values that an overlay takes from the config around it, so that one technique fits any baseline and stack.

* ``dict(_from_='model.decode_head.num_classes')``: the value at that path of the config, as the whole stack has it before
  anything is wrapped; ``_else_`` is taken where there is none;
* ``dict(_from_='train_cfg.max_iters', _times_=0.1)``: a multiple of it, an integer (at least 1) if it is one other than 0;
* ``dict(_times_=2)``: a multiple of the number, or of each number of the list, that the overlay finds in its own place;
* ``dict(_probe_='channels')``: a fact about the feature maps that reach the heads (see :class:`Levels`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.errors import BadInput, did_you_mean

FROM, ELSE, TIMES, PROBE = '_from_', '_else_', '_times_', '_probe_'
MARKS = frozenset((FROM, ELSE, TIMES, PROBE))
PROBES = ('channels', 'strides', 'levels', 'levels_read')


@dataclass(frozen=True)
class Levels:
    """The feature maps that reach the heads, in the order of the backbone's (or neck's) output.

    Args:
        channels: Of each level.
        strides: Pixels of the image per step of each level.
    """

    channels: list[int]
    strides: list[int]


def is_reference(node: Any) -> bool:
    """Whether an overlay node stands for a value that is looked up."""
    return isinstance(node, dict) and bool(node) and node.keys() <= MARKS


def looked_up(node: Any, config: dict) -> Any:
    """``node`` with each ``_from_`` replaced by what it names in ``config``.

    Raises:
        BadInput: The config has nothing there, or nothing that can be multiplied.
    """
    if isinstance(node, dict):
        if FROM in node and is_reference(node):
            value = _look_up(config, node)
            return times(value, {TIMES: node[TIMES]}, node[FROM]) if TIMES in node else value
        return {key: looked_up(value, config) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return type(node)(looked_up(value, config) for value in node)
    return node


def _look_up(config: dict, reference: dict) -> Any:
    value: Any = config
    for step in reference[FROM].split('.'):
        value = value[-1] if isinstance(value, list) and value else value  # the last head of a cascade predicts
        if not isinstance(value, dict) or step not in value:
            if ELSE in reference:
                return reference[ELSE]
            raise BadInput(f"'{reference[FROM]}' is taken from the baseline, which has no such value")
        value = value[step]
    return value


def times(value: Any, reference: dict, place: str) -> Any:
    """What a reference gives where the config has ``value``: a multiple of it, or itself while it waits for its answer.

    Raises:
        BadInput: ``value`` is no number.
    """
    if TIMES not in reference or FROM in reference:
        return dict(reference)
    if isinstance(value, (list, tuple)):
        return type(value)(times(one, reference, place) for one in value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadInput(f"'{place}' is {value!r} in the baseline, so it cannot be multiplied by {reference[TIMES]}")
    product = value * reference[TIMES]
    return max(round(product), 1) if isinstance(value, int) and value else product


def unresolved(node: Any) -> Iterator[str]:
    """The names of the probes that ``node`` waits for."""
    if isinstance(node, dict) and (PROBE in node or TIMES in node) and is_reference(node):
        if PROBE not in node:
            raise BadInput(
                f'a multiple ({TIMES}) of nothing: {node} stands where the config has no value; name one by {FROM}'
            )
        yield node[PROBE]
    elif isinstance(node, (dict, list, tuple)):
        for value in node.values() if isinstance(node, dict) else node:
            if isinstance(value, (dict, list, tuple)):
                yield from unresolved(value)


def resolve(config: dict, bare: dict, probe: Callable[[dict], Levels]) -> dict:
    """``config`` with every probe answered.

    Args:
        config: A composed config.
        bare: The same before anything was wrapped: its backbone and neck are what is probed.
        probe: From a config to its levels; asked only when something waits for it.

    Raises:
        BadInput: There is no such probe.
    """
    waiting = set(unresolved(config))
    if not waiting:
        return config
    for name in waiting - set(PROBES):
        raise BadInput(f"there is no probe '{name}'{did_you_mean(name, PROBES)}")
    levels = probe(bare)
    facts = dict(channels=levels.channels, strides=levels.strides, levels=list(range(len(levels.channels))))
    facts['levels_read'] = _levels_read(_answer(bare, facts)['model'], len(levels.channels))
    return _answer(config, facts)


def _answer(node: Any, facts: dict) -> Any:
    if is_reference(node):
        return facts.get(node.get(PROBE), node)
    if isinstance(node, dict):
        return {key: _answer(value, facts) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return type(node)(_answer(value, facts) for value in node)
    return node


def _levels_read(model: dict, count: int) -> list[int]:
    """Which levels the heads take."""
    heads = [
        head
        for name in ('decode_head', 'auxiliary_head')
        for head in (model[name] if isinstance(model.get(name), list) else [model.get(name)])
        if head
    ]
    return sorted({level % count for head in heads for level in _levels_of(head, count)})


def _levels_of(head: dict, count: int) -> list[int]:
    index = head.get('in_index')
    if index is None:  # with a list of channels a head takes all levels, else mmseg's heads take the last
        index = list(range(count)) if isinstance(head.get('in_channels'), (list, tuple)) else -1
    low_level = [0] if head.get('c1_in_channels') else []  # DeepLabV3+'s head takes the first level besides
    return [*(index if isinstance(index, (list, tuple)) else [index]), *low_level]
