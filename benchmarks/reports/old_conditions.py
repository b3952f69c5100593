"""The conditions of records that were written before ``grid.json`` named them, from the configs beside the records."""

import ast
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.record import cell_name, stack_name

_TEST_IMAGES = 'test_dataloader'
_CODE = 'custom_imports'  # a technique that brings code of its own names it there


def conditions_in(out: Path, rows: Iterable[Mapping[str, Any]], records: Mapping[str, Mapping]) -> list[str]:
    """The techniques whose configs differ from those without them in the test images alone.

    Args:
        out: The output folder.
        rows: The rows of the grid.
        records: The records of its cells, by their names.

    Returns:
        list: None of a config that is missing or was changed into something else than assignments.
    """
    found: dict[str, bool] = {}
    seeds = sorted({record['seed'] for record in records.values()})
    for techniques in (row['techniques'] for row in rows):
        for place, name in enumerate(techniques):
            sides = [techniques, [*techniques[:place], *techniques[place + 1 :]]]
            changed = _changed(out, sides, records, seeds)
            if changed is not None:
                found[name] = found.get(name, True) and changed == {_TEST_IMAGES}
    return sorted(name for name, is_condition in found.items() if is_condition)


def _changed(
    out: Path, sides: Sequence[Sequence[str]], records: Mapping[str, Mapping], seeds: Sequence[int]
) -> set[str] | None:
    """The fields in which the configs of two stacks differ in a seed that both have; None if nothing is known."""
    for seed in seeds:
        cells = [records.get(cell_name(stack_name(side), seed)) for side in sides]
        if None not in cells:
            one, other = (_fields(out / cell['config']) for cell in cells if cell is not None)
            return {name for name in (one.keys() | other.keys()) - {_CODE} if one.get(name) != other.get(name)}
    return None


def _fields(config: Path) -> dict[str, str]:
    """The top-level assignments of a config file; empty where there is no such file."""
    try:
        lines = ast.parse(config.read_text(encoding='utf-8')).body
    except (OSError, SyntaxError):
        return {}
    assigned = [line for line in lines if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name)]
    return {line.targets[0].id: ast.dump(line.value) for line in assigned if isinstance(line.targets[0], ast.Name)}
