"""Calls in watched processes: a call that hangs or crashes costs its own item, and no other."""

import multiprocessing
import os
import signal
import time
from functools import partial

import pytest

from benchmarks.errors import BadInput
from benchmarks.run.watched import Died, Late, call_watched

FORK = multiprocessing.get_context('fork')


def halves(log=None):
    def half(item):
        if item == 'hang':
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # as compiled code does, by not looking
            time.sleep(600)
        if item == 'crash':
            os.kill(os.getpid(), signal.SIGUSR1)
        return item / 2, os.getpid()

    if log:
        log.open('a').write('prepared\n')
    return half


def ends():
    os._exit(4)


def leaves():
    raise SystemExit(4)


def refuses():
    raise BadInput('lab.py cannot be imported')


def called(items, **options):
    options = {'limit_s': 60, 'at_once': 1} | options
    return dict(call_watched(halves, items, FORK, **options))


def test_every_item_has_its_result():
    answers = called([1, 2, 3, 4, 5], at_once=2)
    assert {item: answer[0] for item, answer in answers.items()} == {0: 0.5, 1: 1, 2: 1.5, 3: 2, 4: 2.5}


def test_a_process_is_prepared_once_for_all_its_items(tmp_path):
    log = tmp_path / 'log'
    answers = dict(call_watched(partial(halves, log), [1, 2, 3], FORK, limit_s=60, at_once=1))
    assert len({pid for _, pid in answers.values()}) == 1
    assert log.read_text() == 'prepared\n'


@pytest.mark.parametrize('at_once', [1, 2, 5])
def test_what_hangs_or_crashes_costs_its_own_item(at_once):
    answers = called([1, 'hang', 2, 'crash', 3], at_once=at_once, limit_s=1)
    assert (answers[1], answers[3]) == (Late(), Died(-signal.SIGUSR1))
    assert [answers[item][0] for item in (0, 2, 4)] == [0.5, 1, 1.5]


def test_no_item_starts_no_process():
    assert called([]) == {}


@pytest.mark.parametrize(
    ('prepare', 'error', 'text'),
    [(ends, RuntimeError, 'exit status 4'), (leaves, RuntimeError, 'SystemExit'), (refuses, BadInput, 'lab.py cannot')],
)
def test_a_process_that_cannot_be_prepared_is_told(prepare, error, text):
    with pytest.raises(error, match=text):
        list(call_watched(prepare, [1], FORK, limit_s=60, at_once=1))


def test_a_caller_that_stops_early_leaves_no_process():
    answers = call_watched(halves, [1, 2], FORK, limit_s=60, at_once=1)
    _, (_, pid) = next(answers)
    answers.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
