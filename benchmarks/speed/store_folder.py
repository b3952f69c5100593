"""The store in one folder against another: ``python -m benchmarks.speed.store_folder REFERENCE FOLDER …``.

Each folder is timed in turn with the first, such as one on the local disk: results are stored as a stage's process
stores them, by lease, small table, manifest and rename, and they are looked up as a run that resumes does, with the
checksums of tables. Who looks them up has stored them, so what a host remembers of a network folder counts.

Nothing stays in the folders. They go by their last name and the type of their file system.
"""

import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks.errors import BadInput
from benchmarks.plan.plan import Plan
from benchmarks.speed.scale import plan_of, resume, store_all
from benchmarks.speed.side_by_side import Ratio, report, side_by_side
from benchmarks.store.store import Store

CELLS = 5
ROUNDS = 5
MOUNTS = Path('/proc/self/mounts')


@dataclass(frozen=True)
class Timed:
    """A folder that is timed.

    Args:
        name: Its name in the results.
        store: Stores all results once more, in a store of their own.
        look_up: Looks all results up.
    """

    name: str
    store: Callable[[], object]
    look_up: Callable[[], object]


def main(folders: Sequence[str], cells: int = CELLS, rounds: int = ROUNDS) -> None:
    """Time all folders, and report.

    Args:
        folders: Two or more; the first is the reference.
        cells: The number of cells whose results are stored; see :func:`benchmarks.speed.scale.plan_of`.
        rounds: How often each folder is timed.

    Raises:
        BadInput: There are fewer than two folders, or one is missing.
    """
    if len(folders) < 2:
        raise BadInput('name two folders or more; the first, such as one on the local disk, is the reference')
    plan, _ = plan_of(cells)
    with ExitStack() as made:
        reference, *others = [_timed(Path(folder), plan, made) for folder in folders]
        lines = [line for other in others for line in _lines(len(plan.stages), reference, other, rounds)]
    report('store_folder', lines, arguments=['FOLDER'] * len(folders))


def _timed(folder: Path, plan: Plan, made: ExitStack) -> Timed:
    if not folder.is_dir():
        raise BadInput(f'{folder} is no folder; make it, on the file system that is to be timed')
    root = Path(made.enter_context(tempfile.TemporaryDirectory(dir=folder, prefix='store-speed-')))
    known, numbers = Store(root / 'known'), count()
    store_all(plan, known)
    return Timed(
        f'{folder.resolve().name} ({file_system(folder)})',
        lambda: store_all(plan, Store(root / str(next(numbers)))),
        partial(resume, plan, known),
    )


def _lines(results: int, reference: Timed, other: Timed, rounds: int) -> list[Ratio]:
    pairs = {
        f'{results} small results stored': (reference.store, other.store),
        f'{results} results looked up': (reference.look_up, other.look_up),
    }
    return [
        _with_rates(side_by_side(what, (reference.name, theirs), (other.name, own), rounds=rounds), results)
        for what, (theirs, own) in pairs.items()
    ]


def _with_rates(line: Ratio, results: int) -> Ratio:
    own, theirs = results / line.ours_s, results / line.reference_s
    return replace(line, note=f'{line.what}: {own:.3g} a second on {line.ours}, {theirs:.3g} on {line.reference}')


def file_system(folder: Path) -> str:
    """The type of the file system that a folder is on, as the kernel names it; ``?`` where it does not say."""
    try:
        mounts = [line.split() for line in MOUNTS.read_text().splitlines()]
    except OSError:  # only Linux has such a file
        return '?'
    kinds = {Path(place.replace(r'\040', ' ')): kind for _, place, kind, *_ in mounts}  # of two, the later is on top
    path = folder.resolve()
    return next((kinds[place] for place in (path, *path.parents) if place in kinds), '?')


if __name__ == '__main__':
    try:
        main(sys.argv[1:])
    except BadInput as error:
        sys.exit(f'error: {error}')
