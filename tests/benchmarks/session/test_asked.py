"""The question of a grid stands in its output folder before the first result, and is not lost."""

from types import SimpleNamespace

import pytest

from benchmarks import record
from benchmarks.plan.question import asked as ask_again
from benchmarks.session import asked
from benchmarks.session.asked import ask
from benchmarks.session.earlier_questions import asked_before, asked_elsewhere

QUESTION = dict(metric='dice', equivalence_margin=0.5, method='m', primary=[['attention', 'baseline']])
PLAN = SimpleNamespace(cells=[SimpleNamespace(tested=key) for key in 'xyz'])


@pytest.fixture
def say(monkeypatch, synthetic_facts, tmp_path):
    """Ask a question with some results there; gives the questions that then stand in grid.json."""

    def grid_content(question, out, n_results, name):
        earlier = asked_before(out, tmp_path / 'cache') or asked_elsewhere(
            tmp_path / 'cache', name, set('xyz'), question
        )
        return synthetic_facts['grid'] | dict(questions=ask_again(question, earlier, n_results))

    def say(question, results=(), folder='out', name='grid'):
        monkeypatch.setattr(
            asked,
            'grid_content',
            lambda experiment, command, out, n_results: grid_content(question, out, n_results, name),
        )
        state = SimpleNamespace(results=dict.fromkeys(results, 'a result'))
        request = SimpleNamespace(settings=SimpleNamespace(cache=tmp_path / 'cache'), grid=SimpleNamespace(name=name))
        ask(SimpleNamespace(plan=PLAN, request=request), state, 'command', tmp_path / folder)
        return record.read_grid_json(tmp_path / folder)['questions']

    return say


def test_the_question_is_there_before_the_first_result(say):
    assert say(QUESTION) == [QUESTION | dict(n_results=0)]


def test_it_is_written_once_and_what_else_stands_there_stays(say, tmp_path):
    say(QUESTION)
    written = record.read_grid_json(tmp_path / 'out') | dict(command='the first')
    record.write_grid(tmp_path / 'out', written)
    before = (tmp_path / 'out' / 'grid.json').stat().st_mtime_ns
    assert say(QUESTION, 'xy') == [QUESTION | dict(n_results=0)]
    assert (tmp_path / 'out' / 'grid.json').stat().st_mtime_ns == before
    assert [one['n_results'] for one in say(QUESTION | dict(equivalence_margin=1.0), 'xy')] == [0, 2]
    assert record.read_grid_json(tmp_path / 'out')['command'] == 'the first'


@pytest.mark.parametrize('content', ['torn', '[]', '{}'])
def test_an_unreadable_grid_json_is_replaced(say, tmp_path, content):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'grid.json').write_text(content)
    assert say(QUESTION, 'x') == [QUESTION | dict(n_results=1)]


def test_a_spoilt_grid_json_does_not_make_the_question_late(say, tmp_path):
    say(QUESTION)
    (tmp_path / 'out' / 'grid.json').write_text('spoilt')
    assert say(QUESTION, 'xyz') == [QUESTION | dict(n_results=0)]


def test_a_second_folder_knows_what_was_asked_of_the_same_results(say):
    first, other = say(QUESTION), QUESTION | dict(equivalence_margin=1.0)
    assert say(QUESTION, 'xyz', 'second') == first
    changed = say(other, 'xyz', 'third')
    assert changed == [*first, other | dict(n_results=3)]
    assert say(other, 'xyz', 'fourth') == changed  # it was asked late, in whichever folder
    assert say(QUESTION, 'xyz', 'fifth') == first


def test_another_grids_question_is_not_taken(say, tmp_path):
    say(QUESTION)
    assert say(QUESTION, 'xyz', 'second', name='another grid') == [QUESTION | dict(n_results=3)]
    assert asked_elsewhere(tmp_path / 'cache', 'grid', {'a', 'b'}, QUESTION) == []  # of other results
    (tmp_path / 'cache' / 'asked_older.json').write_text('{"questions": [{"n_results": 0}]}')  # without cells
    assert asked_elsewhere(tmp_path / 'cache', 'grid', set('x'), QUESTION) == [QUESTION | dict(n_results=0)]
