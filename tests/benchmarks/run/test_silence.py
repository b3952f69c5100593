"""A stage that stands still is ended after a day without a limit; one that works, waits, or is stopped is not."""

import multiprocessing
import time

import pytest

from benchmarks.run import silence
from benchmarks.run.contract import STANDS_STILL, TIMEOUT
from benchmarks.run.launcher import STOOD_STILL, LocalLauncher, _Running
from benchmarks.run.silence import LOOK_S, STANDS_STILL_S, Silence
from benchmarks.stages.progress import FILE
from benchmarks.stages.worker import LOG
from benchmarks.store.store import Store

KEY = 'a' * 40


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def watched(tmp_path):
    """``watched(seconds, …)``: whether the stage stands still in the end, after looks at so many seconds apart."""
    clock = Clock()
    watch = Silence(clock)

    def look(*seconds, at_work=lambda: [tmp_path]):
        for pause in seconds:
            clock.now += pause
            found = watch.look(at_work)
        return found

    return look


def day(pause=LOOK_S):
    return [pause] * round(STANDS_STILL_S / pause)


def test_a_day_without_a_sign_is_a_standstill_and_not_a_second_less(tmp_path, watched):
    (tmp_path / LOG).write_text('begins\n')
    assert not watched(0, *day()[1:])
    assert not watched(LOOK_S - 1) and watched(1)


@pytest.mark.parametrize('sign', ['a line', 'a step', 'a step as long'])
def test_each_sign_of_progress_begins_the_day_anew(tmp_path, watched, sign):
    (tmp_path / LOG).write_text('begins\n')
    (tmp_path / FILE).write_text('{"step": 1}')
    assert not watched(0, *day()[1:])
    if sign == 'a line':
        with open(tmp_path / LOG, 'a') as log:
            log.write('step 2\n')
    else:
        other = tmp_path / 'other'
        other.write_text('{"step": 2}' if sign == 'a step as long' else '{"step": 1000}')
        other.replace(tmp_path / FILE)
    assert not watched(LOOK_S, *day()[1:]) and watched(LOOK_S)


def test_a_stage_that_waits_for_its_locks_has_no_log_and_is_never_late(tmp_path, watched):
    assert not watched(0, *day(), *day())
    assert not watched(0, *day(), *day(), at_work=lambda: [])


def test_time_in_which_nobody_looks_does_not_count(tmp_path, watched):
    """The driver was stopped, and its stages with it, or the computer slept."""
    (tmp_path / LOG).write_text('begins\n')
    assert not watched(0, *[STANDS_STILL_S] * 100)


def test_a_folder_that_cannot_be_read_tells_nothing(tmp_path, watched):
    (tmp_path / LOG).write_text('begins\n')

    def unreadable():
        raise OSError(116, 'Stale file handle')

    assert not watched(0, *day()[1:]) and not watched(*day(), at_work=unreadable)
    assert watched(LOOK_S)


def computes(root, pause_s, steps):
    """What a stage's process does: it holds its key, begins its log, and writes a line now and then."""
    with Store(root).writing(KEY) as folder:
        (folder / LOG).write_text('begins\n')
        for step in range(steps):
            time.sleep(pause_s)
            with open(folder / LOG, 'a') as log:
                log.write(f'step {step}\n')


def end_of(root, launcher, pause_s, steps):
    """The complaint about a real process, or None if it ended well."""
    process = multiprocessing.get_context('fork').Process(target=computes, args=(root, pause_s, steps))
    process.start()
    launcher.running.append(_Running(process, [KEY], Store(root)))
    deadline = time.monotonic() + 120
    while not (ended := launcher.poll()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert not process.is_alive() and launcher.running == []
    return ended[KEY]


def test_a_real_process_that_hangs_is_ended_with_the_reason_and_the_cure(tmp_path, monkeypatch):
    monkeypatch.setattr(silence, 'STANDS_STILL_S', 2.0)
    monkeypatch.setattr(silence, 'LOOK_S', 0.1)
    start = time.monotonic()
    assert end_of(tmp_path, LocalLauncher(), 600, 1) == STOOD_STILL
    assert time.monotonic() - start > 2
    assert STOOD_STILL.startswith(STANDS_STILL) and '24 h (--timeout SECONDS' in STOOD_STILL


def test_a_real_process_that_works_slowly_is_left_alone(tmp_path, monkeypatch):
    """Each of its steps takes a twentieth of the limit, and all together take it three times."""
    monkeypatch.setattr(silence, 'STANDS_STILL_S', 2.0)
    monkeypatch.setattr(silence, 'LOOK_S', 0.1)
    start = time.monotonic()
    assert end_of(tmp_path, LocalLauncher(), 0.1, 60) is None
    assert time.monotonic() - start > 4


def test_a_limit_replaces_it_and_an_endless_one_ends_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(silence, 'STANDS_STILL_S', 0.2)
    monkeypatch.setattr(silence, 'LOOK_S', 0.1)
    assert end_of(tmp_path / 'one', LocalLauncher(1.0), 600, 1) == TIMEOUT
    assert end_of(tmp_path / 'other', LocalLauncher(float('inf')), 1.5, 1) is None
