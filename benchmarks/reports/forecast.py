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
    groups = '' if pd.isna(times) else f'about {times:.1f} times as many test groups{_range_of_groups(comparison)}'
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
        seeds = f'about {comparison["seeds_to_decide"]} seeds{_range(comparison)}'
    return f'{seeds}{", or " + groups if groups else ""} would decide'


def _range(comparison: Mapping) -> str:
    """The seeds that would decide over the middle half of what the difference may be; nothing if that says no more."""
    fewest, most = comparison['seeds_to_decide_low'], comparison['seeds_to_decide_high']
    if pd.isna(fewest):
        return ''
    if pd.isna(most):
        return f' (from {fewest} to more than {MOST_SEEDS})'
    return '' if fewest == most else f' (from {fewest} to {most})'


def _range_of_groups(comparison: Mapping) -> str:
    """:func:`_range` of test groups: how many times as many."""
    ends = (comparison['times_groups_to_decide_low'], comparison['times_groups_to_decide_high'])
    fewest, most = (f'{end:.1f}' for end in ends)
    if pd.isna(ends[0]):
        return ''
    if pd.isna(ends[1]):
        return f' (from {fewest} to more than {MOST_TIMES})'
    return '' if fewest == most else f' (from {fewest} to {most})'
