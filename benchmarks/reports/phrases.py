"""Numbers, intervals and comparisons as they stand in the text of a report."""

import re
from collections.abc import Mapping, Sequence

import pandas as pd

from benchmarks.analysis.families import PRIMARY
from benchmarks.analysis.metrics import METRIC_OF
from benchmarks.record import TUNED_ENDING, seeds_of

NOTHING = '–'
_CODE_SPAN, _TAG = re.compile(r'(`[^`\n]*`)'), re.compile(r'<(?=[A-Za-z/!?])')
_SMALLER, _EXPLORATORY = 'smaller than the margin', 'exploratory'
_STEPS = ('cumulative', 'explicit')  # the designs that compare steps


def signed(value: float, decimals: int = 1) -> str:
    """A number with its sign, a true minus, and no sign if it rounds to zero.

    Example:
        >>> signed(1.24), signed(-0.4), signed(-0.01)
        ('+1.2', '−0.4', '0.0')
    """
    rounded = round(value, decimals) + 0.0
    return f'{rounded:+.{decimals}f}'.replace('-', '−') if rounded else f'{0:.{decimals}f}'


def plain(value: float, decimals: int = 1) -> str:
    """A number without a sign for gains; a dash if it is undefined."""
    return NOTHING if pd.isna(value) else f'{value:.{decimals}f}'


def short(value: float) -> str:
    """A number with about three digits; a dash if it is undefined."""
    return NOTHING if pd.isna(value) else f'{value:.1f}' if value < 100 else f'{value:.0f}'


def interval_text(low: float, high: float, sign: bool) -> str:
    """An interval in brackets; ``sign`` for an interval of differences."""
    if pd.isna(low):
        return '[no interval]'
    return f'[{signed(low)}, {signed(high)}]' if sign else f'[{low:.1f}, {high:.1f}]'


def amount(value: float, comparison: Mapping) -> str:
    """An amount in the unit of a comparison."""
    return METRIC_OF[comparison['metric']].amount(value)


def unit_of(comparison: Mapping) -> str:
    """The unit of a comparison's difference."""
    return METRIC_OF[comparison['metric']].short_unit


def share_text(share: float) -> str:
    """A chance or another share in percent; never 0 or 100, which draws cannot show; a dash if it is undefined.

    Example:
        >>> share_text(0.512), share_text(0.001), share_text(1.0)
        ('51 %', '< 1 %', '> 99 %')
    """
    if pd.isna(share):
        return NOTHING
    if share < 0.005:
        return '< 1 %'
    return '> 99 %' if share > 0.995 else f'{100 * share:.0f} %'


def percent_points(value: float) -> str:
    """An amount of percent points."""
    return f'{value:g} percent point{"" if value == 1 else "s"}'


def verdict_words(comparison: Mapping) -> str:
    """A verdict, with what qualifies it: a family that was not asked about first, or a difference within the margin."""
    words = comparison['verdict']
    if words not in ('gain', 'loss'):
        return words
    words += f', {_SMALLER}' if comparison['smaller_than_margin'] else ''
    return words if comparison['family'] == PRIMARY else f'{words} ({_EXPLORATORY})'


def qualified(comparison: Mapping) -> str:
    """What qualifies a shown gain or loss, for the end of a bracket; empty for nothing."""
    smaller, primary = comparison['smaller_than_margin'], comparison['family'] == PRIMARY
    return f'; {_SMALLER}' * bool(smaller) + f'; {_EXPLORATORY}' * (not primary)


def number_of_seeds(grid: Mapping) -> str:
    """How many seeds the rows of a grid have: ``1 seed``, ``3 seeds``, ``3 to 10 seeds``."""
    numbers = sorted({len(seeds_of(grid, row)) for row in grid['rows']} or {len(grid['seeds'])})
    return f'{" to ".join(map(str, numbers[:1] + numbers[1:][-1:]))} seed{"" if numbers == [1] else "s"}'


def table_cell(text: str) -> str:
    """A text for a cell of a Markdown table."""
    # A bar in a name would begin another column.
    return text.replace('|', '\\|')


def without_tags(text: str) -> str:
    """A Markdown text in which names, notes and reasons cannot be read as HTML; code spans stay as they are.

    Example:
        >>> print(without_tags('<b> at p < 0.05, `a<b`'))
        \\<b> at p < 0.05, `a<b`
    """
    parts = _CODE_SPAN.split(text)
    return ''.join(part if number % 2 else _TAG.sub(r'\\<', part) for number, part in enumerate(parts))


def one_line(reason: str) -> str:
    """A text without line breaks."""
    return ' '.join(reason.split())


def verdict_text(comparison: Mapping) -> str:
    """A verdict in full: on new seeds, and on these checkpoints where that says more."""
    return f'{verdict_words(comparison)}{of_checkpoints(comparison)}'


def of_checkpoints(comparison: Mapping) -> str:
    """The verdict on these checkpoints, for the end of a verdict on new seeds; empty where it says no more."""
    verdict = comparison['checkpoints_verdict']
    says_more = comparison['verdict'] in ('undecided', 'equivalent') and verdict in ('gain', 'loss')
    return f' (these checkpoints: {verdict})' if says_more else ''


def number_text(comparison: Mapping, mark: str = '') -> str:
    """A difference with its interval; empty where there is no difference.

    Args:
        comparison: The comparison.
        mark: What stands behind the difference.
    """
    if pd.isna(comparison['delta']):
        return ''
    between = interval_text(comparison['low'], comparison['high'], sign=True)
    return f'{signed(comparison["delta"])}{mark} {between}'


def difference_text(comparison: Mapping, mark: str = '') -> str:
    """A difference with its interval and its verdict; the verdict alone where there is no difference.

    Args:
        comparison: The comparison.
        mark: What stands behind the difference.
    """
    return f'{number_text(comparison, mark)} {verdict_text(comparison)}'.strip()


def comparison_of(dice: pd.DataFrame, stack: str, reference: str | None) -> pd.Series | None:
    """The first comparison of a pair in the order of the grid; None if there is none.

    Several designs can compare the same pair.
    """
    rows = dice[(dice['stack'] == stack) & (dice['reference'] == reference)]
    return None if rows.empty else rows.iloc[0]


def first_of_pairs(comparisons: pd.DataFrame) -> dict[tuple[str, str], dict]:
    """The first comparison of each pair of stack and reference, for sections that look up one or more for each row."""
    found: dict[tuple[str, str], dict] = {}
    for comparison in comparisons.to_dict('records'):
        found.setdefault((comparison['stack'], comparison['reference']), comparison)
    return found


def is_step(dice: pd.DataFrame) -> pd.Series:
    """Which comparisons are those of a design that compares steps, (N,) bool: ``cumulative``, or ``explicit`` pairs.

    In other designs the row above is the reference by chance only.
    """
    return dice['design'].str.split('@').str[0].isin(_STEPS)


def is_step_of_tuned_row(dice: pd.DataFrame) -> pd.Series:
    """Which comparisons set a tuned row against the reference of the row that is not tuned, by a step, (N,) bool.

    The row above a tuned row is no step before it: tuned rows stand behind all others.
    """
    return dice['design'].str.split('@').str[0].isin([f'{design}{TUNED_ENDING}' for design in _STEPS])


def busy_while(busy: int, latencies: int) -> str:
    """That other programs ran while some of the latencies in question were measured; to be followed by what it means.

    Example:
        >>> busy_while(2, 2)
        'The machine was busy while each of these latencies was measured'
        >>> busy_while(1, 2)
        'The machine was busy while 1 of 2 latencies was measured'
    """
    if busy == latencies:
        return 'The machine was busy while each of these latencies was measured'
    return f'The machine was busy while {busy} of {latencies} latencies {"was" if busy == 1 else "were"} measured'


def some_of_rows(names: Sequence[str], most: int) -> str:
    """Names in a sentence, at most so many.

    Example:
        >>> some_of_rows(['a', 'b', 'c'], 2)
        'a; b; and 1 more'
    """
    more = len(names) - most
    return '; '.join([*names[:most], *([f'and {more} more'] if more > 0 else [])])
