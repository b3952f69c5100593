"""Places in an overlay: where a key that a sweep or a search names stands, and the overlay with another value there.

A key is a dotted path from the overlay's top, or the end of such a path where only one path ends so:
``model.decode_head.loss_decode.gamma``, ``loss_decode.gamma`` or ``gamma``. A key that the overlay lacks is added to
the dict that the key's beginning names (``loss_decode.ignore_index``). Elements of a list are numbered.
"""

from typing import Any

from benchmarks.errors import BadInput, did_you_mean
from benchmarks.stacks.marks import LIST_MARKS, MARKS
from benchmarks.stacks.tree import walk

Place = tuple[str, ...]


def place_of(overlay: dict, key: str, origin: str) -> Place:
    """The path of a key in an overlay, each step as a text.

    Args:
        overlay: The overlay of a technique.
        key: The key.
        origin: The beginning of messages: who names the key.

    Raises:
        BadInput: The key is no key of the overlay, or of several places; names it and close matches.
    """
    steps = tuple(key.split('.'))
    nodes = {tuple(map(str, path)): node for path, node in walk(overlay) if path and path[-1] not in MARKS}
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
        raise BadInput(f"{origin}: '{key}' may be {places}; write more of the path")
    known = {'.'.join(path[-len(steps) :]) for path in nodes if path[-1] not in LIST_MARKS and not path[-1].isdigit()}
    raise BadInput(
        f"{origin}: its overlay has no '{key}'{did_you_mean(key, known)}; a parameter that it "
        "leaves alone needs the dict before it, as in 'loss_decode.gamma'"
    )


def with_value(node: Any, place: Place, value: Any, origin: str) -> Any:
    """``node`` with the value at a place that exists, or whose last step is new in a dict.

    A list of names for a dict keeps these entries of it.

    Raises:
        BadInput: A list names an entry that the dict lacks; ``origin`` is the beginning of the message.
    """
    if not place:
        return _chosen(node, value, origin) if isinstance(node, dict) and isinstance(value, (list, tuple)) else value
    if isinstance(node, dict):
        return {**node, place[0]: with_value(node.get(place[0]), place[1:], value, origin)}
    items = list(node)
    items[int(place[0])] = with_value(items[int(place[0])], place[1:], value, origin)
    return items


def _chosen(node: dict, names: list | tuple, origin: str) -> dict:
    """The entries of a dict with these names, and its marks."""
    for name in names:
        if name not in node:
            raise BadInput(f"{origin} has no entry '{name}' to keep{did_you_mean(str(name), node.keys() - MARKS)}")
    return {key: value for key, value in node.items() if key in names or key in MARKS}
