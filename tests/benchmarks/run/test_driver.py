"""The driver with a launcher that runs nothing, and what is shown of a plan and of its failures."""

import io
import os
import shutil
import time

import pytest

from benchmarks.plan.designs import Comparison
from benchmarks.plan.plan import Cell, Plan, Stage
from benchmarks.run.contract import DAMAGED_PARENT, KEPT_EARLIER, LOST_LEASE, OUT_OF_MEMORY, STANDS_STILL
from benchmarks.run.driver import Driver
from benchmarks.run.map_budget import MapBudget
from benchmarks.run.outcome import cell_outcome
from benchmarks.run.results import store_failure
from benchmarks.run.state import State, look_up
from benchmarks.session.display import Display, describe
from benchmarks.session.doing import duration
from benchmarks.session.summary import failed_cells, show_plan
from benchmarks.store.store import Store


def key(name):
    return name.ljust(40, '0')


def named(label):
    """``x+y__seed0 member 2`` → the stack, seed and role of a stage with that label."""
    stack, _, rest = label.partition('__seed')
    seed, _, role = rest.partition(' ')
    return tuple(stack.split('+')) if stack != 'baseline' else (), int(seed) if rest else None, role


def stage(kind, name, label, *parents, **ingredients):
    return Stage(
        kind,
        key(name),
        *named(label),
        dict(train_cfg=dict(max_iters=10), test_dataloader='images'),
        tuple((one.kind, one.key) for one in parents),
        dict(ingredients or {'config a': name}),
    )


def steps(*stages):
    return tuple((one.kind, one.key) for one in stages)


def small_plan():
    """Two stacks: the second shares the first's training and refines; one profile each."""
    train = stage('train', 'a', 'baseline__seed0')
    predict = stage('predict', 'b', 'baseline__seed0', train)
    refine = stage('refine', 'c', 'x__seed0', predict, train)
    profiles = [stage('profile', 'd', 'baseline', train), stage('profile', 'e', 'x', train)]
    cells = [Cell((), 0, {}, steps(train, predict)), Cell(('x',), 0, {}, steps(train, predict, refine))]
    return Plan(
        cells,
        {one.key: one for one in (train, predict, refine, *profiles)},
        {(): profiles[0].key, ('x',): profiles[1].key},
        [Comparison('cumulative', ('x',), ())],
    )


class PretendLauncher:
    """Ends each submitted stage at the next poll, as ``outcomes`` says: 'ok', a status, 'silent', or a complaint."""

    timeout_s = 5

    def __init__(self, store, outcomes=None):
        self.store, self.outcomes = store, outcomes or {}
        self.submitted, self.together, self.running, self.cancelled = [], [], {}, False
        self.passes, self.keys = [], []

    def submit(self, *tasks):
        self.submitted += tasks
        self.keys.append([task.key for task in tasks])
        self.passes.append([task.key.strip('0') for task in tasks])
        self.running |= {task.key: task for task in tasks}
        self.together.append(sorted(one.kind for one in self.running.values()))

    def poll(self):
        ended = {}
        spoilt = {key: outcome for keys in self.keys for outcome in [self._complaint(keys)] if outcome for key in keys}
        for name, task in self.running.items():
            outcome = spoilt.get(name) or self.outcomes.get(name[0], 'ok')
            if outcome in ('ok', 'diverged'):
                with self.store.writing(name) as folder:
                    reason = None if outcome == 'ok' else 'nan'
                    self.store.commit(
                        task.kind,
                        name,
                        folder,
                        status=outcome,
                        reason=reason,
                        facts=dict(seconds=2.0),
                        ingredients=task.ingredients,
                        label=task.label,
                    )
            ended[name] = outcome if outcome not in ('ok', 'diverged', 'silent') else None
        self.running, self.keys = {}, []
        return ended

    def _complaint(self, keys):
        """A process that ends badly takes all with it that ran in it."""
        wrong = [self.outcomes[key[0]] for key in keys if key[0] in self.outcomes]
        return wrong[0] if len(keys) > 1 and wrong else None

    def cancel_all(self):
        self.cancelled = True


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr('benchmarks.run.driver.POLL_S', 0)
    return Store(tmp_path)


def drive(store, outcomes=None, *, jobs=2, retry_failed=False, plan=None, show=lambda state: None):
    plan = plan or small_plan()
    launcher = PretendLauncher(store, outcomes)
    found, _ = look_up(store, plan, retry_failed=retry_failed)
    driver = Driver(plan, store, launcher, found, device='cpu', jobs=jobs, retry_failed=retry_failed)
    return driver.run(show), launcher


def test_each_stage_runs_once_after_its_parents_and_measuring_runs_alone(store):
    state, launcher = drive(store)
    assert [task.kind for task in launcher.submitted] == ['train', 'predict', 'refine', 'profile', 'profile']
    assert launcher.together == [['train'], ['predict'], ['refine'], ['profile'], ['profile']]
    assert len(state.results) == 5 and all(result.ok for result in state.results.values()) and state.cached == set()
    task = launcher.submitted[2]
    assert (
        task.parents == (('predict', key('b')), ('train', key('a')))
        and task.device == 'cpu'
        and not task.rerun_failures
    )


def test_independent_stages_run_together_up_to_the_number_of_jobs(store):
    trains = [stage('train', name, f'{name}__seed0') for name in 'abc']
    plan = Plan([], {one.key: one for one in trains}, {}, [])
    _, launcher = drive(store, jobs=2, plan=plan)
    assert launcher.together == [['train'], ['train', 'train'], ['train']]


def test_a_second_run_finds_everything(store):
    drive(store)
    state, launcher = drive(store)
    assert launcher.submitted == [] and len(state.cached) == 5


def test_a_measurement_that_fails_again_leaves_the_earlier_one_and_says_so(store):
    drive(store)
    plan, again = small_plan(), {key('d')}
    found, reasons = look_up(store, plan, again=again)
    assert reasons == {key('d'): 'measured again (--reprofile)'}
    launcher = PretendLauncher(store, {'d': KEPT_EARLIER})
    state = Driver(plan, store, launcher, found, device='cpu', jobs=2, again=again).run(lambda state: None)
    assert [(task.key, task.again) for task in launcher.submitted] == [(key('d'), True)]
    assert state.results[key('d')].ok and 'its earlier result is kept' in state.messages[0]


def test_the_earlier_measurement_stands_until_the_new_one_is_stored(store):
    drive(store)
    plan, again = small_plan(), {key('d')}
    found, _ = look_up(store, plan, again=again)
    driver = Driver(plan, store, PretendLauncher(store), found, device='cpu', jobs=2, again=again)
    earlier = driver.state.results_so_far[key('d')]
    assert earlier.ok and key('d') not in driver.state.results
    state = driver.run(lambda state: None)
    assert state.results_so_far[key('d')] is state.results[key('d')] is not earlier


def test_a_prediction_whose_maps_are_computed_again_stands_meanwhile_and_a_failure_does_not(store):
    drive(store, {'c': 'diverged'})
    plan = small_plan()
    found, _ = look_up(store, plan, retry_failed=True)
    found.pop(key('b'))  # as if its maps had been dropped
    state = Driver(plan, store, PretendLauncher(store), found, device='cpu', jobs=2, retry_failed=True).state
    assert key('b') in state.results_so_far and key('c') not in state.results_so_far


@pytest.mark.parametrize(
    'outcome, status, reason',
    [
        ('diverged', 'diverged', 'nan'),
        ('timeout', 'timeout', 'longer than 5 s'),
        (f'{STANDS_STILL}: no step', 'timeout', f'{STANDS_STILL}: no step'),
        ('silent', 'failed', 'the process ended without a result'),
        (f'{OUT_OF_MEMORY}: it had 9 MiB', 'out_of_memory', f'{OUT_OF_MEMORY}: it had 9 MiB'),
        ('ended by signal 9', 'failed', 'ended by signal 9'),
    ],
)
def test_a_failure_is_stored_blocks_what_needs_it_and_is_kept_until_it_is_retried(store, outcome, status, reason):
    plan = small_plan()
    state, launcher = drive(store, {'a': outcome}, plan=plan)
    assert [task.kind for task in launcher.submitted] == ['train'] and len(state.results) == 1
    assert cell_outcome(plan.cells[1], state.results) == (status, reason, 'train')
    assert drive(store)[1].submitted == []
    state, launcher = drive(store, retry_failed=True)
    assert len(launcher.submitted) == 5 and all(task.rerun_failures for task in launcher.submitted)
    assert cell_outcome(plan.cells[1], state.results) == ('ok', None, None)


def test_a_stage_that_wants_memory_beside_others_runs_again_alone_before_that_is_its_result(store):
    plan = Plan([], {one.key: one for one in (stage('train', name, f'{name}__seed0') for name in 'xy')}, {}, [])
    state, launcher = drive(store, {'x': OUT_OF_MEMORY}, plan=plan, jobs=2)
    assert [(task.key, task.alone) for task in launcher.submitted] == [
        (key('x'), False), (key('y'), False), (key('x'), True)
    ]  # fmt: skip
    assert state.results[key('x')].status == 'out_of_memory' and state.results[key('y')].ok


def passes():
    """A training; three predictions of one pass, and one that shares none."""
    train = stage('train', 't', 'a__seed0')
    predicts = [
        Stage(
            'predict',
            key(name),
            *named(f'{name}__seed0'),
            dict(seed=int(name == 'd')),
            (('train', train.key),),
            {'config a': name},
        )
        for name in 'abcd'
    ]
    return Plan([], {one.key: one for one in (train, *predicts)}, {}, [])


def test_a_pass_is_one_process(store):
    state, launcher = drive(store, plan=passes(), jobs=1)
    assert launcher.passes == [['t'], ['a', 'b', 'c'], ['d']]
    assert len(state.results) == 5 and all(result.ok for result in state.results.values())


def test_a_pass_counts_as_one_job(store):
    _, launcher = drive(store, plan=passes(), jobs=2)
    assert launcher.passes == [['t'], ['a', 'b', 'c'], ['d']]
    assert launcher.together[-1] == ['predict'] * 4


def test_what_is_there_takes_no_part_in_a_pass(store):
    drive(store, plan=passes())
    for name in 'ac':
        store.discard('predict', key(name))
    assert drive(store, plan=passes())[1].passes == [['a', 'c']]


def refined(*seeds):
    """For each seed a training, a prediction and two refinements of it."""
    stages = []
    for seed in seeds:
        train = stage('train', f't{seed}', f'a__seed{seed}')
        predict = stage('predict', f'p{seed}', f'a__seed{seed}', train)
        stages += [
            train,
            predict,
            *(stage('refine', f'{name}{seed}', f'{name}__seed{seed}', predict, train) for name in 'rs'),
        ]
    return Plan([], {one.key: one for one in stages}, {}, [])


def test_refinements_wait_for_those_that_share_their_pass_while_there_is_something_else_to_do(store):
    _, launcher = drive(store, plan=refined(1, 2), jobs=1)
    assert launcher.passes == [['t1'], ['p1'], ['t2'], ['p2'], ['r1', 's1', 'r2', 's2']]


def test_they_wait_for_none_while_room_for_maps_is_scarce(store):
    launcher = PretendLauncher(store)
    Driver(refined(1, 2), store, launcher, {}, device='cpu', jobs=1, budget=MapBudget(store, 10**9, 1, ())).run(
        lambda state: None
    )
    assert launcher.passes == [['t1'], ['p1'], ['r1', 's1'], ['t2'], ['p2'], ['r2', 's2']]


def test_an_idle_job_does_not_wait_for_them(store):
    class Slow(PretendLauncher):
        """The second training takes five looks."""

        looks = 0

        def poll(self):
            self.looks += 1
            held = {name: task for name, task in self.running.items() if name[:2] == 't2' and self.looks < 5}
            self.running = {name: task for name, task in self.running.items() if name not in held}
            ended = super().poll()
            self.running = held
            return ended

    launcher = Slow(store)
    Driver(refined(1, 2), store, launcher, {}, device='cpu', jobs=2).run(lambda state: None)
    assert launcher.passes == [['t1'], ['t2'], ['p1'], ['r1', 's1'], ['p2'], ['r2'], ['s2']]


def test_free_jobs_share_a_pass_of_refinements(store):
    plan = refined(1, 2, 3)
    drive(store, plan=plan)
    for name in [name for name, one in plan.stages.items() if one.kind == 'refine']:
        store.discard('refine', name)
    _, launcher = drive(store, plan=plan, jobs=2)
    assert launcher.passes == [['r1', 's1', 'r2'], ['s2', 'r3', 's3']]


@pytest.mark.parametrize(
    'complaint', ['timeout', 'ended by signal 9', 'the process ended with exit status 4', 'silent']
)
def test_a_pass_that_fails_is_run_stage_by_stage_so_that_only_the_culprit_fails(store, complaint):
    state, launcher = drive(store, {'b': complaint}, plan=passes(), jobs=1)
    assert sorted(launcher.passes[1:]) == [['a'], ['a', 'b', 'c'], ['b'], ['c'], ['d']]
    assert {name[0]: result.ok for name, result in state.results.items()} == dict(
        t=True, a=True, b=False, c=True, d=True
    )


def test_a_failure_leaves_the_other_cells_running(store):
    plan = small_plan()
    state, _ = drive(store, {'c': 'diverged', 'd': 'timeout'}, plan=plan)
    assert cell_outcome(plan.cells[0], state.results)[0] == 'ok' and state.results[key('e')].ok
    assert cell_outcome(plan.cells[1], state.results) == ('diverged', 'nan', 'refine')
    assert failed_cells(plan, state.results) == [
        'x__seed0: diverged in refine: nan',
        'baseline: timeout in profile: longer than 5 s',
    ]


def test_an_interruption_cancels_and_what_had_finished_stays(store):
    def interrupt(state):
        if len(state.results) == 2:
            raise KeyboardInterrupt

    launcher = PretendLauncher(store)
    with pytest.raises(KeyboardInterrupt):
        Driver(small_plan(), store, launcher, {}, device='cpu', jobs=1).run(interrupt)
    assert launcher.cancelled
    assert [task.kind for task in drive(store)[1].submitted] == ['refine', 'profile', 'profile']


def test_a_clock_that_goes_backwards_runs_nothing_again(store, monkeypatch):
    drive(store)
    in_the_future = [*store.root.glob('*/*/manifest.json')]
    assert len(in_the_future) == 5
    for path in in_the_future:
        os.utime(path, (time.time() + 1e6, time.time() + 1e6))
    earlier = iter(range(10**6, 0, -1))
    monkeypatch.setattr('time.time', lambda: float(next(earlier)))
    monkeypatch.setattr('time.time_ns', lambda: next(earlier) * 10**9)
    state, launcher = drive(store)
    assert launcher.submitted == [] and len(state.cached) == 5
    store.discard('refine', key('c'))
    state, launcher = drive(store)
    assert [task.kind for task in launcher.submitted] == ['refine'] and all(one.ok for one in state.results.values())


def test_a_damaged_result_is_computed_again(store):
    drive(store)
    (store.folder('predict', key('b')) / 'manifest.json').write_text('{')
    results, reasons = look_up(store, small_plan())
    assert len(results) == 4 and 'damaged' in reasons[key('b')]
    assert [task.kind for task in drive(store)[1].submitted] == ['predict']


class AltersTheTraining(PretendLauncher):
    """Its predict stage finds the training's result altered, as often as it is told to."""

    def __init__(self, store, times):
        super().__init__(store)
        self.times = times

    def poll(self):
        damaged = [name for name, task in self.running.items() if task.kind == 'predict' and self.times]
        for name in damaged:
            self.times -= 1
            self.store.discard('train', key('a'))
            del self.running[name]
        return {**dict.fromkeys(damaged, DAMAGED_PARENT), **super().poll()}


@pytest.mark.parametrize('times, status', [(1, 'ok'), (2, 'failed')])
def test_a_parent_found_altered_is_computed_again_once(store, times, status):
    launcher = AltersTheTraining(store, times)
    state = Driver(small_plan(), store, launcher, {}, device='cpu', jobs=1).run(lambda state: None)
    assert [task.kind for task in launcher.submitted].count('train') == 2
    assert state.results[key('b')].status == status


def test_a_stage_given_up_while_another_driver_finished_it_is_not_a_failure(store):
    plan = small_plan()
    with store.writing(key('a')) as folder:
        store.commit('train', key('a'), folder, status='ok', reason=None, facts={}, ingredients={}, label='other')
    assert store_failure(store, plan.stages[key('a')], 'timeout', 'longer than 5 s').ok


def test_a_stage_that_was_ended_keeps_its_log_and_the_failure_names_it(store, left_behind):
    plan = small_plan()
    for name in 'ad':
        left = left_behind(store, key(name))
        (left / 'log.txt').write_text('last words')
    state, _ = drive(store, {'d': 'timeout', 'b': 'ended by signal 9'}, plan=plan)
    log = store.folder('profile', key('d')) / 'log.txt'
    assert log.read_text() == 'last words'
    assert failed_cells(plan, state.results)[-1] == f'baseline: timeout in profile: longer than 5 s (log: {log})'
    assert failed_cells(plan, state.results)[0] == 'baseline__seed0: failed in predict: ended by signal 9'


class TakenOver(PretendLauncher):
    """While this host stands still, another one takes the training over and stores it."""

    def poll(self):
        if self.passes != [['a']]:
            return super().poll()
        self.running = {}
        with self.store.writing(key('a')) as folder:
            self.store.commit(
                'train', key('a'), folder, status='ok', reason=None, facts={}, ingredients={}, label='there'
            )
        return {key('a'): LOST_LEASE}


def test_a_stage_that_another_host_has_taken_over_is_no_failure_and_is_told(store):
    plan, launcher = small_plan(), TakenOver(store)
    state = Driver(plan, store, launcher, {}, device='cpu', jobs=2).run(lambda state: None)
    assert launcher.passes[:2] == [['a'], ['b']] and all(result.ok for result in state.results.values())
    (message,) = state.messages
    assert message.startswith('train   baseline__seed0: another host has taken it over, because this one stood still')


def test_a_driver_that_stands_still_while_it_stores_a_failure_leaves_the_stage_to_the_other_host(store, monkeypatch):
    plan, commit = small_plan(), Store.commit

    def taken_over(self, kind, name, folder, **more):
        monkeypatch.setattr(Store, 'commit', commit)
        shutil.rmtree(folder.parent)
        folder.parent.mkdir()
        with store.writing(name) as other:
            commit(store, kind, name, other, **more | dict(status='ok', label='there'))
        return commit(self, kind, name, folder, **more)

    monkeypatch.setattr(Store, 'commit', taken_over)
    assert store_failure(store, plan.stages[key('a')], 'timeout', 'longer than 5 s').label == 'there'


class FindsItsParentAltered(PretendLauncher):
    """Stages of one kind find their parents altered, once; meanwhile another driver stores them again without maps."""

    def __init__(self, store, kind):
        super().__init__(store)
        self.kind = kind

    def poll(self):
        finding = [task for task in self.running.values() if task.kind == self.kind]
        if not finding:
            return super().poll()
        self.running, self.kind = {}, ''
        for name in {parent for task in finding for kind, parent in task.parents if kind == 'predict'}:
            with self.store.writing(name) as folder:
                kept = dict(status='ok', reason=None, facts={}, ingredients={}, label='there', whole=False)
                self.store.commit('predict', name, folder, **kept)
        return {task.key: DAMAGED_PARENT for task in finding}


@pytest.mark.parametrize('kind, runs', [('choose', 1), ('refine', 2)])
def test_a_parent_that_was_stored_again_without_maps_is_good_for_a_stage_that_reads_counts_alone(store, kind, runs):
    train = stage('train', 'a', 'x__seed0')
    predict = stage('predict', 'b', 'x__seed0', train)
    reader = stage(kind, 'c', 'x__seed0', predict)
    plan = Plan([], {one.key: one for one in (train, predict, reader)}, {}, [])
    launcher = FindsItsParentAltered(store, kind)
    state = Driver(plan, store, launcher, {}, device='cpu', jobs=1).run(lambda state: None)
    assert [task.kind for task in launcher.submitted].count('predict') == runs and state.results[reader.key].ok


class LosesTheTraining(PretendLauncher):
    """While its predict stage finds the training altered, another driver computes the training again, and fails."""

    def poll(self):
        if key('b') not in self.running:
            return super().poll()
        self.running = {}
        with self.store.writing(key('a')) as folder:
            self.store.commit(
                'train',
                key('a'),
                folder,
                status='diverged',
                reason='nan',
                facts={},
                ingredients={},
                label='baseline__seed0',
            )
        return {key('b'): DAMAGED_PARENT}


def test_a_parent_that_another_driver_failed_to_compute_again_blocks(store):
    launcher, plan = LosesTheTraining(store), small_plan()
    state = Driver(plan, store, launcher, {}, device='cpu', jobs=1).run(lambda state: None)
    assert [task.kind for task in launcher.submitted] == ['train', 'predict']
    assert cell_outcome(plan.cells[1], state.results) == ('diverged', 'nan', 'train')


def test_all_misses_of_a_kind_are_explained_by_one_look_at_the_store(store, monkeypatch):
    trains = [stage('train', name, f'{name}__seed0') for name in 'abc']
    looked = []
    monkeypatch.setattr(store, 'newest', lambda kind, labels, among, but: looked.append((kind, *labels)) or {})
    _, reasons = look_up(store, Plan([], {one.key: one for one in trains}, {}, []))
    assert len(reasons) == 3 and looked == [('train', 'a__seed0', 'b__seed0', 'c__seed0')]


def test_a_result_that_the_plan_still_has_is_no_earlier_version_of_another_stage_of_its_name(store):
    plan = small_plan()
    drive(store, plan=plan)
    other = stage('predict', 'v', plan.stages[key('b')].label, plan.stages[key('a')], code='2')
    _, reasons = look_up(store, Plan([], {**plan.stages, other.key: other}, {}, []))
    assert reasons == {key('v'): 'not run yet'}


def test_thousands_of_results_hold_no_ingredients_beside_those_of_the_plan(store):
    plan = small_plan()
    state, _ = drive(store, plan=plan)
    found, _ = look_up(store, plan)
    for results in (state.results, found):
        assert len(results) == 5 and all(results[name].ingredients is plan.stages[name].ingredients for name in results)


def test_a_miss_is_explained_by_what_changed(store):
    plan = small_plan()
    _, reasons = look_up(store, plan)
    assert set(reasons.values()) == {'not run yet'}
    drive(store)
    changed = stage('train', 'f', 'baseline__seed0', **{'config a': 'other', 'device': 'cpu'})
    _, reasons = look_up(store, Plan([], {changed.key: changed}, {}, []))
    assert reasons == {changed.key: 'changed: config a, device'}


def test_a_miss_is_not_explained_against_another_grids_result_of_the_same_label(store):
    drive(store)
    changed = stage('train', 'f', 'baseline__seed0', **{'config a': 'other', 'device': 'cpu'})
    plan = Plan([], {changed.key: changed}, {}, [])
    assert look_up(store, plan, before=set())[1] == {changed.key: 'not run yet'}
    assert look_up(store, plan, before=set(small_plan().stages))[1] == {changed.key: 'changed: config a, device'}


def test_the_plan_is_shown_with_reasons_and_cost(store, capsys):
    plan = small_plan()
    show_plan(plan, *look_up(store, plan), store, 2, ['mind the gap'])
    text = capsys.readouterr().out
    assert '2 stacks; distinct stages: 1 train, 1 predict, 1 refine, 2 profile' in text
    assert '0 cached, 5 to run, 2 at a time' in text and '2 × not run yet: baseline, x' in text
    assert 'training steps: 10' in text and 'nothing measured here yet' in text and 'note: mind the gap' in text
    drive(store, {'b': 'diverged'})
    show_plan(plan, *look_up(store, plan, retry_failed=True), store, 2, [])
    text = capsys.readouterr().out
    assert '3 cached, 2 to run' in text and 'it failed before (diverged) and is tried again: baseline__seed0' in text
    assert 'no training step' in text and 'training steps' not in text


def shown_cost(store, capsys, *loops):
    trains = [
        Stage('train', key(str(n)), *named(f'{n}__seed0'), dict(train_cfg=loop), (), {}) for n, loop in enumerate(loops)
    ]
    plan = Plan([], {one.key: one for one in trains}, {}, [])
    show_plan(plan, *look_up(store, plan), store, 2, [])
    return capsys.readouterr().out.splitlines()[-1].strip()


def test_trainings_that_count_epochs_are_shown_as_such(store, capsys):
    epochs = dict(type='EpochBasedTrainLoop', max_epochs=20)
    unknown = ' (nothing measured here yet to estimate train by)'
    assert shown_cost(store, capsys, epochs, epochs) == '2 trainings of 20 epochs' + unknown
    mixed = dict(max_iters=7), epochs, dict(by_epoch=True, max_epochs=5), dict(max_iters=3)
    assert shown_cost(store, capsys, *mixed) == (
        'training steps: 10, 1 training of 20 epochs, 1 training of 5 epochs' + unknown
    )


def test_the_time_of_trainings_is_estimated_by_their_steps(store, capsys):
    for name, seconds, steps in (('x', 10, 100), ('y', 400, 2000), ('z', 30, 10)):
        with store.writing(key(name)) as folder:
            store.commit(
                'train',
                key(name),
                folder,
                status='ok',
                reason=None,
                label=name,
                ingredients={},
                facts=dict(seconds=seconds, iterations=steps),
            )
    # 0.1, 0.2 and 3 s a step; two stages at a time, of which the longer one takes 600 steps
    steps = [dict(max_iters=n) for n in (600, 400)]
    assert shown_cost(store, capsys, *steps) == 'training steps: 1000; estimated time: 2:00'
    assert shown_cost(store, capsys, dict(max_epochs=3)) == '1 training of 3 epochs; estimated time: 0:30'


def test_a_stage_in_words():
    one = stage('train', 'a', 'x__seed0')
    assert describe(one, {}) == 'train   x__seed0'
    progress = dict(step=5, total=20, loss=0.123456, eta_s=75.9)
    assert describe(one, progress) == 'train   x__seed0  5/20  loss 0.1235  1:15 left'
    assert describe(one, dict(step=5, total=20, loss=None, eta_s=1)).endswith('5/20  0:01 left')
    assert [duration(s) for s in (0, 59.9, 61, 3600, 36061)] == ['0:00', '0:59', '1:01', '1:00:00', '10:01:01']


def test_plain_output_tells_each_finished_stage_once(store):
    stream = io.StringIO()
    with Display(store, stream) as display:
        state, _ = drive(store, {'c': 'diverged'}, show=display)
        display(state)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 5 and lines.count('train   baseline__seed0: ok') == 1
    assert 'refine  x__seed0: diverged — nan' in lines


def test_plain_output_gives_a_sign_of_life_now_and_then(store, monkeypatch):
    monkeypatch.setattr('benchmarks.session.display.PLAIN_INTERVAL_S', -1)
    stream, state = io.StringIO(), State(small_plan())
    state.running[key('a')] = 0.0
    with store.writing(key('a')) as folder, Display(store, stream) as display:
        (folder / 'progress.json').write_text('{"step": 1, "total": 4, "loss": null, "eta_s": 3}')
        display(state)
    assert stream.getvalue().splitlines() == ['0/5 stages, 0:00 elapsed', '  train   baseline__seed0  1/4  0:03 left']


def test_a_stage_of_another_driver_for_which_a_job_is_idle_is_shown_with_that_driver(store, monkeypatch):
    monkeypatch.setattr('benchmarks.session.display.PLAIN_INTERVAL_S', -1)
    stream, state = io.StringIO(), State(small_plan(), waits_for={key('a'): 'process 7 on anna'})
    with store.writing(key('a')) as folder, Display(store, stream) as display:
        (folder / 'progress.json').write_text('{"step": 1, "total": 4, "loss": null, "eta_s": 3}')
        display(state)
    _, line = stream.getvalue().splitlines()
    assert line == '  train   baseline__seed0  1/4  0:03 left  (this run waits for process 7 on anna)'


def several_networks():
    """An ensemble of two, and a student whose teacher is another stack's training."""
    first, second = (stage('train', name, f'e__seed0 member {n}') for n, name in ((1, 'a'), (2, 'b')))
    combine = stage('combine', 'c', 'e__seed0', first, second)
    predict = stage('predict', 'd', 'e__seed0', combine)
    teacher = stage('train', 'f', 'h__seed0')
    label = stage('label', 'g', 's__seed0', teacher)
    student = stage('train', 'h', 's__seed0', label)
    after = stage('predict', 'i', 's__seed0', student)
    profile = stage('profile', 'j', 'e', combine)
    stages = (first, second, combine, predict, teacher, label, student, after, profile)
    cells = [
        Cell(('e',), 0, {}, steps(first, second, combine, predict)),
        Cell(('s',), 0, {}, steps(teacher, label, student, after)),
    ]
    return Plan(cells, {one.key: one for one in stages}, {('e',): profile.key}, [])


def test_stages_of_several_networks_run_after_their_parents_and_what_is_begun_is_finished_first(store):
    state, launcher = drive(store, jobs=1, plan=several_networks())
    assert [(task.kind, task.key[0]) for task in launcher.submitted] == [
        ('train', 'a'),
        ('train', 'b'),
        ('combine', 'c'),
        ('predict', 'd'),
        ('train', 'f'),
        ('label', 'g'),
        ('train', 'h'),
        ('predict', 'i'),
        ('profile', 'j'),
    ]
    assert launcher.submitted[2].parents == (('train', key('a')), ('train', key('b')))
    assert all(cell_outcome(cell, state.results) == ('ok', None, None) for cell in state.plan.cells)


def test_a_failed_member_fails_its_cell_with_its_reason_while_the_others_finish(store, left_behind):
    plan = several_networks()
    left = left_behind(store, key('b'))
    (left / 'log.txt').write_text('last words')
    state, launcher = drive(store, {'b': 'timeout'}, plan=plan)
    assert {task.key[0] for task in launcher.submitted} == set('abfghi')
    assert cell_outcome(plan.cells[0], state.results) == ('timeout', 'longer than 5 s', 'train')
    log = store.folder('train', key('b')) / 'log.txt'
    assert failed_cells(plan, state.results) == [f'e__seed0: timeout in train: longer than 5 s (log: {log})']
    assert cell_outcome(plan.cells[1], state.results)[0] == 'ok'
    again, launcher = drive(store, plan=plan, retry_failed=True)
    assert [task.key[0] for task in launcher.submitted] == list('bcdj')


def test_a_failed_teacher_fails_its_students_cell(store):
    plan = several_networks()
    state, launcher = drive(store, {'g': 'diverged'}, plan=plan)
    assert cell_outcome(plan.cells[1], state.results) == ('diverged', 'nan', 'label')
    assert key('h') not in state.results and cell_outcome(plan.cells[0], state.results)[0] == 'ok'


def test_a_plan_of_several_networks_in_words(store, capsys):
    plan = several_networks()
    results, reasons = look_up(store, plan)
    show_plan(plan, results, reasons, store, 2, [])
    said = capsys.readouterr().out
    assert 'distinct stages: 4 train, 1 label, 1 combine, 2 predict, 1 profile' in said
    assert 'label     1 × not run yet: s__seed0' in said and 'combine   1 × not run yet: e__seed0' in said
    assert 'training steps: 40' in said
    drive(store, plan=plan)
    store.discard('train', key('b'))
    results, reasons = look_up(store, plan)
    assert list(reasons) == [key('b')] and len(results) == 8
