"""Who gets the machine: a stage that measures gets its turn, whoever waits says for whom, and a kill frees the rest."""

import json
import multiprocessing
import time

import pytest

from benchmarks.session.display import describe
from benchmarks.stages.progress import say_waiting
from benchmarks.store.machine import Machine
from benchmarks.store.store import Store

PATIENCE_S = 30
CONTEXT = multiprocessing.get_context('fork')


def _hold(root, name, alone, events, release):
    def tell(text):
        events.put((name, 'waits', text))

    with Store(root).machine(alone=alone, stage=name, tell=tell):
        events.put((name, 'has', ''))
        release.wait(PATIENCE_S)
    events.put((name, 'left', ''))


class Stage:
    """A process that wants the machine, and keeps it until it is released."""

    def __init__(self, root, name, alone, events):
        self.release = CONTEXT.Event()
        self.process = CONTEXT.Process(target=_hold, args=(root, name, alone, events, self.release))
        self.process.start()

    def end(self):
        self.release.set()
        self.process.join(PATIENCE_S)

    def kill(self):
        self.process.kill()
        self.process.join()


@pytest.fixture
def world(tmp_path):
    """(starts a stage, the next event)."""
    events, stages = CONTEXT.Queue(), []

    def start(name, *, alone=False):
        stages.append(Stage(tmp_path, name, alone, events))
        return stages[-1]

    yield start, lambda: events.get(timeout=PATIENCE_S)
    for stage in stages:
        stage.kill()


def test_a_waiting_measurement_comes_before_trainings_that_ask_later(world):
    start, event = world
    first = start('train a')
    assert event() == ('train a', 'has', '')
    start('train b').end()
    assert [event()[1], event()[1]] == ['has', 'left']  # trainings share the machine
    profile = start('profile c', alone=True)
    name, what, text = event()
    assert (name, what) == ('profile c', 'waits') and text.startswith('train a (') and 'process' in text
    later = start('train d')
    name, what, text = event()
    assert (name, what) == ('train d', 'waits') and text.startswith('profile c (') and text.endswith('comes first')
    first.end()
    order = []
    while ('train d', 'has') not in order:
        order.append(event()[:2])
        if order[-1] == ('profile c', 'has'):
            time.sleep(0.3)  # several times as long as the waiting one looks again
            assert ('train d', 'has') not in order
            profile.end()
    assert order.index(('profile c', 'has')) < order.index(('train d', 'has'))
    later.end()


@pytest.mark.parametrize('killed', ['waits', 'has'])
def test_a_killed_measurement_keeps_nobody_waiting(world, tmp_path, killed):
    start, event = world
    if killed == 'waits':
        start('train a')
        event()
    profile = start('profile b', alone=True)
    assert event()[1] == killed
    later = start('train c')
    assert event()[:2] == ('train c', 'waits')
    profile.kill()
    assert event() == ('train c', 'has', '')
    assert 'profile b' not in [note['stage'] for note in Machine(tmp_path / 'machine').notes()]
    later.end()


def test_two_measurements_follow_each_other(world):
    start, event = world
    first = start('profile a', alone=True)
    assert event()[1] == 'has'
    second, third = start('profile b', alone=True), start('profile c', alone=True)
    assert {event()[1], event()[1]} == {'waits'}
    for stage in (first, second, third):
        stage.release.set()
    last = [event() for _ in range(5)]
    assert {entry[0] for entry in last if entry[1] == 'has'} == {'profile b', 'profile c'}


def test_the_display_says_for_whom_a_stage_waits(tmp_path):
    store = Store(tmp_path)
    key = 'a' * 40
    with store.writing(key) as folder:
        say_waiting(folder, "train x__seed0 ('run_ablation.py b.py', process 7)")
        line = describe(type('S', (), dict(kind='profile', label='baseline')), store.progress(key))
    assert line == "profile baseline  waits for train x__seed0 ('run_ablation.py b.py', process 7)"


def test_the_notes_of_killed_stages_are_cleared_and_those_of_living_ones_stay(world, tmp_path):
    start, event = world
    start('train a')
    killed = start('train b')
    assert event()[1] == event()[1] == 'has'
    killed.kill()
    store, folder = Store(tmp_path), Machine(tmp_path / 'machine').folder
    assert len(list(folder.glob('*.json'))) == 2
    store.clear_abandoned()
    (note,) = folder.glob('*.json')
    assert json.loads(note.read_text())['stage'] == 'train a'
