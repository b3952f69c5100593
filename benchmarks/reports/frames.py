"""The results of a grid as data frames, for pandas, R and spreadsheets: the facts of the records, in long tables."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmarks.record import COUNT_NAMES, COUNTS, DISTANCES, read_grid_json, read_profiles, read_records

_CELL = ['stack', 'seed', 'fold']


class Frames(NamedTuple):
    """The results of a grid. They hold facts; scores are sums and ratios of them.

    Attributes:
        cells: One row per finished or failed cell. Fields within fields are joined by a dot: ``train.seconds``,
            ``keys.predict``. ``label`` is the row's name in the report; ``fold`` is missing in a grid without folds.
        counts: One row per ok cell, image and class: pixels (``tp``, ``fp``, ``fn``, and those of the boundary band),
            edge pixels and distances in px. A distance that is undefined is missing.
        profiles: One row per stack: parameters, operations, memory, the state of the machine.
        latencies: One row per stack, part of an inference (``preprocess``, ``views``, ``refine``, ``total``) and
            sample: ``ms``.
    """

    cells: pd.DataFrame
    counts: pd.DataFrame
    profiles: pd.DataFrame
    latencies: pd.DataFrame


def read_frames(out: Path | str) -> Frames:
    """The results in an output folder, also of a run that goes on.

    Args:
        out: The folder that holds ``grid.json`` and ``records/``.

    Raises:
        ValueError: A record is missing or damaged; names file and field.
    """
    out = Path(out)
    labels = {row['stack']: row['label'] for row in read_grid_json(out)['rows']}
    records = [record for record in read_records(out) if record['stack'] in labels]
    profiles = [profile for profile in read_profiles(out) if profile['stack'] in labels]
    cells = pd.json_normalize(records).reindex(columns=_columns(records, ['cell', *_CELL, 'status']))
    cells = cells.astype(dict(seed='Int64', fold='Int64'))
    cells.insert(1, 'label', cells['stack'].map(labels))
    return Frames(cells, _counts(out, cells), _profiles(profiles), _latencies(profiles))


def _columns(records: list[dict], first: list[str]) -> list[str]:
    """The columns of flattened records, in the order of their fields behind the first ones."""
    return list(dict.fromkeys([*first, *pd.json_normalize(records).columns]))


def _counts(out: Path, cells: pd.DataFrame) -> pd.DataFrame:
    """The counts with stack, seed and fold of their cells."""
    path = out / 'records' / 'counts.csv.gz'
    columns = [*COUNT_NAMES, *COUNTS, *DISTANCES]
    if not path.is_file():
        return pd.DataFrame(columns=[*_CELL, *columns])
    # Images and groups may be called '001' or 'NA': read them as they are written.
    types = dict.fromkeys(COUNT_NAMES, str) | dict.fromkeys(COUNTS, 'int64') | dict.fromkeys(DISTANCES, float)
    counts = pd.read_csv(path, dtype=types, keep_default_na=False, na_values=dict.fromkeys(DISTANCES, ['']))
    ok = cells.loc[cells['status'] == 'ok', ['cell', *_CELL]]
    return ok.merge(counts, on='cell', how='inner', validate='one_to_many')


def _profiles(profiles: list[dict]) -> pd.DataFrame:
    without_samples = [{name: value for name, value in one.items() if name != 'latency_ms'} for one in profiles]
    return pd.json_normalize(without_samples).reindex(columns=_columns(without_samples, ['stack', 'status']))


def _latencies(profiles: list[dict]) -> pd.DataFrame:
    samples = [
        (profile['stack'], part, number, ms)
        for profile in profiles
        for part, of_part in profile.get('latency_ms', {}).items()
        for number, ms in enumerate(of_part)
    ]
    return pd.DataFrame(samples, columns=['stack', 'part', 'sample', 'ms'])
