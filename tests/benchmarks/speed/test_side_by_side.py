"""Ratios of planted times, and what is kept of them."""

import json

import pytest

from benchmarks.speed import side_by_side as module
from benchmarks.speed.side_by_side import report, side_by_side, summarised


class Clock:
    """A clock that callables move forward."""

    def __init__(self):
        self.now, self.order = 0.0, []

    def takes(self, name, *seconds):
        rest = iter(seconds)

        def call():
            self.order.append(name)
            self.now += next(rest)

        return call


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module.time, 'perf_counter', lambda: clock.now)
    return clock


def test_the_ratio_is_the_median_of_rounds_and_the_first_call_is_not_timed(clock):
    line = side_by_side(
        'x', ('slow', clock.takes('slow', 99, 4, 6, 9)), ('fast', clock.takes('fast', 77, 2, 2, 3)), rounds=3, reach=2
    )
    assert (line.ratio, line.low, line.high, line.rounds) == (3, 2.5, 3, 3)
    assert (line.reference_s, line.ours_s, line.reach) == (6, 2, 2)


def test_the_order_alternates(clock):
    side_by_side('x', ('a', clock.takes('a', 1, 1, 1)), ('b', clock.takes('b', 1, 1, 1)), rounds=2)
    assert clock.order[2:] in (['b', 'a', 'a', 'b'], ['a', 'b', 'b', 'a'])


def test_rounds_of_other_number_are_refused():
    with pytest.raises(ValueError):
        summarised('x', 'a', 'b', [1.0, 2.0], [1.0])


def test_the_report_keeps_lines_and_machine(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, 'RESULTS', tmp_path / 'speed')
    path = report('planted', [summarised('x', 'slow', 'fast', [2.0], [0.5], reach=3, note='equal')], threads=1)
    kept = json.loads(path.read_text())
    assert kept['lines'][0]['ratio'] == 4 and kept['threads'] == 1 and kept['environment']['cpu']['cores']
    assert '4.00× [4.00, 4.00], to reach 3×; equal' in capsys.readouterr().out
