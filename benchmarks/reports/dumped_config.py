"""Dumped configs, read without running them."""

import ast
from pathlib import Path


def assigned(path: Path) -> dict[str, ast.expr] | None:
    """The expression that a dumped config gives to each of its names; None where there is no such file.

    A file that is no Python any more gives none.
    """
    try:
        lines = ast.parse(path.read_text(encoding='utf-8')).body
    except (OSError, UnicodeDecodeError):
        return None
    except (SyntaxError, ValueError):  # the latter for null bytes
        return {}
    return {
        target.id: line.value
        for line in lines
        if isinstance(line, ast.Assign)
        for target in line.targets[:1]
        if isinstance(target, ast.Name)
    }
