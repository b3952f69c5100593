"""The answer of a grid in three points: what helps, what it costs, what is open.

All of it is chosen from verdicts and numbers that the tables hold; nothing is estimated here. Primary comparisons stand
before exploratory ones.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

from benchmarks.analysis.families import PRIMARY, pair_of
from benchmarks.analysis.metrics import metric_asked
from benchmarks.analysis.more_seeds import MOST_SEEDS
from benchmarks.record import BASELINE
from benchmarks.reports.arms import conditions
from benchmarks.reports.choice import best_within_budget, of_clean_rows
from benchmarks.reports.forecast import what_would_decide
from benchmarks.reports.interim import OPEN, planned_cells
from benchmarks.reports.nearest import nearest, next_step, with_seeds
from benchmarks.reports.phrases import busy_while, interval_text, qualified, signed, some_of_rows, unit_of
from benchmarks.reports.results import Results

MOST_NAMED = 3
NO_VERDICT = ('not learned', 'missing')
_LEFT = {  # what is said of a comparison that is not settled, and why it is said, by its verdicts
    ('undecided',): ('undecided', ', which does not mean equal'),
    NO_VERDICT: ('without a verdict', ', because a network has learned nothing or no seed of both rows is ok'),
    (OPEN,): ('open', ', because no seed of both rows has finished yet'),
}
A_FEW_SEEDS = 3  # two decide little: below 20 trainings they borrow no seed variance


class Summary(NamedTuple):
    """The answer.

    Attributes:
        helps: What is shown to help.
        costs: What helps within twice the latency of the baseline, whether these latencies can be trusted, and what is
            shown to harm.
        open: What is undecided, has failed or has not run, and what would decide.
        command: What gives the seeds that ``open`` ends with; empty where seeds decide nothing, or still run.
    """

    helps: str
    costs: str
    open: str
    command: str = ''


def summary(results: Results, stacks: pd.DataFrame, comparisons: pd.DataFrame) -> Summary:
    """The answer by the metric of the question; rows under a condition, and those that test the grid, are left out.

    Args:
        results: The records of the grid.
        stacks: The stack table.
        comparisons: The comparison table.
    """
    metric = metric_asked(results.grid)
    pairs, choices = of_clean_rows(results.grid, comparisons, metric)
    label_of = dict(zip(stacks['stack'], stacks['label']))
    gains = _primary_first(pairs[pairs['verdict'] == 'gain'])
    losses = _primary_first(pairs[pairs['verdict'] == 'loss'][::-1])
    if len(gains):
        show = 'shows' if gains['stack'].nunique() == 1 else 'show'
        helps = f'{_share(gains, pairs)} {show} a gain of {metric.title}: {_named(gains, label_of)}.'
    else:
        rows = _count(pairs['stack'].nunique(), 'row')
        helps = f'No row is shown to gain {metric.title} over its reference ({rows} compared).'
    helps += _furthest_open(pairs, label_of) + _under_conditions(results.grid)
    helps += _worth_of_choices(choices[choices['verdict'] == 'gain'], label_of)
    harm = f' Shown to lose: {_named(losses, label_of)}.' if len(losses) else ''
    would_decide, command = _would_decide(results, pairs, label_of)
    asked = comparisons[(comparisons['metric'] == metric.name) & (comparisons['family'] == PRIMARY)]
    explained = {word for _, word, _ in _left(asked)}
    return Summary(
        helps,
        f'{_within_budget(stacks, pairs, label_of)}{harm}',
        ' '.join([*_question(asked, label_of), *_open(results, pairs, label_of, explained), *would_decide]),
        command,
    )


def summary_text(answer: Summary) -> str:
    """The answer as a Markdown list.

    Args:
        answer: The answer.
    """
    still_open = f'{answer.open} `{answer.command}`' if answer.command else answer.open
    said = (('What helps', answer.helps), ('What it costs', answer.costs), ('What is open', still_open))
    return '\n'.join(f'- **{what}**: {sentence}' for what, sentence in said)


def _furthest_open(pairs: pd.DataFrame, label_of: dict[str, str]) -> str:
    """The row furthest above the baseline whose networks gain while other trainings may not, if there is one."""
    over = pairs[pairs['reference'] == BASELINE]
    found = over[(over['verdict'] == 'undecided') & (over['checkpoints_verdict'] == 'gain')]
    if found.empty:
        return ''
    return f' Open for other trainings, and a gain of these networks: {_one(found.iloc[0], label_of)}.'


def _under_conditions(grid: Mapping[str, Any]) -> str:
    """That rows on changed test images are not counted, if there are any."""
    changed = conditions(grid)
    number = sum(bool(changed & set(row['techniques'])) for row in grid['rows'])
    return (
        f' {_count(number, "row")} under conditions {"is" if number == 1 else "are"} not counted here.'
        if number
        else ''
    )


def _worth_of_choices(gains: pd.DataFrame, label_of: dict[str, str]) -> str:
    """What the choice of values adds to the first row that it helps; a tuned row helps by its own comparisons alone."""
    if gains.empty:
        return ''
    first, interval = gains.iloc[0], interval_text(gains.iloc[0]['low'], gains.iloc[0]['high'], sign=True)
    row = label_of.get(first['reference'], first['reference'])
    words = qualified(first).removeprefix('; ')
    text = f' Tuning is worth {signed(first["delta"])} {unit_of(first)} {interval} to “{row}”'
    return f'{text} ({words}).' if words else f'{text}.'


def _within_budget(stacks: pd.DataFrame, pairs: pd.DataFrame, label_of: dict[str, str]) -> str:
    """The largest shown gain over the baseline within twice its latency."""
    latency = dict(zip(stacks['stack'], stacks['latency_ms_p50']))
    own = latency.get(BASELINE, float('nan'))
    if pd.isna(own):
        return 'The latency of the baseline was not measured, so gains cannot be set against it.'
    budget = f'Within twice the latency of “{label_of[BASELINE]}” ({own:.3g} ms)'
    best, busy = best_within_budget(pairs, latency), _busy(stacks, pairs)
    if best is None:
        return f'{budget}, no row is shown to gain over it, so it remains the choice.{busy}'
    return f'{budget}, the largest shown gain is {_one(best, label_of)} at {latency[best["stack"]]:.3g} ms.{busy}'


def _busy(stacks: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """A caution about the latencies of the baseline and of the rows that are compared, and the cure; or nothing."""
    compared = stacks['stack'].isin([BASELINE, *pairs['stack']]) & stacks['latency_ms_p50'].notna()
    busy = int((stacks.loc[compared, 'machine_busy'].fillna('') != '').sum())
    if not busy:
        return ''
    return (
        f' {busy_while(busy, int(compared.sum()))}, so this may be otherwise; measure again on a quiet machine with '
        '--reprofile.'
    )


def _primary_first(pairs: pd.DataFrame) -> pd.DataFrame:
    """The comparisons, primary ones first, and else in their order."""
    return pairs.sort_values('family', key=lambda family: family != PRIMARY, kind='stable')


def _question(asked: pd.DataFrame, label_of: dict[str, str]) -> Iterator[str]:
    """How many of the primary comparisons are settled, and which are not; each pair of rows counts once.

    Args:
        asked: The primary comparisons by the metric of the question, those under a condition, too.
        label_of: The label of each stack.
    """
    pairs = asked[~asked.apply(pair_of, axis=1).duplicated()] if len(asked) else asked
    left = _left(pairs)
    settled = len(pairs) - sum(len(some) for some, _, _ in left)
    if pairs.empty:
        return
    if not left:
        yield f'All {settled} primary comparisons are settled.' if settled > 1 else 'The primary comparison is settled.'
        return
    yield f'{settled} of {_count(len(pairs), "primary comparison")} {"is" if settled == 1 else "are"} settled.'
    for some, word, why in left:
        ends = zip(some['stack'], some['reference'])
        names = [f'{_quoted(stack, label_of)} against {_quoted(reference, label_of)}' for stack, reference in ends]
        yield f'{word[0].upper()}{word[1:]}{why}: {some_of_rows(names, MOST_NAMED)}.'


def _left(pairs: pd.DataFrame) -> list[tuple[pd.DataFrame, str, str]]:
    """The comparisons that are not settled, by what is said of them, and why it is said."""
    found = [(pairs[pairs['verdict'].isin(verdicts)], word, why) for verdicts, (word, why) in _LEFT.items()]
    return [(some, word, why) for some, word, why in found if len(some)]


def _open(results: Results, pairs: pd.DataFrame, label_of: dict[str, str], explained: Collection[str]) -> Iterator[str]:
    """What is not known beside the primary comparisons.

    Args:
        results: The records of the grid.
        pairs: The comparisons that answer which row helps.
        label_of: The label of each stack.
        explained: What was said of primary comparisons, and needs no reason any more.
    """
    exploratory = pairs[pairs['family'] != PRIMARY].sort_index()  # the rows in the order of the grid
    left = _left(exploratory)
    for some, word, why in left:
        names = [_quoted(stack, label_of) for stack in dict.fromkeys(some['stack'])]
        yield (
            f'{_share(some, pairs)} {"has" if len(names) == 1 else "have"} an exploratory comparison that is '
            f'{word}{"" if word in explained else why}: {some_of_rows(names, MOST_NAMED)}.'
        )
    if len(exploratory) and not left:
        yield 'No exploratory comparison is undecided.'
    if len(results.grid['seeds']) == 1:
        yield 'With one seed only these checkpoints are judged, not the techniques.'
    planned, records = planned_cells(results.grid), results.of_folds or results.records
    missing = [cell for cell in planned if cell not in records]
    failed = [cell for cell in planned if records.get(cell, {}).get('status', 'ok') != 'ok']
    if missing:
        yield f'{len(missing)} of {_count(len(planned), "cell")} have not finished.'
    if failed:
        yield f'{len(failed)} of {_count(len(planned), "cell")} failed.'


def _would_decide(results: Results, pairs: pd.DataFrame, label_of: dict[str, str]) -> tuple[list[str], str]:
    """What would decide the comparison nearest to a decision, and the command that gives its seeds.

    Nothing is said while planned seeds are still to come.
    """
    grid, undecided = results.grid, pairs[pairs['verdict'] == 'undecided'].sort_index()
    if OPEN in grid or undecided.empty:
        return [], ''
    row = nearest(grid, undecided)
    if row is None:
        if undecided['seeds_covered'].any() or len(grid['seeds']) > 1:
            return [], ''
        said = f'One seed decides nothing for other trainings. This command gives {A_FEW_SEEDS}, and then a forecast:'
        return [said], with_seeds(grid['command'], A_FEW_SEEDS)
    said = f'Nearest to a decision is {_one(row, label_of)}: at this difference {what_would_decide(row)}'
    if pd.isna(row['seeds_to_decide']):
        none = 'No primary comparison' if 'looks' in grid else 'None of them'
        return [f'{none} is forecast to be decided by {MOST_SEEDS} seeds or fewer. {said}.'], ''
    how, command = next_step(grid, row)
    return [f'{said}; it has {_count(row["n_seeds"], "seed")}. {how}'], command


def _share(some: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """How many of the rows that are compared have one of these comparisons."""
    return f'{some["stack"].nunique()} of {_count(pairs["stack"].nunique(), "compared row")}'


def _named(rows: pd.DataFrame, label_of: dict[str, str]) -> str:
    """The rows with the first of their differences, each row once."""
    return some_of_rows(
        [_one(row, label_of) for _, row in rows.drop_duplicates(['stack', 'left_out']).iterrows()], MOST_NAMED
    )


def _one(row: pd.Series, label_of: dict[str, str]) -> str:
    """A row with its difference."""
    interval = interval_text(row['low'], row['high'], sign=True)
    stack, reference = (_quoted(row[side], label_of) for side in ('stack', 'reference'))
    against = f'against {reference}'
    if row['left_out']:
        names = [f'“{label_of.get(name, name).removeprefix("+ ")}”' for name in row['left_out'].split('+')]
        stack, against = ' and '.join(names), f'within {stack}, against the same without'
    return f'{stack} ({signed(row["delta"])} {unit_of(row)} {interval} {against}{qualified(row)})'


def _count(number: int, noun: str) -> str:
    return f'{number} {noun}{"" if number == 1 else "s"}'


def _quoted(stack: str, label_of: dict[str, str]) -> str:
    """The label of a row in quotation marks."""
    return f'“{label_of.get(stack, stack)}”'
