"""What a dumped config changes against another one, key by key."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.reports.dumped_config import assigned

LONGEST = 160  # characters of a value


class Change(NamedTuple):
    """A key that differs.

    Attributes:
        key: Its path, such as ``model.decode_head.channels``.
        before: The value in the reference, shortened; empty where there is none.
        after: The value in the stack, shortened; empty where there is none.
    """

    key: str
    before: str
    after: str


def read_config(path: Path) -> dict[str, Any] | None:
    """The literal values of a dumped config by name, without running it; None for a file that is not there.

    A value that is no literal, or a file that is no Python, is left out.
    """
    expressions = assigned(path)
    if expressions is None:
        return None
    found = {}
    for name, expression in expressions.items():
        with suppress(ValueError):
            found[name] = ast.literal_eval(expression)
    return found


def config_changes(reference: Any, stack: Any, key: str = '') -> Iterator[Change]:
    """The keys in which two values differ, in the order of the stack's config.

    Example:
        >>> list(config_changes(dict(a=1, b=[1, 2]), dict(a=1, b=[1, 2, 3], c='x')))
        [Change(key='b[2]', before='', after='3'), Change(key='c', before='', after="'x'")]
    """
    if isinstance(reference, Mapping) and isinstance(stack, Mapping):
        yield from _of_mappings(reference, stack, key)
    elif isinstance(reference, (list, tuple)) and isinstance(stack, (list, tuple)):
        yield from _of_lists(reference, stack, key)
    elif reference != stack or type(reference) is not type(stack):
        yield Change(key, _short(reference), _short(stack))


def _of_mappings(reference: Mapping, stack: Mapping, key: str) -> Iterator[Change]:
    for name in [*stack, *(name for name in reference if name not in stack)]:
        path = f'{key}.{name}' if key else str(name)
        if name not in reference:
            yield Change(path, '', _short(stack[name]))
        elif name not in stack:
            yield Change(path, _short(reference[name]), '')
        else:
            yield from config_changes(reference[name], stack[name], path)


def _of_lists(reference: Sequence, stack: Sequence, key: str) -> Iterator[Change]:
    """Items that were put in, taken out, or changed at their place."""
    matcher = SequenceMatcher(None, [repr(item) for item in reference], [repr(item) for item in stack], autojunk=False)
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        if tag == 'replace' and i_end - i == j_end - j:
            for offset in range(i_end - i):
                yield from config_changes(reference[i + offset], stack[j + offset], f'{key}[{j + offset}]')
        elif tag != 'equal':
            yield from (Change(f'{key}[{n}]', _short(reference[n]), '') for n in range(i, i_end))
            yield from (Change(f'{key}[{n}]', '', _short(stack[n])) for n in range(j, j_end))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f'{text[: LONGEST - 1]}…'
