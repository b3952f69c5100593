"""Walks over config trees: nested dicts, lists and tuples, with plain values as leaves.

A config is such a tree. Three functions cover what the harness does with one:

* :func:`map_tree` builds a changed copy;
* :func:`mappings` lists the dicts;
* :func:`walk` lists every value with its place.

A tree is never changed in place, so configs of many stacks may share parts.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

TreePath = tuple[str | int, ...]

# Most values of a config are of these types. Asking for the exact type first is several times faster than asking
# whether a value is a mapping, and a plan of 1,000 stacks asks a million times.
LEAVES = frozenset((str, int, float, bool, type(None)))


def map_tree(node: Any, change: Callable[[Any], Any], *, as_one: Callable[[Any], bool] | None = None) -> Any:
    """A copy of a tree in which ``change`` has been applied to every dict, list and tuple, the innermost first.

    ``change`` receives a new dict, list or tuple whose own elements are changed already, and returns what takes its
    place. Other values are kept. To change or drop a value, change the dict or list that holds it:

    >>> tree = dict(model=dict(norm=dict(type='SyncBN')), crop=(512, 512))
    >>> map_tree(tree, lambda node: {**node, 'type': 'BN'} if 'type' in node else node)
    {'model': {'norm': {'type': 'BN'}}, 'crop': (512, 512)}

    Args:
        node: The tree. Any mapping in it becomes a plain dict; lists and tuples keep their type.
        change: Called with each dict, list and tuple.
        as_one: Says of a dict, list or tuple that it counts as one value: ``change`` receives it as it is, before any
            change to its elements.
    """
    if type(node) in LEAVES:
        return node
    if as_one is not None and as_one(node):
        return change(node)
    if isinstance(node, (list, tuple)):
        return change(
            type(node)([item if type(item) in LEAVES else map_tree(item, change, as_one=as_one) for item in node])
        )
    if isinstance(node, Mapping):
        return change(
            {
                key: value if type(value) in LEAVES else map_tree(value, change, as_one=as_one)
                for key, value in node.items()
            }
        )
    return node


def walk(node: Any, path: TreePath = ()) -> Iterator[tuple[TreePath, Any]]:
    """Every value of a tree as (path, value), a dict or list before its elements.

    >>> list(walk(dict(lr=0.1, betas=[0.9])))
    [((), {'lr': 0.1, 'betas': [0.9]}), (('lr',), 0.1), (('betas',), [0.9]), (('betas', 0), 0.9)]

    Args:
        node: The tree.
        path: The place of ``node`` in a larger tree; it stands before every path.
    """
    yield path, node
    if isinstance(node, (list, tuple)):
        for index, item in enumerate(node):
            yield from walk(item, (*path, index))
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield from walk(value, (*path, key))


def mappings(node: Any) -> Iterator[Mapping[str, Any]]:
    """Every dict of a tree, an outer one before those inside it.

    It visits no leaf and builds no path, so it takes less than half the time of :func:`walk`.
    """
    if isinstance(node, (list, tuple)):
        items: Any = node
    elif isinstance(node, Mapping):
        yield node
        items = node.values()
    else:
        return
    for item in items:
        if type(item) not in LEAVES:
            yield from mappings(item)


def copied(node: Any) -> Any:
    """A deep copy of a tree.

    It is several times faster than ``copy.deepcopy``, which remembers every object in case it meets it again: in a
    config each value stands once. It is no :func:`map_tree`, because it copies the leaves, too.
    """
    if type(node) is dict:
        return {key: copied(value) for key, value in node.items()}
    if type(node) is list:
        return [copied(value) for value in node]
    return node if type(node) in LEAVES else copy.deepcopy(node)
