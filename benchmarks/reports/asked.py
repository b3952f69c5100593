"""What a grid asked before its results were there, and whether that was changed later."""

from collections.abc import Iterator, Mapping

from benchmarks.analysis.families import METHOD, pair_of, primary_by_default
from benchmarks.analysis.metrics import metric_asked
from benchmarks.errors import some_of

_NAMED = 3  # pairs of a change; grid.json has all


def question_text(grid: Mapping) -> str:
    """A paragraph on the question of a grid; empty for a grid that compares nothing.

    Args:
        grid: The content of ``grid.json``.
    """
    pairs = {pair_of(comparison) for comparison in grid['comparisons']}
    if not pairs:
        return ''
    questions = list(_distinct(grid.get('questions') or []))
    primary = (
        {frozenset(pair) for pair in questions[-1]['primary']} if questions else primary_by_default(grid['comparisons'])
    )
    n_primary, metric = len(primary & pairs), metric_asked(grid)
    rest = len(pairs) - n_primary
    sentences = [
        f'Primary: {n_primary} of {len(pairs)} pairs of rows, by {metric.title}, with a margin of '
        f'{metric.amount(grid["equivalence_margin"])}.',
        f'The other {rest} are exploratory.' if rest else '',
        _when(questions),
        *_changes(questions),
        _other_method(questions),
    ]
    return ' '.join(sentence for sentence in sentences if sentence)


def _distinct(questions: list) -> Iterator[Mapping]:
    """The questions without those that ask what the one before asked."""
    before = None
    for question in questions:
        if before is None or _without_number(question) != _without_number(before):
            yield question
        before = question


def _without_number(question: Mapping) -> dict:
    return {**question, 'n_results': None, 'looks': _looks_asked(question)}


def _looks_asked(question: Mapping) -> dict | None:
    """The looks of a question, without the rows that get seeds.

    These follow from the primary pairs and the positive control, which is no part of the question.
    """
    looks = question.get('looks')
    return looks and {name: value for name, value in looks.items() if name != 'followed'}


def _when(questions: list) -> str:
    """When the question was asked."""
    if not questions:
        return 'No question was written down before the run; this is the default.'
    if not questions[0]['n_results']:
        return 'This was asked before the first result.' if len(questions) == 1 else ''
    number = questions[0]['n_results']
    return (
        f'When the question was written down, {number} cell{"s" * (number > 1)} had results from an earlier run on the '
        'same work dir, so the records do not show that it was asked before them.'
    )


def _changes(questions: list) -> Iterator[str]:
    """A sentence for each time that the question was changed."""
    for before, after in zip(questions, questions[1:]):
        said = '; '.join(_differences(before, after)) or 'nothing that counts'
        if after['n_results']:
            yield f'**The question was changed when {after["n_results"]} cells had results: {said}.**'
        else:
            yield f'The question was changed before the first result: {said}.'


def _differences(before: Mapping, after: Mapping) -> Iterator[str]:
    if before['metric'] != after['metric']:
        yield f'metric {before["metric"]} → {after["metric"]}'
    if before['equivalence_margin'] != after['equivalence_margin']:
        yield f'margin {before["equivalence_margin"]:g} → {after["equivalence_margin"]:g}'
    if before['method'] != after['method']:
        yield f'method “{before["method"]}” → “{after["method"]}”'
    if _looks_asked(before) != _looks_asked(after):
        yield f'{_looks(before)} → {_looks(after)}'
    old, new = ({frozenset(pair) for pair in question['primary']} for question in (before, after))
    for pairs, word in ((new - old, 'more'), (old - new, 'fewer')):
        if pairs:
            named = some_of(sorted(' and '.join(sorted(pair)) for pair in pairs), _NAMED)
            yield f'{len(pairs)} primary pair{"s" if len(pairs) > 1 else ""} {word} ({named})'


def _looks(question: Mapping) -> str:
    looks = question.get('looks')
    return f'looks at {looks["seeds"][0]} to {looks["seeds"][-1]} seeds' if looks else 'a fixed number of seeds'


def _other_method(questions: list) -> str:
    if not questions or questions[-1]['method'] == METHOD:
        return ''
    return f'**This report was made by another method than was asked for**: “{METHOD}”.'
