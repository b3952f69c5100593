"""The dicts of a config that name a registered class, and the values of their arguments, be they set or the default."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.preflight.legality import Registries


def typed(node: Any, path: str, registries: Registries) -> Iterator[tuple[str, Mapping, Any]]:
    """Each dict of a registered class in a part of a config: its path, the dict, the class."""
    if isinstance(node, Mapping):
        kind = node.get('type')
        cls = registries.find(kind) if isinstance(kind, str) else kind
        if inspect.isclass(cls):
            yield path, node, cls
    items = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, (list, tuple)) else ()
    for key, value in items:
        yield from typed(value, f'{path}.{key}', registries)


def value_of(node: Mapping, cls: Any, key: str, absent: Any) -> Any:
    """The value of an argument: that of the config, or its default; ``absent`` if the type takes no such argument."""
    default = default_of(cls, key)
    return absent if default is inspect.Parameter.empty and key not in node else node.get(key, default)


def default_of(cls: Any, key: str) -> Any:
    """The default of an argument of ``__init__``, or of a base's as far as ``**kwargs`` are passed on."""
    for owner in inspect.getmro(cls):
        init = vars(owner).get('__init__')
        if init is None:
            continue
        arguments = inspect.signature(init).parameters
        if key in arguments:
            return arguments[key].default
        if not any(argument.kind is argument.VAR_KEYWORD for argument in arguments.values()):
            break
    return inspect.Parameter.empty
