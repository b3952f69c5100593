"""How long a plan takes: ``python -m benchmarks.speed.plan``.

Whole commands are timed, with the start of the interpreter: ``run_ablation.py GRID --dry-run`` for factorial designs of
more and more techniques with 10 seeds each, and for fewer stacks with more seeds. The first dry run of a grid imports
torch and mmseg and builds each distinct part of its configs. Its result is remembered, so the first dry run is timed
apart from the later ones. By hand there is no plan, so the reference is the longest time that a plan may take.
"""

import statistics
import tempfile
from pathlib import Path

from benchmarks.speed.side_by_side import Ratio, report, summarised
from benchmarks.speed.whole_command import dry_run_seconds, write_baseline, write_grid

LIMIT_S = 5.0
ROUNDS = 3
# Any of these can be combined: the first n give 2ⁿ stacks.
TECHNIQUES = (
    'gradient_clipping',
    'cbam',
    'flips_rot90',
    'crf',
    'warm_up',
    'focal',
    'fill_holes',
    'elastic',
    'photometric',
    'weight_ema',
)
SIZES = ((4, 10), (6, 10), (8, 10), (10, 10), (7, 80))


def main() -> None:
    """Time each size, fit a line through the sizes with equally many seeds, and report."""
    lines: list[Ratio] = []
    cells: list[int] = []
    seconds: list[float] = []
    first_s: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        work_dir = Path(folder) / 'work'
        write_baseline(Path(folder))
        dry_run_seconds(write_grid(Path(folder), 'warm_up', 'cumulative', TECHNIQUES[:1], 1), work_dir)
        for techniques, seeds in SIZES:
            grid = write_grid(Path(folder), f'{techniques}x{seeds}', 'factorial', TECHNIQUES[:techniques], seeds)
            first = dry_run_seconds(grid, work_dir)
            again = [dry_run_seconds(grid, work_dir) for _ in range(ROUNDS)]
            count = 2**techniques * seeds
            lines += [
                summarised(
                    f'{count} cells ({2**techniques} stacks)',
                    'limit',
                    f'dry run {which}',
                    [LIMIT_S] * len(times),
                    times,
                    reach=1,
                )
                for which, times in (('again', again), ('for the first time', [first]))
            ]
            if seeds == SIZES[0][1]:
                cells, seconds, first_s = [*cells, count], [*seconds, statistics.median(again)], [*first_s, first]
    fits = dict(again=_line(cells, seconds), first=_line(cells, first_s))
    report('plan', lines, rounds=ROUNDS, fits=fits)
    for which, fit in fits.items():
        print(
            f'  {which}: {fit["intercept_s"]:.2f} s + {fit["ms_per_cell"]:.3f} ms per cell ({SIZES[0][1]} cells per '
            f'stack), R² {fit["r_squared"]:.4f}'
        )


def _line(cells: list[int], seconds: list[float]) -> dict[str, float]:
    """The least-squares line of seconds over cells."""
    slope, intercept = statistics.linear_regression(cells, seconds)
    return dict(intercept_s=intercept, ms_per_cell=1000 * slope, r_squared=statistics.correlation(cells, seconds) ** 2)


if __name__ == '__main__':
    main()
