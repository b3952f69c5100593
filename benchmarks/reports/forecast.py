"""What would decide a comparison that is undecided, in words: seeds, test groups, or folds."""

from collections.abc import Mapping

import pandas as pd

from benchmarks.analysis.more_seeds import MOST_SEEDS, MOST_TIMES


def what_would_decide(comparison: Mapping) -> str:
    """What would decide, if the difference and its variances stay; empty where nothing can be said.

    Args:
        comparison: An undecided row of the comparison table.
    """
    times = comparison['times_groups_to_decide']
    groups = ''
    if not pd.isna(times):
        more = _range(comparison, 'times_groups_to_decide', '.1f', MOST_TIMES)
        groups = f'about {times:.1f} times as many test groups{more}'
    if comparison['limited_by'] == 'groups':
        if not groups:  # with more groups alone, the part of the seeds would stay
            return 'more test images in new groups would decide together with more seeds, neither alone would'
        return f'{groups} would decide, more seeds alone would not'
    if comparison['limited_by'] == 'folds':
        return f'more folds, or {groups or "more images"}, would decide, more seeds alone would not'
    if comparison['limited_by'] != 'seeds':
        return ''
    if pd.isna(comparison['seeds_to_decide']):
        seeds = f'more than {MOST_SEEDS} seeds'
    else:
        more = _range(comparison, 'seeds_to_decide', '.0f', MOST_SEEDS)
        seeds = f'about {comparison["seeds_to_decide"]} seeds{more}'
    return f'{seeds}{", or " + groups if groups else ""} would decide'


def _range(comparison: Mapping, name: str, told: str, limit: int) -> str:
    """What would decide over the middle half of what the difference may be; nothing if that says no more.

    Args:
        comparison: A row of the comparison table.
        name: What the names of the two columns begin with.
        told: How a number is formatted.
        limit: The number from which nothing is counted out.
    """
    fewest, most = comparison[f'{name}_low'], comparison[f'{name}_high']
    if pd.isna(fewest):
        return ''
    low = format(fewest, told)
    if pd.isna(most):
        return f' (from {low} to more than {limit})'
    high = format(most, told)
    return '' if low == high else f' (from {low} to {high})'
