"""Reads a compressed table of the records strictly."""

import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

CURE = 'run the grid again with this --out'


def read_csv_table(path: Path, types: Mapping[str, Any], columns: Iterable[str], **options: Any) -> pd.DataFrame:
    """The rows of a ``.csv.gz`` file.

    Args:
        path: The file.
        types: The type of each column. Texts such as '001' or 'NA' are read as they are written.
        columns: The columns that it must have.
        options: Further arguments of ``pandas.read_csv``.

    Raises:
        ValueError: The file is damaged, or lacks a column; names it.
    """
    try:
        frame = pd.read_csv(path, dtype=dict(types), keep_default_na=False, **options)
    except (ValueError, OverflowError, OSError, EOFError, zlib.error) as error:
        raise ValueError(f'{path}: is damaged ({error}); {CURE}') from error
    for name in columns:
        if name not in frame:
            raise ValueError(f'{path}: lacks the column {name!r}; {CURE}')
    return frame
