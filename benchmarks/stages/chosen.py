"""The values that the stage ``select`` has chosen, as a file of its result."""

import json
from collections.abc import Mapping
from pathlib import Path

from benchmarks.stacks.tuning import Values, with_values

CHOSEN = 'chosen.json'


def write_chosen(folder: Path, values: Values) -> None:
    """Keep values by their dotted paths in a config."""
    (folder / CHOSEN).write_text(json.dumps(values, indent=1) + '\n')


def with_chosen(config: dict, parents: Mapping[str, Path]) -> dict:
    """The config with the values that its stage ``select`` has chosen; the config itself without such a parent.

    Args:
        config: A resolved config.
        parents: The folders of the results that a stage reads, by role.
    """
    if 'select' not in parents:
        return config
    return with_values(config, json.loads((parents['select'] / CHOSEN).read_text()))
