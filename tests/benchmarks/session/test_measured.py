from types import SimpleNamespace

from benchmarks.run.watched import Died, Late
from benchmarks.session.measured import measured


def test_each_item_is_measured_once_and_nothing_known_is_an_answer(tmp_path):
    asked = []

    def watched(prepare, items, limit_s, at_once):
        asked.extend(items)
        yield from ((number, prepare[item]) for number, item in reversed(list(enumerate(items))))

    wanted = {name: (name.upper(), tmp_path / f'{name}.json') for name in 'abc'}
    (tmp_path / 'a.json').write_text('{"older": 1}')
    answers = dict(A=9216.0, B=Late(), C=Died(-9))
    for _ in range(2):
        found = measured(wanted, answers, SimpleNamespace(watched=watched))
        assert found == dict(a=9216.0, b=None, c=None)
    assert asked == ['A', 'B', 'C']
