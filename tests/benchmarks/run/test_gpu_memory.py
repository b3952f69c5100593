"""Several stages at once on a pretended GPU: who is let in, what a lack of memory leads to, and what a kill leaves."""

import random
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.plan.plan import Plan, Stage
from benchmarks.run.contract import FAILED_ON_SHARED_GPU
from benchmarks.run.driver import Driver
from benchmarks.run.gpu_memory import CONTEXT_MIB, FIRST_STEPS, FRESH_S, MARGIN, GpuMemory
from benchmarks.run.state import look_up
from benchmarks.store.store import Result, Store

GIB = 1024


def key(name):
    return name.ljust(40, '0')


def named(label):
    """``x+y__seed0 member 2`` → the stack, seed and role of a stage with that label."""
    stack, _, rest = label.partition('__seed')
    seed, _, role = rest.partition(' ')
    return tuple(stack.split('+')) if stack != 'baseline' else (), int(seed) if rest else None, role


def stage(name, label=None, kind='train', *parents):
    steps = tuple((one.kind, one.key) for one in parents)
    return Stage(kind, key(name), *named(label or f'{name}__seed0'), {}, steps, {})


def plan_of(*stages):
    return Plan([], {one.key: one for one in stages}, {}, [])


class Clock:
    """Time passes when it is told to; no two looks see the same."""

    now = 1000.0

    def __call__(self):
        self.now += 1e-6
        return self.now


class Work:
    """What a stage takes: ``peak`` MiB in the end, of which after its first steps the share ``early``."""

    def __init__(self, peak, early=1.0, steps=30):
        self.peak, self.early, self.steps = peak, early, steps

    def at(self, step):
        if step < FIRST_STEPS:
            return self.peak * self.early * step / FIRST_STEPS
        return self.peak * (self.early + (1 - self.early) * (step - FIRST_STEPS) / (self.steps - FIRST_STEPS))


class PretendGpu:
    """Launcher, GPU and the running stages' reports: at each poll each process makes a step, or is still starting.

    Args:
        store: Where results go.
        works: What each stage takes, by key.
        total: MiB of the GPU.
        rng: Draws which process is slow, or silent, at a poll.
        others: MiB that other programs hold.
    """

    timeout_s = 5

    def __init__(self, store, works, total, clock, rng=None, others=0.0):
        self.store, self.works, self.total, self.clock, self.others = store, works, total, clock, others
        self.rng = rng or random.Random(0)
        self.steps, self.tasks, self.said, self.peers = {}, {}, {}, {}
        self.started, self.most, self.crowded, self.polls = [], 0, [], 0
        store.progress = lambda name, here: self.said.get(name, {})

    def submit(self, *tasks):
        for task in tasks:
            self.tasks[task.key], self.steps[task.key] = task, -self.rng.randrange(3)
            self.peers[task.key] = len(self.tasks) - 1
        assert not any(task.alone for task in self.tasks.values()) or len(self.tasks) == 1
        self.started.append((self.polls, *(task.key.strip('0') for task in tasks)))
        self.most = max(self.most, len(self.tasks))

    def used(self):
        return self.others + sum(
            CONTEXT_MIB + self.works[name].at(step) for name, step in self.steps.items() if step >= 0
        )

    def poll(self):
        self.clock.now += 0.1
        self.polls += 1
        ended = {}
        for name, task in list(self.tasks.items()):
            self.steps[name] += self.rng.random() < 0.8
            work, step = self.works[name], self.steps[name]
            if self.used() > self.total:
                ended[name] = self.end(task, work, 'out_of_memory')
            elif step == work.steps:
                ended[name] = self.end(task, work, 'ok')
            elif step > 0 and self.rng.random() < 0.5:
                self.said[name] = dict(
                    step=step,
                    total=work.steps,
                    gpu=dict(
                        reserved_mib=work.at(step),
                        peak_reserved_mib=work.at(step),
                        free_mib=self.total - self.used(),
                        at=self.clock(),
                    ),
                )
        return ended

    def end(self, task, work, status):
        """As a stage's process does: see ``worker``."""
        for told in (self.tasks, self.steps, self.said):
            told.pop(task.key, None)
        if status != 'ok' and task.shares_gpu:
            self.crowded.append(task.key)
            return FAILED_ON_SHARED_GPU
        with self.store.writing(task.key) as folder:
            self.store.commit(
                task.kind,
                task.key,
                folder,
                status=status,
                reason=None if status == 'ok' else 'CUDA',
                facts=dict(peak_reserved_mib=work.peak),
                ingredients={},
                label=task.label,
            )
        return None

    def cancel_all(self):
        self.tasks.clear()


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr('time.monotonic', clock)
    monkeypatch.setattr('benchmarks.run.driver.POLL_S', 0)
    return clock


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def driver_of(store, plan, launcher, *, jobs=5, retry_failed=False):
    found, _ = look_up(store, plan, retry_failed=retry_failed)
    return Driver(
        plan, store, launcher, found, device='cuda', jobs=jobs, retry_failed=retry_failed, gpu=GpuMemory(plan, store)
    )


def drive(store, works, clock, *, total=24 * GIB, plan=None, others=0.0, rng=None, **options):
    """Run a training for each of ``works`` (by name); statuses by name, and the launcher."""
    plan = plan or plan_of(*map(stage, works))
    launcher = PretendGpu(store, {key(name): work for name, work in works.items()}, total, clock, rng, others)
    state = driver_of(store, plan, launcher, **options).run(lambda state: None)
    return {name.rstrip('0'): result.status for name, result in state.results.items()}, launcher


def when(launcher):
    """The poll after which each stage was started, the last time that it was."""
    return {name: poll for poll, *names in launcher.started for name in names}


@pytest.mark.parametrize('seed', range(30))
def test_what_is_let_in_never_exceeds_the_gpu(store, clock, seed):
    """As long as stacks differ, and stages grow after their first steps, by less than the margin."""
    rng = random.Random(seed)
    typical, names = rng.uniform(1, 12) * GIB, 'abcdefghij'
    stacks = {name: Work(typical * rng.uniform(1, 1.2), rng.uniform(0.85, 1), rng.randrange(8, 40)) for name in 'xyz'}
    of = {name: rng.choice('xyz') for name in names}
    plan = plan_of(*(stage(name, f'{of[name]}__seed{n}') for n, name in enumerate(names)))
    others = rng.choice([0, 1, 4]) * GIB
    works = {name: stacks[of[name]] for name in names}
    done, launcher = drive(store, works, clock, plan=plan, total=24 * GIB, others=others, rng=rng)
    assert launcher.crowded == [] and done == dict.fromkeys(names, 'ok')
    assert len(launcher.started) == len(names) and launcher.most <= 5
    if typical * 1.2 * (1 + MARGIN) + 2 * CONTEXT_MIB < 24 * GIB - others:
        assert launcher.most > 1


@pytest.mark.parametrize('seed', range(30))
def test_whatever_stages_need_only_what_is_too_large_alone_fails(store, clock, seed):
    rng = random.Random(seed)
    names = 'abcdefghij'
    works = {
        name: Work(rng.choice([1, 2, 5, 12, 30]) * GIB * rng.uniform(0.8, 1), rng.uniform(0.1, 1), rng.randrange(6, 40))
        for name in names
    }
    done, launcher = drive(store, works, clock, total=24 * GIB, others=2 * GIB, rng=rng)
    assert done == {
        name: 'ok' if work.peak + CONTEXT_MIB <= 22 * GIB else 'out_of_memory' for name, work in works.items()
    }
    assert len(set(launcher.crowded)) == len(launcher.crowded)
    assert len(launcher.started) == len(names) + len(launcher.crowded)


def test_what_nobody_knows_starts_alone_and_is_joined_once_it_has_said_what_it_needs(store, clock):
    _, launcher = drive(store, {name: Work(4 * GIB, steps=60) for name in 'abcde'}, clock)
    started = when(launcher)
    assert started['a'] == 0 and started['b'] >= FIRST_STEPS and started['b'] < 30
    # 24 GiB hold five with their contexts; but the running ones may grow by a fifth, and a new stack may need half as
    # much again.
    assert launcher.most == 4


def test_another_seed_needs_what_the_first_has_needed(store, clock):
    """24 GiB hold three with their contexts; as long as none has ended two, because those that run may grow."""
    plan = plan_of(*(stage(f'a{n}', f'a__seed{n}') for n in range(5)))
    works = {f'a{n}': Work(7 * GIB, steps=60) for n in range(5)}
    _, launcher = drive(store, works, clock, plan=plan)
    started = when(launcher)
    assert started['a1'] < 60 <= started['a2'] and launcher.most == 3
    for n in range(2, 5):
        store.discard('train', key(f'a{n}'))
    _, launcher = drive(store, works, clock, plan=plan)
    started = when(launcher)
    assert started['a2'] == 0 < started['a3'] and started['a4'] < 10  # the first tells what is free
    assert launcher.most == 3


@pytest.mark.parametrize('others, at_once', [(0, 2), (6 * GIB, 1)])
def test_memory_of_other_programs_counts(store, clock, others, at_once):
    _, launcher = drive(store, {name: Work(7 * GIB) for name in 'ab'}, clock, others=others)
    assert launcher.most == at_once


def test_no_more_than_the_number_of_jobs(store, clock):
    _, launcher = drive(store, {name: Work(100, steps=60) for name in 'abcdef'}, clock, jobs=3)
    assert launcher.most == 3


SURPRISE = dict(a=Work(5 * GIB, steps=60), b=Work(21 * GIB, early=0.2, steps=30))


def test_what_runs_out_of_memory_beside_others_is_run_again_alone(store, clock):
    done, launcher = drive(store, SURPRISE, clock)
    assert launcher.most == 2 and launcher.crowded
    assert done == dict(a='ok', b='ok')


def test_what_runs_out_of_memory_alone_is_a_failure_until_it_is_retried(store, clock):
    works = SURPRISE | dict(b=Work(40 * GIB, early=0.2))
    done, launcher = drive(store, works, clock)
    assert done == dict(a='ok', b='out_of_memory') and launcher.crowded[-1] == key('b')
    assert drive(store, works, clock)[1].started == []
    done, launcher = drive(store, SURPRISE, clock, retry_failed=True)
    assert done == dict(a='ok', b='ok') and [names[1:] for names in launcher.started] == [('b',)]


def test_a_driver_killed_before_the_retry_leaves_no_failure(store, clock):
    launcher = PretendGpu(store, {key(name): work for name, work in SURPRISE.items()}, 24 * GIB, clock)
    driver = driver_of(store, plan_of(*map(stage, SURPRISE)), launcher)

    def kill(state):
        if launcher.crowded:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        driver.run(kill)
    lost = launcher.crowded[0]
    assert store.get('train', lost) is None
    for options in (dict(jobs=1), {}):
        found, reasons = look_up(store, driver.plan)
        assert not (lost in reasons and found.get(lost))
        assert drive(store, SURPRISE, clock, **options)[0] == dict(a='ok', b='ok')


def test_those_that_need_no_gpu_and_those_that_measure(store, clock):
    trains = [stage(name, f'e__seed0 member {name}') for name in 'ab']
    combine = stage('c', 'e__seed0', 'combine', *trains)
    profile = stage('p', 'e', 'profile', combine)
    more = stage('d')
    works = {name: Work(GIB, steps=60) for name in 'abcdp'}
    done, launcher = drive(store, works, clock, plan=plan_of(*trains, combine, more, profile))
    assert set(done.values()) == {'ok'} and launcher.started[-1][1:] == ('p',)  # alone: see PretendGpu.submit


class Said:
    """A store in which running stages have said what they are told to."""

    def __init__(self, clock, **reports):
        self.reports, self.clock = reports, clock

    def progress(self, name, here):
        report = self.reports.get(name.rstrip('0'))
        return (
            dict(
                step=report[0],
                total=100,
                gpu=dict(zip(('reserved_mib', 'peak_reserved_mib', 'free_mib', 'at'), report[1:])),
            )
            if report
            else {}
        )


def fits(said, clock, plan, process, *running, since=0.0, measured=()):
    gpu = GpuMemory(plan, said)
    for one, facts in measured:
        gpu.learn(one, Result(Path(), 'ok', None, facts, {}, one.label))
    keys = [tuple(map(key, names)) for names in running]
    return gpu.fits(tuple(map(key, process)), keys, {name: since for names in keys for name in names})


@pytest.mark.parametrize(
    'step, age, since, expected',
    [
        (FIRST_STEPS, 0.0, 0.0, True),
        (FIRST_STEPS - 1, 0.0, 0.0, False),
        (50, FRESH_S * 2, 0.0, False),
        (50, 0.0, 2000.0, False),
    ],
    ids=['settled', 'first steps', 'stale', 'of a process that is gone'],
)
def test_only_what_a_running_stage_has_lately_said_of_its_steps_counts(clock, step, age, since, expected):
    said = Said(clock, a=(step, 100.0, 100.0, 20000.0, clock.now - age))
    assert fits(said, clock, plan_of(stage('a'), stage('b')), 'b', 'a', since=since) is expected


@pytest.mark.parametrize('free, expected', [(CONTEXT_MIB + 300.0, True), (CONTEXT_MIB + 299.0, False)])
@pytest.mark.parametrize('number', [1, 3])
def test_a_larger_pass_needs_more_than_the_one_that_was_measured(clock, free, expected, number):
    refines = [stage(name, f'{name}__seed0', 'refine') for name in 'abc']
    said = Said(clock, t=(50, 100.0, 100.0, free, clock.now))
    process, facts = 'abc'[:number], dict(peak_reserved_mib=300.0 / number, stacks_in_pass=1)
    assert (
        fits(
            said,
            clock,
            plan_of(*refines, stage('t')),
            process,
            't',
            measured=[*((one, facts) for one in refines), (stage('t'), dict(peak_reserved_mib=100.0))],
        )
        is expected
    )


@pytest.mark.parametrize('missing', [0.0, 1.0])
@pytest.mark.parametrize(
    'peaks, held_back',
    [
        (dict(a=700.0, c=300.0), 200.0 + (300.0 + CONTEXT_MIB)),
        (dict(c=300.0), 100.0 + (300.0 + CONTEXT_MIB)),
        (dict(a=400.0, c=300.0), 300.0 + CONTEXT_MIB),
        ({}, 100.0 + (500.0 * MARGIN + CONTEXT_MIB)),
    ],
    ids=['known', 'growth of a running one', 'no growth', 'of a new stack'],
)
def test_room_that_those_that_run_may_still_take_is_held_back(clock, missing, peaks, held_back):
    """One holds 500 MiB and has had 500, the other has said nothing yet."""
    trains = {name: stage(name) for name in 'abc'}
    need = 200.0 + CONTEXT_MIB
    said = Said(clock, a=(50, 500.0, 500.0, need + held_back - missing, clock.now))
    measured = [(trains[name], dict(peak_reserved_mib=mib)) for name, mib in (peaks | dict(b=200.0)).items()]
    assert fits(said, clock, plan_of(*trains.values()), 'b', 'a', 'c', measured=measured) is (missing == 0)


@pytest.mark.parametrize('stack, role', [(('a', 'b'), ''), (('a',), 'member 2'), (('a',), 'teacher')])
def test_another_stack_or_role_is_no_other_seed(clock, stack, role):
    measured, other_seed = stage('a'), replace(stage('b'), stack=('a',), seed=5)
    other = replace(stage('c'), stack=stack, role=role)
    said = Said(clock, a=(50, 300.0, 300.0, 300.0 + CONTEXT_MIB, clock.now))
    plan, facts = plan_of(measured, other_seed, other), [(measured, dict(peak_reserved_mib=300.0))]
    assert fits(said, clock, plan, 'b', 'a', measured=facts)
    assert not fits(said, clock, plan, 'c', 'a', measured=facts)  # 1.5 times as much


def test_the_seed_that_needed_most_counts(clock):
    seeds = [stage(name, f'a__seed{n}') for n, name in enumerate('abcd')]
    measured = [(seeds[n], dict(peak_reserved_mib=mib)) for n, mib in enumerate((100.0, 300.0, 200.0))]
    for free, expected in ((300.0 + CONTEXT_MIB, True), (299.0 + CONTEXT_MIB, False)):
        said = Said(clock, a=(50, 300.0, 300.0, free, clock.now))
        assert fits(said, clock, plan_of(*seeds), 'd', 'a', measured=measured) is expected


@pytest.mark.parametrize('kind, need', [('predict', 100.0 * MARGIN), ('label', 900.0 * MARGIN)])
def test_a_new_stack_is_judged_by_others_of_its_kind_first(clock, kind, need):
    train, predict, new = stage('a'), stage('b', kind='predict'), stage('c', kind=kind)
    measured = [(train, dict(peak_reserved_mib=900.0)), (predict, dict(peak_reserved_mib=100.0))]
    for free, expected in ((need + CONTEXT_MIB, True), (need + CONTEXT_MIB - 1, False)):
        said = Said(clock, a=(50, 900.0, 900.0, free, clock.now))
        assert fits(said, clock, plan_of(train, predict, new), 'c', 'a', measured=measured) is expected


def test_what_uses_no_gpu_needs_no_room_and_says_nothing(clock):
    plan = plan_of(stage('a'), stage('b'), stage('c', kind='combine'))
    assert fits(Said(clock), clock, plan, 'a', 'c') and fits(Said(clock), clock, plan, 'c', 'a')
    assert not fits(Said(clock), clock, plan, 'a', 'b')


@pytest.mark.parametrize('facts', [{}, dict(peak_reserved_mib=None)])
def test_a_result_that_says_nothing_of_the_gpu_teaches_nothing(clock, facts):
    gpu = GpuMemory(plan_of(stage('a')), None)
    gpu.learn(stage('a'), Result(Path(), 'ok', None, facts, {}, 'a__seed0'))
    assert gpu.measured == {}


def test_on_the_cpu_nobody_is_asked_for_memory_and_no_process_is_started(store, clock, monkeypatch):
    plan = plan_of(*map(stage, 'abc'), stage('p', kind='profile'))
    launcher = PretendGpu(store, {name: Work(0.0) for name in plan.stages}, 1e9, clock)
    store.progress = lambda name, here: pytest.fail('a report was read')
    monkeypatch.setattr(subprocess, 'Popen', lambda *_, **__: pytest.fail('a process was started'))
    tasks = []
    monkeypatch.setattr(launcher, 'submit', lambda *new: (tasks.extend(new), PretendGpu.submit(launcher, *new)))
    Driver(plan, store, launcher, {}, device='cpu', jobs=3).run(lambda state: None)
    assert launcher.most == 3 and [(task.kind, task.alone, task.shares_gpu) for task in tasks] == [
        ('train', False, False)
    ] * 3 + [('profile', True, False)]
