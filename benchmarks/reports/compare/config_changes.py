"""What changed in the configs of two runs: the dumped configs beside the records, value by value."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.reports.dumped_config import assigned

ABSENT = None  # the value of a side that lacks the key
SEED = 'randomness.seed'


class Change(NamedTuple):
    """One value that differs.

    Attributes:
        name: What it is, such as a path in a config.
        before: The value as text; None where there is none.
        after: The same afterwards.
    """

    name: str
    before: str | None
    after: str | None


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    """The values that differ, in the order of the names."""
    names = sorted(before.keys() | after.keys())
    found = [Change(name, before.get(name, ABSENT), after.get(name, ABSENT)) for name in names]
    return [change for change in found if change.before != change.after]


def config_values(file: Path) -> dict[str, str]:
    """Every value of a dumped config by its path; empty where there is no such file, or it is no config any more.

    Example:
        ``model = {'heads': [{'type': 'FCNHead'}]}`` gives ``{'model.heads.0.type': "'FCNHead'"}``.
    """
    expressions = assigned(file) or {}
    return {key: text for name, each in expressions.items() for key, text in _flat(name, _value(each))}


class _Text(str):
    """A value that is no literal, as its source."""


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return _Text(ast.unparse(node))


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    items: Sequence[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        items = list(value.items())
    elif isinstance(value, (list, tuple)) and any(isinstance(item, (Mapping, list, tuple)) for item in value):
        items = list(enumerate(value))
    if not items:
        yield path, str(value) if isinstance(value, _Text) else repr(value)
    for key, item in items:
        yield from _flat(f'{path}.{key}', item)
