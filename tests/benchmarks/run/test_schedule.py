"""The scheduler's rules, asked of states made by hand: no store, no launcher, no clock."""

from dataclasses import replace

import pytest

from benchmarks.kinds import OF_CELLS
from benchmarks.plan.plan import Stage
from benchmarks.run.schedule import Decision, View, decide


def stage(name, kind='train', *parents):
    return Stage(kind, name, (name,), 0, '', {}, tuple((one.kind, one.key) for one in parents), {})


def view(*ready, running=(), jobs=2, **fields):
    return View(tuple(ready), frozenset(map(tuple, running)), jobs, **fields)


def started(decision):
    """The names of the stages of each process that starts."""
    return [[one.key for one in stages] for stages in decision.start]


def test_late_kinds_start_first():
    ready = [stage(kind, kind) for kind in OF_CELLS]
    late_first = ['refine', 'select', 'choose', 'predict', 'combine', 'take', 'label', 'train']
    assert started(decide(view(*ready, jobs=8))) == [[kind] for kind in late_first]


def test_stages_of_a_kind_start_in_the_plans_order_as_many_as_there_are_jobs():
    trains = [stage(name) for name in 'zayb']
    assert started(decide(view(*trains, jobs=3))) == [['z'], ['a'], ['y']]
    assert started(decide(view(*trains, running=['1', '2'], jobs=3))) == [['z']]
    assert decide(view(*trains, running=['12', '3', '4'], jobs=3)) == Decision()


def test_each_seed_has_all_its_stacks_before_the_next_the_longest_first():
    trains = [
        replace(stage(f'{stack}{seed}{fold}'), stack=tuple(stack), seed=seed, fold=fold)
        for stack in ('', 'b', 'bc', 'd')
        for seed in (0, 1)
        for fold in (0, 1)
    ]
    expected = [f'{stack}{seed}{fold}' for seed in (0, 1) for fold in (0, 1) for stack in ('bc', 'b', 'd', '')]
    assert started(decide(view(*trains, jobs=16))) == [[name] for name in expected]
    kinds = [replace(stage('t'), stack=tuple('abc')), replace(stage('r', 'refine'), seed=3)]
    assert started(decide(view(*kinds))) == [['r'], ['t']]


def test_nothing_is_ready():
    assert decide(view()) == decide(view(running=['1'])) == Decision()


def test_a_batch_is_one_process_and_one_job():
    predicts = [stage(name, 'predict') for name in 'abc']
    batches = dict(a='x', b='y', c='x')
    assert started(decide(view(*predicts, batches=batches, jobs=1))) == [['a', 'c']]
    assert started(decide(view(*predicts, batches=batches, jobs=2))) == [['a', 'c'], ['b']]


def test_stages_without_a_batch_run_apart():
    predicts = [stage(name, 'predict') for name in 'abc']
    assert started(decide(view(*predicts, batches=dict(a=None, b=None), jobs=3))) == [['a'], ['b'], ['c']]


def test_free_jobs_share_a_batch_of_refinements():
    refines = [stage(name, 'refine', stage(of, 'predict')) for name, of in zip('abcd', 'pqpq')]
    batches = dict.fromkeys('abcd', 'x')
    assert started(decide(view(*refines, batches=batches, jobs=1))) == [['a', 'c', 'b', 'd']]
    assert started(decide(view(*refines, batches=batches, jobs=2))) == [['a', 'c'], ['b', 'd']]
    assert started(decide(view(*refines, batches=batches, jobs=3, running=['1']))) == [['a', 'c'], ['b', 'd']]


WAITING = dict(batches=dict(r='x'), batches_to_come=frozenset('x'))


@pytest.mark.parametrize(
    'ready, fields, expected',
    [
        ('rt', dict(jobs=1), [['t']]),
        ('rt', dict(jobs=2), [['t'], ['r']]),
        ('r', dict(jobs=1), [['r']]),
        ('rt', dict(jobs=1, maps_limited=True), [['r']]),
        ('rt', dict(jobs=1, batches_to_come=frozenset('y')), [['r']]),
    ],
    ids=[
        'other work first',
        'an idle job takes it',
        'nothing else to do',
        'maps take scarce space',
        'of another batch',
    ],
)
def test_a_batch_waits_for_stages_that_are_to_join_it_while_there_is_other_work(ready, fields, expected):
    stages = dict(r=stage('r', 'refine'), t=stage('t'))
    assert started(decide(view(*(stages[name] for name in ready), **{**WAITING, **fields}))) == expected


def test_a_process_that_does_not_fit_on_the_gpu_holds_back_all_behind_it():
    asked = []

    def fits(process, beside):
        asked.append((process, beside))
        return 'b' not in process

    trains = [stage(name) for name in 'abc']
    decision = decide(view(*trains, running=['r'], jobs=9, fits=fits))
    assert started(decision) == [['a']] and decision.held_back == ('b',)
    # What starts at the same time counts as running.
    assert asked == [(('a',), frozenset({('r',)})), (('b',), frozenset({('r',), ('a',)}))]


def test_a_whole_batch_is_held_back():
    predicts = [stage(name, 'predict') for name in 'ab']
    decision = decide(view(*predicts, batches=dict(a='x', b='x'), running=['r'], fits=lambda *_: False))
    assert decision == Decision(held_back=('a', 'b'))


def test_without_a_free_job_nothing_is_held_back():
    assert decide(view(stage('a'), running=['1', '2'], fits=lambda *_: False)) == Decision()


PROFILE, FAILED, TRAIN = stage('p', 'profile'), stage('f'), stage('t')
ALONE = frozenset('pf')


def test_stages_that_need_the_machine_to_themselves_come_when_nothing_else_is_left():
    assert started(decide(view(PROFILE, FAILED, TRAIN, alone=ALONE))) == [['t']]
    assert decide(view(PROFILE, FAILED, running=['t'], alone=ALONE)) == Decision()


def test_they_start_one_at_a_time_those_that_measure_last():
    assert started(decide(view(PROFILE, FAILED, alone=ALONE, jobs=9))) == [['f']]
    assert started(decide(view(PROFILE, stage('q', 'profile'), alone=frozenset('pq'), jobs=9))) == [['p']]


def test_nothing_starts_beside_them():
    assert decide(view(TRAIN, running=['f'], alone=ALONE, jobs=9, fits=lambda *_: True)) == Decision()


def test_they_are_never_asked_for_memory():
    assert started(decide(view(FAILED, alone=ALONE, fits=lambda *_: pytest.fail('asked')))) == [['f']]


def test_they_join_no_batch():
    predicts = [stage(name, 'predict') for name in 'ab']
    both = dict.fromkeys('ab', 'x')
    assert started(decide(view(*predicts, batches=both, alone=frozenset('b')))) == [['a']]


def test_asking_changes_nothing():
    state = view(*map(stage, 'abc'), running=['r'], jobs=3, batches=dict(a='x', b='x'))
    assert decide(state) == decide(state)


def test_within_a_seed_the_longest_chain_starts_first_whatever_its_number_of_techniques():
    trains = [replace(stage(name), stack=tuple(name), seed=seed) for name, seed in (('a', 0), ('bc', 0), ('def', 1))]
    seconds = dict(a=30.0, bc=20.0)
    seconds['def'] = 90.0
    assert started(decide(view(*trains, jobs=1, seconds=seconds, work_s=1000.0))) == [['a']]
    assert started(decide(view(*trains, jobs=3, seconds=seconds, work_s=1000.0))) == [['a'], ['bc'], ['def']]


def test_a_chain_that_would_end_last_starts_before_late_kinds():
    ready = [stage('r', 'refine'), stage('t')]
    seconds = dict(r=10.0, t=60.0)
    assert started(decide(view(*ready, jobs=1, seconds=seconds, work_s=130.0))) == [['r']]
    assert started(decide(view(*ready, running=['x'], jobs=2, seconds=seconds, work_s=100.0))) == [['t']]
    assert started(decide(view(*ready, running=['x'], jobs=2, seconds=seconds, work_s=100.0, maps_limited=True))) == [
        ['r']
    ]
