"""Runs whose driver does not wait, on a queue that runs nothing by itself."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_grid import chain, plan_of, stage

from benchmarks.plan.plan import Plan
from benchmarks.run.slurm.book import Book, Entry, Note, write_note
from benchmarks.run.slurm.detached import Detached, End, judged, part_of
from benchmarks.run.slurm.job import Job
from benchmarks.run.slurm.settings import SlurmSettings
from benchmarks.run.state import State, look_up
from benchmarks.store.store import Result, Store

SETTINGS = SlurmSettings(time=1000.0, tries=3, mem=2 * 10**9)


class PretendQueue:
    """Keeps jobs until a test says how each of them goes."""

    def __init__(self, store, settings=SETTINGS):
        self.store, self.settings, self.folder = store, settings, store.root.parent / 'slurm' / 'logs'
        self.jobs, self.state, self.arrays = {}, {}, []

    def submit(self, jobs, *, alone):
        numbers = [str(len(self.jobs) + index) for index in range(len(jobs))]
        self.jobs |= dict(zip(numbers, jobs))
        self.state |= dict.fromkeys(numbers, 'PENDING')
        self.arrays.append((alone, numbers))
        return numbers

    def states(self, numbers):
        return {number: self.state[number] for number in numbers}

    def live(self):
        return [number for number, state in self.state.items() if state == 'PENDING']

    def compute(self, number, most=None, failing=()):
        """Store the results of a job's stages, at most so many."""
        for one in list(self.missing(number))[:most]:
            with self.store.writing(one.key) as folder:
                status = 'diverged' if one.key in failing else 'ok'
                facts, reason = dict(seconds=1.0), None if status == 'ok' else 'nan'
                whole = dict(ingredients=one.ingredients, label=one.label)
                self.store.commit(one.kind, one.key, folder, status=status, reason=reason, facts=facts, **whole)

    def missing(self, number):
        stages = self.jobs[number].plan.stages.values()
        return [one for one in stages if self.store.get(one.kind, one.key) is None]

    def end(self, number, state, note=None):
        self.state[number] = state
        if note is not None:
            write_note(self.store.root.parent / 'slurm' / self.jobs[number].folder.rpartition('/')[2], note)

    def finish(self, number, **more):
        self.compute(number, **more)
        self.end(number, 'COMPLETED', Note(ended='done'))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / 'store')


@pytest.fixture
def queue(store):
    return PretendQueue(store)


LIKE = Job(Plan([], {}, {}, []), 'store', '', 'cpu', 1, 1000.0)


def invoke(plan, store, queue, **more):
    """What the same command does when it is run again."""
    found, _ = look_up(store, plan)
    detached = Detached(plan, store, found, queue, Book(store.root.parent / 'slurm'), LIKE, **more)
    return detached.run(), detached.tally


def statuses(state):
    return {
        (state.plan.stages[key].kind, state.plan.stages[key].stack[0]): one.status for key, one in state.results.items()
    }


def test_an_invocation_submits_what_is_missing_and_the_next_one_collects(store, queue):
    plan = plan_of(*chain('a'), *chain('b'))
    state, tally = invoke(plan, store, queue)
    assert (tally.submitted, tally.stages, len(state.open())) == (2, 6, 6)
    assert queue.arrays == [(False, ['0', '1'])]
    state, tally = invoke(plan, store, queue)
    assert (tally.submitted, dict(tally.states)) == (0, dict(PENDING=2))
    queue.finish('0')
    state, tally = invoke(plan, store, queue)
    assert (len(state.results), tally.submitted, dict(tally.states)) == (3, 0, dict(PENDING=1))
    queue.finish('1')
    state, tally = invoke(plan, store, queue)
    assert not state.open() and Book(store.root.parent / 'slurm').entries() == []


def test_the_store_counts_whatever_the_book_says(store, queue):
    """The book knows of a job for a stage that has its result, and none of a job that its invocation lost."""
    plan = plan_of(*chain('a'))
    invoke(plan, store, queue)
    queue.compute('0')
    assert not invoke(plan, store, queue)[0].open()
    book = Book(store.root.parent / 'slurm')
    store.discard('train', next(iter(plan.stages)))
    for entry in book.entries():
        book.forget(entry, entry.keys)
    assert invoke(plan, store, queue)[1].submitted == 1


def test_measurements_are_submitted_as_an_array_of_their_own_when_their_trainings_are_done(store, queue):
    train = stage('train', 'a')
    plan = plan_of(train, stage('profile', 'a', train))
    invoke(plan, store, queue)
    queue.finish('0')
    invoke(plan, store, queue)
    assert queue.arrays == [(False, ['0']), (True, ['1'])]


def test_a_failed_job_stops_nothing_else_and_a_stage_that_fails_blocks_what_reads_it(store, queue):
    a, b, c = chain('a'), chain('b'), chain('c')
    plan = plan_of(*a, *b, *c)
    invoke(plan, store, queue)
    queue.compute('0', most=1, failing={a[0].key})
    queue.end('0', 'COMPLETED', Note(ended='done'))
    queue.end('1', 'FAILED', Note(ended='error', reason='ImportError: no torch'))
    queue.finish('2')
    state, tally = invoke(plan, store, queue)
    assert (tally.submitted, dict(tally.again)) == (1, dict(error=3))
    queue.end('3', 'FAILED', Note(ended='error', reason='ImportError: no torch'))
    state, tally = invoke(plan, store, queue)
    assert not state.open() and tally.submitted == 0
    assert statuses(state)['train', 'a'] == 'diverged' and statuses(state)['refine', 'c'] == 'ok'
    result = state.results[b[0].key]
    assert result.status == 'failed'
    assert result.reason.startswith(
        'its job ended 2 times without a result; job 3, FAILED: ImportError: no torch; log in '
    )
    assert invoke(plan, store, queue)[1].submitted == 0


@pytest.mark.parametrize('state', ['PREEMPTED', 'CANCELLED', 'NODE_FAIL', 'BOOT_FAIL', 'GONE'])
def test_a_stage_that_is_preempted_is_submitted_again_and_at_last_has_a_status_of_its_own(store, queue, state):
    plan = plan_of(*chain('a'))
    for number in range(SETTINGS.tries):
        assert invoke(plan, store, queue)[1].submitted == 1
        queue.end(str(number), state)
    ended, tally = invoke(plan, store, queue)
    assert (statuses(ended)['train', 'a'], tally.submitted) == ('preempted', 0)
    result = ended.results[next(iter(plan.stages))]
    assert result.reason.startswith(f'pre-empted 3 times (--slurm tries); job 2, {state}; log in ')
    store.discard('train', result.folder.name)  # as --retry-failed leaves it out
    assert invoke(plan, store, queue)[1].submitted == 1, 'earlier pre-emptions are forgotten'


def test_a_job_that_the_queue_itself_begins_again_is_live(store, queue):
    plan = plan_of(*chain('a'))
    invoke(plan, store, queue)
    queue.end('0', 'PENDING', Note(ended='preempted'))
    assert invoke(plan, store, queue)[1].submitted == 0


def end(why, left_s=None, beside=0):
    return End(why, left_s, beside, 'job 7, X')


@pytest.mark.parametrize(
    'ends, expected',
    [
        (
            [end('limit', 950)],
            ('timeout', 'longer than the time limit of its job, 16.6667 min (--slurm time); job 7, X'),
        ),
        ([end('limit', 400)], None),
        ([end('limit')], None),
        ([end('out_of_memory', 10)], ('out_of_memory', 'more memory than its job has, 2 GB (--slurm mem); job 7, X')),
        ([end('out_of_memory', 10, beside=1)], None),
        ([end('out_of_memory')], None),
        ([end('preempted')] * 2, None),
        ([end('preempted')] * 3, ('preempted', 'pre-empted 3 times (--slurm tries); job 7, X')),
        ([end('error'), *[end('preempted')] * 2], None),
        ([end('error')] * 2, ('failed', 'its job ended 2 times without a result; job 7, X')),
        ([end('done')] * 9, None),
    ],
)
def test_which_end_of_a_job_is_the_result_of_a_stage(ends, expected):
    assert judged(ends, SETTINGS) == expected


def test_a_job_names_the_stages_of_its_own(store, queue):
    a = chain('a')
    plan = plan_of(*a)
    invoke(plan, store, queue)
    queue.compute('0', most=1)
    queue.end('0', 'PREEMPTED')
    invoke(plan, store, queue)
    assert set(queue.jobs['1'].plan.stages) == {one.key for one in a}
    assert queue.jobs['1'].keys == {one.key for one in a[1:]}


def test_a_stage_that_was_cut_off_in_a_shared_job_gets_one_of_its_own(store, queue):
    a, b = chain('a'), chain('b')
    plan = plan_of(*a, *b)
    short = dict(seconds=lambda keys: dict.fromkeys(keys, 1.0))
    invoke(plan, store, queue, **short)
    assert len(queue.jobs) == 1
    queue.compute('0', most=1)
    queue.end('0', 'TIMEOUT', Note(at_work={b[0].key: 500.0}))
    _, tally = invoke(plan, store, queue, **short)
    assert (tally.submitted, dict(tally.again)) == (2, dict(limit=5))
    assert [sorted(one.kind for one in queue.missing(number)) for number in '12'] == [
        ['predict', 'refine'],
        ['predict', 'refine', 'train'],
    ]


def test_a_job_reads_one_of_several_parents_and_carries_no_unfinished_ones():
    trains = [stage('train', name) for name in 'ab']
    profile = replace(stage('profile', 'x', *trains), configs=(dict(name='with a'), dict(name='with b')))
    plan = plan_of(*trains, profile)
    state = State(plan, {trains[1].key: Result(Path(), 'ok', None, {}, {}, '', True)})
    part = part_of(state, [profile])
    assert set(part) == {trains[1].key, profile.key}
    assert part[profile.key].config == dict(name='with b') and part[profile.key].configs == ()


def test_a_grid_with_jobs_that_are_preempted_at_random_is_finished_and_computes_nothing_twice(store, queue):
    plan, chance, computed = plan_of(*(one for number in range(60) for one in chain(str(number)))), random.Random(1), []
    queue.settings = SlurmSettings(tries=100)
    for _ in range(200):
        state, _ = invoke(plan, store, queue)
        if not state.open():
            break
        for number in queue.live():
            if chance.random() < 0.5:
                continue
            before = set(one.key for one in queue.missing(number))
            if chance.random() < 0.6:
                queue.compute(number, most=chance.randrange(3))
                queue.end(number, 'PREEMPTED')
            else:
                queue.finish(number)
            computed += before - {one.key for one in queue.missing(number)}
    assert len(state.results) == 180 and all(one.ok for one in state.results.values())
    assert len(computed) == len(set(computed)) == 180 and len(queue.arrays) > 5
    assert Book(store.root.parent / 'slurm').entries() == []


def test_another_grids_jobs_are_left_alone_and_a_shared_stage_is_not_submitted_twice(store, queue):
    a, b = chain('a'), chain('b')
    invoke(plan_of(*a), store, queue)
    book = Book(store.root.parent / 'slurm')
    book.enter(Entry('foreign', '99', (('train', 'f' * 40),)))
    state, tally = invoke(plan_of(a[0], *b), store, queue)
    assert tally.submitted == 1 and {one.kind for one in queue.missing('1')} == {'train', 'predict', 'refine'}
    assert {entry.name for entry in book.entries()} >= {'foreign'}
