"""Text in ``--cfg-options`` where the baseline has a number, a list or a switch: quotes within the quotes make text."""

import ast
from collections.abc import Mapping
from typing import Any

from benchmarks.errors import BadInput


def refuse_text_for_numbers(options: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Refuse text that reads as a number, a list or a switch where the config has one.

    Args:
        options: Flat dotted keys → values.
        config: The baseline's config before them.

    Raises:
        BadInput: Names each option, and how to write it.
    """
    mistakes = []
    for dotted, value in options.items():
        before = _at(config, dotted)
        if isinstance(value, str) and isinstance(before, (bool, int, float, list, tuple)) and _is_literal(value):
            mistakes.append(
                f'--cfg-options {dotted}: {value!r} is text, and the baseline has {before!r} there; leave out the '
                f'inner quotes: {dotted}={value.replace(" ", "")}'
            )
    if mistakes:
        raise BadInput(*mistakes)


def _at(node: Any, dotted: str) -> Any:
    for step in dotted.split('.'):
        if isinstance(node, Mapping):
            node = node.get(step)
        elif isinstance(node, (list, tuple)) and step.isdigit() and int(step) < len(node):
            node = node[int(step)]
        else:
            return None
    return node


def _is_literal(text: str) -> bool:
    try:
        return isinstance(ast.literal_eval(text.strip()), (bool, int, float, list, tuple))
    except (ValueError, SyntaxError):
        return False
