"""The check baselines' own runs, kept in the work dir, so that only the first check pays for them.

A kept run holds as long as the keys of its stages (configs, data, code of plugins), the harness's code and the versions
of the libraries stay.
"""

import hashlib
import shutil
import time
import uuid
from dataclasses import asdict
from pathlib import Path

from benchmarks.check import toy_data
from benchmarks.check.baselines import CheckBaseline
from benchmarks.check.one_cell import composed_config, one_cell_plan, paired_config
from benchmarks.check.result import Cost
from benchmarks.files import digest, read_json, write_json
from benchmarks.session.environment import library_versions

COST = 'cost.json'  # written last: its run is complete
OUTDATED_S = 24 * 3600
PACKAGE = Path(__file__).resolve().parents[1]


def kept_pictures(folder: Path) -> Path:
    """The folder of the pictures, which are drawn if they are missing."""
    place = folder.resolve() / f'pictures_{hashlib.sha256(Path(toy_data.__file__).read_bytes()).hexdigest()[:16]}'
    if not place.is_dir():
        fresh = place.with_name(f'.{place.name}-{uuid.uuid4().hex}')
        toy_data.draw_pictures(fresh)
        try:
            fresh.rename(place)
        except OSError:
            shutil.rmtree(fresh)
            if not place.is_dir():  # else another check has drawn the same pictures meanwhile
                raise
    return place


def place_of(baseline: CheckBaseline, folder: Path) -> Path:
    """The folder of a baseline's own run."""
    config = paired_config(baseline, composed_config(baseline, None))
    plan = one_cell_plan(baseline, (), config, label_dir=str)  # a baseline has no teacher
    keys = [key for _, key in plan.cells[0].steps]
    code = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(PACKAGE.rglob('*.py'))]
    signature = digest([keys, code, library_versions(), baseline.device])
    return folder.resolve() / f'{baseline.name}_{signature[:24]}'


def kept_cost(place: Path) -> Cost | None:
    """The cost of a kept run; None if there is no complete one."""
    content = read_json(place / COST)
    try:
        return Cost(**content)
    except TypeError:
        return None


def keep_cost(place: Path, cost: Cost) -> None:
    """Write the cost of a run, which marks it as complete."""
    write_json(place / COST, asdict(cost))


def drop_outdated(place: Path) -> None:
    """Delete the incomplete run at a place, and runs of the same baseline that are no longer valid and a day old."""
    shutil.rmtree(place, ignore_errors=True)
    name = place.name.rpartition('_')[0]
    for other in place.parent.glob(f'{name}_*'):
        if time.time() - other.stat().st_mtime > OUTDATED_S:
            shutil.rmtree(other, ignore_errors=True)
