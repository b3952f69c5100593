"""A finished grid run again: ``python -m benchmarks.speed.finished_grid``.

Whole commands are timed, with the start of the interpreter. A small grid on a few pictures runs to its end, then the
same command runs again. No byte of records and report may change.
"""

import hashlib
import tempfile
from pathlib import Path

from benchmarks.speed.side_by_side import report, summarised
from benchmarks.speed.whole_command import command_seconds, write_baseline, write_grid

LIMIT_S = 2.0
ROUNDS = 5
STEPS = 6
TECHNIQUES = ('focal', 'flips_rot90', 'fill_holes')
FEW_STEPS = ('--cfg-options', f'train_cfg.max_iters={STEPS}', f'param_scheduler.0.end={STEPS}')


def main() -> None:
    """Run the grid, run it again, and report."""
    with tempfile.TemporaryDirectory() as folder:
        write_baseline(Path(folder))
        grid, work_dir = write_grid(Path(folder), 'small', 'cumulative', TECHNIQUES, 1), Path(folder) / 'work'
        cold = command_seconds(grid, work_dir, *FEW_STEPS)
        before = _content(work_dir / 'small')
        command_seconds(grid, work_dir, *FEW_STEPS)  # the data's listing is remembered once its files are not brand-new
        again = [command_seconds(grid, work_dir, *FEW_STEPS) for _ in range(ROUNDS)]
        same = _content(work_dir / 'small') == before
    note = f'records and report {"equal byte for byte" if same else "DIFFER"}'
    what = f'{len(TECHNIQUES) + 1} stacks, {STEPS} steps'
    report(
        'finished_grid',
        [
            summarised(what, 'limit', 'run again', [LIMIT_S] * ROUNDS, again, reach=1, note=note),
            summarised(what, 'cold run', 'run again', [cold] * ROUNDS, again, note=note),
        ],
    )


def _content(out: Path) -> dict[str, str]:
    """sha256 of each file of an output folder."""
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob('*'))
        if path.is_file()
    }


if __name__ == '__main__':
    main()
