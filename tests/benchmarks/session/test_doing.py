"""What takes longer than two seconds is said: one refreshing line on a terminal, a line now and then in a log."""

import io
import time

import pytest

from benchmarks.session import doing as module
from benchmarks.session.doing import Doing, doing, duration


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(module, 'SILENT_S', 0.05)
    monkeypatch.setattr(module, 'REFRESH_S', 0.02)
    monkeypatch.setattr(module, 'LOG_INTERVAL_S', 0.05)


def shown(stream, seconds):
    with doing('reading the data', 'files', stream) as what:
        what.advance(1, 4)
        end = time.monotonic() + seconds
        while time.monotonic() < end and (seconds < 0.05 or stream.getvalue().count('reading') < 2):
            time.sleep(0.01)
    return stream.getvalue()


def test_a_log_gets_whole_lines_and_a_terminal_one_line_that_vanishes(hasty):
    lines = shown(io.StringIO(), 20).splitlines()
    assert len(lines) >= 2 and all(line.startswith('  … reading the data: 1 of 4 files, 0:00') for line in lines)
    text = shown(Terminal(), 20)
    assert '\n' not in text and text.startswith('\r') and text.endswith(module.CLEAR)


def test_what_is_quick_says_nothing(monkeypatch):
    monkeypatch.setattr(module, 'SILENT_S', 60.0)
    assert shown(io.StringIO(), 0.01) == ''


def test_a_line_tells_how_long_it_may_still_take():
    what = Doing('checking', 'stacks')
    what.started -= 30
    assert what.line() == '  … checking, 0:30'
    what.advance(3, 9)
    assert what.line() == '  … checking: 3 of 9 stacks, 0:30, about 1:00 left'
    what.now('planning')
    assert what.line().startswith('  … planning: 3 of 9')
    assert duration(3700) == '1:01:40'


def test_an_exception_passes_and_ends_the_lines(hasty):
    stream = io.StringIO()
    with pytest.raises(ValueError, match='out'), doing('x', stream=stream):
        raise ValueError('out')
    text = stream.getvalue()
    time.sleep(0.2)
    assert stream.getvalue() == text
