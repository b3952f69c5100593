"""The tables of folds and of carved validation images, which are named by their content.

A config names them in the work dir of its grid, relative to the folder in which the grid ran. So a finished grid has
copies beside its dumped configs, and a cell can run again where that work dir is not.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.errors import BadInput, some_of
from benchmarks.files import write_atomic
from benchmarks.stacks.tree import map_tree, mappings

FOLDER = 'folds'  # of a work dir, and beside dumped configs
SHOWN = 3
_NAME = re.compile(r'[0-9a-f]{24}\.csv')


def table_name(content: bytes) -> str:
    """The file name of a table."""
    return f'{hashlib.sha256(content).hexdigest()[:24]}.csv'


def copy_tables(configs: Iterable[Mapping], target: Path) -> None:
    """Copy the tables that configs name; a file whose name is not that of its content is none.

    Args:
        configs: Resolved configs.
        target: The folder of the copies.
    """
    for path in sorted({path for config in configs for path in _tables(config)}):
        content = Path(path).read_bytes() if Path(path).is_file() else b''
        if table_name(content) == Path(path).name:
            write_atomic(target / Path(path).name, content)


def with_tables(config: dict, copies: Path) -> dict:
    """The config with copies in the place of its tables.

    Args:
        config: A dumped config.
        copies: The folder of the copies; a table that it lacks stays where the config names it.

    Raises:
        BadInput: A table is neither there nor in the place that the config names.
    """
    lost = [path for path in _tables(config) if not (copies / Path(path).name).is_file() and not Path(path).is_file()]
    if lost:
        raise BadInput(
            f'{some_of(sorted(set(lost)), SHOWN)} is missing, a table that says which images are trained on and '
            f'tested; run the grid once with --dry-run in the folder where it ran, which writes the table, and '
            f'repeat the command there'
        )

    def exchanged(node: Any) -> Any:
        if isinstance(node, dict) and _is_table(node.get('ann_file')):
            copy = copies / Path(node['ann_file']).name
            return {**node, 'ann_file': str(copy)} if copy.is_file() else node
        return node

    return map_tree(config, exchanged)


def _tables(config: Mapping) -> list[str]:
    return [node['ann_file'] for node in mappings(config) if _is_table(node.get('ann_file'))]


def _is_table(path: Any) -> bool:
    if not isinstance(path, str):
        return False
    return Path(path).parent.name == FOLDER and _NAME.fullmatch(Path(path).name) is not None
