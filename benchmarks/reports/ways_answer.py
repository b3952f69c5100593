"""Whether the way of scoring decides: the section of a report on conclusions that flip, from the audit."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from benchmarks.analysis.ways import DICE
from benchmarks.reports.pair_verdicts import NONE_COMPARED, PairVerdicts
from benchmarks.reports.phrases import signed, some_of_rows
from benchmarks.reports.ways_table import Audit

MOST_LISTED, MOST_NAMED = 8, 4
_SHOWN = ('gain', 'loss')


def ways_answer(audit: Audit, label_of: Mapping[str, str], told: PairVerdicts = NONE_COMPARED) -> str:
    """The section in Markdown; empty where no conclusion depends on the way.

    Args:
        audit: Conclusions by each way of scoring.
        label_of: The label of each stack.
        told: The verdicts of the comparison table by the metric of the question.
    """
    called = {
        pair: f'{_called(pair, label_of)}{f", {told[pair].text} in the first table," if pair in told else ""}'
        for pair, _ in _by_pair(audit.comparisons)
    }
    flips = [*_opposite(audit.comparisons, called), *_shown_by_some(audit.comparisons, called)]
    rest = [*_best_row(audit.ranks, label_of), *_order(audit)]
    if not flips and not rest:
        return ''
    n_ways = audit.ranks['way'].nunique()
    closing = (
        f'The counts of the grid, scored in {n_ways} ways; + is better by each of them, in pixels, too. Rows that '
        f'test the grid itself are left out. {_tests(audit)}{_equal_ways(audit)} Each comparison and each row by each '
        'way: [ways.csv](ways.csv), [ways_ranks.csv](ways_ranks.csv).'
    )
    listed = '\n'.join(f'- {sentence}' for sentence in [*flips, *_signs(audit.comparisons), *rest])
    return '\n\n'.join(['### Does the way of scoring decide', listed, closing])


def _by_pair(comparisons: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    for pair, rows in comparisons.groupby(['stack', 'reference'], sort=False):
        yield (str(pair[0]), str(pair[1])), rows


def _opposite(comparisons: pd.DataFrame, called: Mapping[tuple[str, str], str]) -> list[str]:
    """Comparisons that are a gain by one way and a loss by another."""
    return [
        f'**Opposite conclusions**: {called[pair]} is {_list(rows, "gain")}, but {_list(rows, "loss")}.'
        for pair, rows in _by_pair(comparisons)
        if set(_SHOWN) <= set(rows['verdict'])
    ]


def _shown_by_some(comparisons: pd.DataFrame, called: Mapping[tuple[str, str], str]) -> list[str]:
    """Comparisons that some ways show, while the interval of another reaches 0; those that most ways show first.

    A way that comes close to showing the same is no contradiction.
    """
    found = []
    for pair, rows in _by_pair(comparisons):
        verdicts = set(rows['verdict']) & set(_SHOWN)
        reaches = (rows['low'] <= 0) & (rows['high'] >= 0)
        if len(verdicts) == 1 and reaches.any():
            verdict = verdicts.pop()
            number = int((rows['verdict'] == verdict).sum())
            others = [
                f' {word} by {some_of_rows(_with_deltas(of_word), MOST_NAMED)}.'
                for word, of_word in (
                    ('Equivalent', rows[rows['verdict'] == 'equivalent']),
                    ('Open', rows[reaches & (rows['verdict'] != 'equivalent')]),
                )
                if len(of_word)
            ]
            found.append((-number, f'{called[pair]} is {_list(rows, verdict)}.{"".join(others)}'))
    found.sort(key=lambda entry: entry[0])
    sentences = [sentence for _, sentence in found]
    more = len(sentences) - MOST_LISTED
    return [*sentences[:MOST_LISTED], *([f'{more} more comparisons are shown by some ways alone.'] if more > 0 else [])]


def _list(rows: pd.DataFrame, verdict: str) -> str:
    """The ways by which a comparison has a verdict, with the differences."""
    return f'a {verdict} by {some_of_rows(_with_deltas(rows[rows["verdict"] == verdict]), MOST_NAMED)}'


def _with_deltas(rows: pd.DataFrame) -> list[str]:
    return [f'{row["way"]} ({_delta(row)})' for _, row in rows.iterrows()]


def _delta(row: pd.Series) -> str:
    decimals, unit = (1, '') if row['unit'] == '%' else (2, ' px')
    ends = ', '.join(signed(row[end], decimals) for end in ('low', 'high'))
    return f'{signed(row["delta"], decimals)}{unit} [{ends}]'


def _signs(comparisons: pd.DataFrame) -> list[str]:
    """How many comparisons have another sign by another way."""
    pairs = [rows for _, rows in _by_pair(comparisons)]
    mixed = [rows for rows in pairs if rows['delta'].min() < 0 < rows['delta'].max()]
    if not mixed:
        return []
    shown = sum(rows['verdict'].isin(_SHOWN).any() for rows in mixed)
    but = f'{shown} of these are shown by a way' if shown else 'no way shows a difference there'
    return [f'In {len(mixed)} of {len(pairs)} comparisons the sign of the difference depends on the way; {but}.']


def _best_row(ranks: pd.DataFrame, label_of: Mapping[str, str]) -> list[str]:
    """The best row by each way, if it is not the same by all."""
    best = ranks[ranks['rank'] == 1].drop_duplicates('way')
    ways_of: dict[str, list[str]] = {}
    for _, row in best.iterrows():
        ways_of.setdefault(row['stack'], []).append(row['way'])
    if len(ways_of) < 2:
        return []
    ordered = sorted(ways_of.items(), key=lambda item: -len(item[1]))
    named = [f'“{label_of[stack]}” by {_ways(ways)}' for stack, ways in ordered]
    return [f'By the means alone the best row is {some_of_rows(named, MOST_NAMED)}.']


def _ways(ways: Sequence[str]) -> str:
    return ', '.join(ways) if len(ways) <= MOST_NAMED else f'{len(ways)} ways'


def _order(audit: Audit) -> list[str]:
    """The way that orders the rows least as Dice does, where there are enough rows to speak of an order."""
    ways = [way for way in audit.ranks['way'].unique() if way != DICE]
    if audit.ranks['stack'].nunique() < 3 or not ways:
        return []
    likeness = [audit.order_likeness(way) for way in ways]
    if np.isnan(likeness).all() or np.nanmin(likeness) == 1:
        return []
    least = int(np.nanargmin(likeness))
    return [
        f'The order of the rows by {ways[least]} is the least like that by {DICE} (Kendall’s τ '
        f'{signed(likeness[least], 2)}; 1 is the same order, 0 no relation).'
    ]


def _tests(audit: Audit) -> str:
    """By which test a comparison has its verdict."""
    own = 'the same test, corrected over the comparisons by each way.'
    if not audit.compared:
        return f'All ways have {own}'
    fewer = any(rows['n_seeds'].nunique() > 1 for _, rows in _by_pair(audit.comparisons))
    settled = ', and where a look settled it the seeds of that look alone' if fewer else ''
    return (
        f'By {", ".join(audit.compared[:-1])}{" and " * (len(audit.compared) > 1)}{audit.compared[-1]} a comparison '
        f'has its interval and its verdict of [comparisons.csv](comparisons.csv){settled}. All other ways have {own} '
        'It may call what the test of a primary comparison leaves open.'
    )


def _equal_ways(audit: Audit) -> str:
    """Ways that make no difference to any cell."""
    if not audit.same:
        return ''
    return f' No difference to any cell: {"; ".join(f"{way} (as {other})" for way, other in audit.same.items())}.'


def _called(pair: tuple[str, str], label_of: Mapping[str, str]) -> str:
    return f'“{label_of[pair[0]]}” against “{label_of[pair[1]]}”'
