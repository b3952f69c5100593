"""Records of stacks whose scores follow from their techniques: gains that add up, or do not."""

from itertools import combinations

import numpy as np

from benchmarks.analysis.counts import CellCounts, Counts
from benchmarks.record import stack_name
from benchmarks.reports.results import Results

SEEDS, GROUPS, PIXELS = (0, 1, 2, 3), 8, 100_000


def world(value, teams, noise=0.02, designs=('factorial',), seeds=SEEDS, draw=0):
    """Records of stacks whose Dice is ``value(team)`` percent, with a little noise of seeds and image groups."""
    rows, cells = [], {}
    rng = np.random.default_rng(draw)
    group_effect = rng.normal(0, 2, GROUPS)
    for team in teams:
        stack = stack_name(team)
        rows.append(dict(stack=stack, techniques=list(team), label=stack, published_dice=None))
        for seed in seeds:
            dice = value(frozenset(team)) + group_effect + rng.normal(0, noise) + rng.normal(0, noise, GROUPS)
            tp = np.round(dice / 100 * PIXELS).astype(np.int64)
            area = np.stack([np.full((GROUPS, 3), (PIXELS, 0, 0)), np.stack([tp, PIXELS - tp, PIXELS - tp], 1)], 1)
            nothing = np.full((GROUPS, 2), np.nan)
            cells[f'{stack}__seed{seed}'] = CellCounts(area, area, area[..., :2], nothing, nothing)
    grid = dict(
        rows=rows,
        seeds=list(seeds),
        classes=['background', 'object'],
        background=0,
        equivalence_margin=0.5,
        comparisons=[dict(design=design, stack=rows[-1]['stack'], reference=rows[0]['stack']) for design in designs],
    )
    records = {cell: dict(status='ok', train=None, keys=dict(train=cell), acted={}) for cell in cells}
    names = [f'image{n}' for n in range(GROUPS)]
    return Results(grid, records, {}, Counts(cells, names, np.arange(GROUPS)))


def factorial(players):
    return [team for n in range(len(players) + 1) for team in combinations(players, n)]


def sums(gains, **together):
    """The score of a team: gains that add up, and what pairs gain in addition."""
    return lambda team: (
        70 + sum(gains[name] for name in team) + sum(more for pair, more in together.items() if set(pair) <= team)
    )
