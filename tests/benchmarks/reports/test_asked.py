"""The report says what was asked first, and what was changed once results were there."""

import pytest

from benchmarks import record
from benchmarks.analysis.families import METHOD
from benchmarks.reports.asked import question_text
from benchmarks.reports.report import make_report
from benchmarks.reports.results import read_results
from benchmarks.reports.table import comparison_table

COMPARISONS = [
    dict(design='cumulative', stack='a', reference='baseline'),
    dict(design='cumulative', stack='a+b', reference='a'),
    dict(design='cumulative_vs_baseline', stack='a+b', reference='baseline'),
]
GRID = dict(comparisons=COMPARISONS, equivalence_margin=0.5)
FIRST = dict(
    metric='dice', equivalence_margin=0.5, method=METHOD, primary=[['a', 'baseline'], ['a+b', 'a']], n_results=0
)


def said(*changes):
    return question_text(GRID | dict(questions=[FIRST | change for change in changes]))


def test_a_question_that_was_asked_first():
    assert said({}) == (
        'Primary: 2 of 3 pairs of rows, by Dice, with a margin of 0.5 percent points. The other 1 are exploratory. '
        'This was asked before the first result.'
    )


def test_records_without_a_question_say_that_the_default_is_taken():
    text = question_text(GRID)
    assert 'Primary: 2 of 3' in text and 'No question was written down before the run; this is the default.' in text
    assert question_text(dict(comparisons=[], equivalence_margin=0.5)) == ''


@pytest.mark.parametrize(
    'change, words',
    [
        (dict(equivalence_margin=1.0), 'margin 0.5 → 1'),
        (dict(metric='miou'), 'metric dice → miou'),
        (dict(looks=dict(seeds=[2, 3, 4])), 'a fixed number of seeds → looks at 2 to 4 seeds'),
        (dict(primary=[['a', 'baseline']]), '1 primary pair fewer (a and a+b)'),
        (dict(primary=[*FIRST['primary'], ['a+b', 'baseline']]), '1 primary pair more (a+b and baseline)'),
    ],
)
def test_a_change_with_results_there_is_shown(change, words):
    assert f'**The question was changed when 12 cells had results: {words}.**' in said({}, change | dict(n_results=12))
    assert f'The question was changed before the first result: {words}.' in said({}, change)


def test_a_positive_control_that_was_added_is_no_change_of_the_question():
    looks = dict(seeds=[2, 3, 4], levels=[0.01, 0.02, 0.03], followed=['a', 'baseline', 'a+b'])
    controlled = looks | dict(followed=[*looks['followed'], 'third_of_steps'])
    first, again = dict(looks=looks), dict(looks=controlled, n_results=20)
    assert said(first, again) == said(first) and said(first).endswith('This was asked before the first result.')
    # The last records count, and a change of another kind is told once.
    changed = said(first, again, again | dict(equivalence_margin=1.0, n_results=30))
    assert changed.count('The question was changed') == 1
    assert '**The question was changed when 30 cells had results: margin 0.5 → 1.**' in changed


def test_a_question_that_came_late_and_another_method_are_shown():
    late = said(dict(n_results=18))
    assert 'When the question was written down, 18 cells had results from an earlier run on the same work dir, ' in late
    assert 'so the records do not show that it was asked before them.' in late and '**' not in late
    assert '**This report was made by another method than was asked for**' in said(dict(method='older'))
    changed = said(dict(method='older'), dict(n_results=18))
    assert 'method “older” →' in changed and 'This report was made' not in changed


def test_the_question_decides_which_rows_are_primary(tmp_path, synthetic_writer):
    out = synthetic_writer(tmp_path)
    question = FIRST | dict(primary=[['attention+loss', 'baseline']])
    record.write_grid(out, record.read_grid_json(out) | dict(questions=[question]))
    table = comparison_table(read_results(out))
    families = table[table['metric'] == 'dice'].set_index(['stack', 'reference'])['family']
    assert families['attention+loss', 'baseline'] == 'primary' and set(families) == {'primary', 'exploratory'}
    assert 'Primary: 1 of 3 pairs' in make_report(out).read_text().split('## How')[0]
