"""Accuracy against speed: the chance of each row to be on the Pareto front, or the fastest that is good enough."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.analysis.contrasts import Contrasts
from benchmarks.analysis.draws import latency_draws, score_draws
from benchmarks.analysis.metrics import dice_margin
from benchmarks.analysis.pareto import cheapest_within, on_front, volume
from benchmarks.analysis.scores import SCORES
from benchmarks.reports.arms import clean_rows
from benchmarks.reports.results import Results

N_DRAWS = 4000
GOOD_ENOUGH = 0.5  # percent points below the best, where the grid switches its margin off
SPEED_COLUMNS = (
    'stack',
    'label',
    'dice',
    'latency_ms',
    'front_of_means',
    'fastest_of_means',
    'p_front',
    'p_fastest',
    'volume_lost',
)


class Speed(NamedTuple):
    """Accuracy against speed.

    Attributes:
        table: One row per stack with the columns ``SPEED_COLUMNS``, from the fastest to the slowest; no row where fewer
            than two stacks can be compared. ``p_front`` is the chance to lie on the front, ``p_fastest`` that of being
            the fastest at most ``margin`` points below the best, ``volume_lost`` the part of the hypervolume that the
            front of the means loses without the stack. All of it, ``dice`` too, is of the seeds that all rows share.
        margin: Percent points.
        reference: Latency (ms) and Dice (%) of the reference point.
        volume: The hypervolume of the means, and the ends of its 95 % interval.
        n_seeds: The number of seeds that all rows share.
        busy: The rows whose latency was measured on a busy machine.
    """

    table: pd.DataFrame
    margin: float = GOOD_ENOUGH
    reference: tuple[float, float] = (np.nan, np.nan)
    volume: tuple[float, float, float] = (np.nan, np.nan, np.nan)
    n_seeds: int = 0
    busy: Sequence[str] = ()


def speed_table(results: Results, stacks: pd.DataFrame) -> Speed:
    """Accuracy against speed for the rows that are ok, have learned, and have a latency.

    The reference point of the hypervolume is 1.1 times the largest latency of the front of the means, and one point
    below the lowest Dice of it.

    Args:
        results: The records, profiles and counts of the grid.
        stacks: The stack table.
    """
    rows = _comparable(results, stacks)
    nothing = Speed(pd.DataFrame(columns=list(SPEED_COLUMNS)))
    if len(rows) < 2 or rows['latency_ms_p50'].nunique() < 2:
        return nothing
    foreground = results.foreground
    contrasts = Contrasts(SCORES['dice'], results.counts, results.grid['seeds'], foreground)
    rng = np.random.default_rng(0)
    scores = score_draws(contrasts, list(rows['stack']), N_DRAWS, rng)
    if np.isnan(scores).any():
        return nothing
    scores = np.clip(scores, 0, 100)
    seeds = contrasts.shared_seeds(rows['stack'])
    dice = np.array([contrasts.of(stack, seeds).full.mean() for stack in rows['stack']])
    latency = rows['latency_ms_p50'].to_numpy(float)
    measurement = [results.profiles[stack]['key'] for stack in rows['stack']]
    costs = latency_draws(latency, rows['latency_noise'].to_numpy(float), measurement, N_DRAWS, rng)
    margin = dice_margin(results.grid) or GOOD_ENOUGH
    front = on_front(latency, dice)
    reference = (1.1 * latency[front].max(), dice[front].min() - 1)
    total = float(volume(latency, dice, reference))
    table = pd.DataFrame(
        dict(
            stack=rows['stack'],
            label=rows['label'],
            dice=dice,
            latency_ms=latency,
            front_of_means=front,
            fastest_of_means=np.arange(len(rows)) == cheapest_within(latency, dice, margin),
            p_front=on_front(costs, scores).mean(axis=0),
            p_fastest=np.bincount(cheapest_within(costs, scores, margin), minlength=len(rows)) / N_DRAWS,
            volume_lost=[
                1 - float(volume(np.delete(latency, i), np.delete(dice, i), reference)) / total if beats_all else 0.0
                for i, beats_all in enumerate(front)
            ],
        )
    )
    low, high = np.percentile(volume(costs, scores, reference), (2.5, 97.5))
    busy = list(rows.loc[rows['machine_busy'].fillna('') != '', 'stack'])
    return Speed(table.reset_index(drop=True), margin, reference, (total, float(low), float(high)), len(seeds), busy)


def _comparable(results: Results, stacks: pd.DataFrame) -> pd.DataFrame:
    """The rows of the stack table that can be compared, from the fastest to the slowest."""
    clean = {row['stack'] for row in clean_rows(results.grid)}
    known = stacks['dice'].notna() & stacks['latency_ms_p50'].notna()
    kept = known & (stacks['status'] == 'ok') & (stacks['seeds_not_learned'] == 0) & stacks['stack'].isin(clean)
    return stacks[kept].sort_values('latency_ms_p50', kind='stable')
