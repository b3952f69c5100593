"""What maps take stays within a limit, and nothing else about a grid changes.

Grids are run with the code of real stage processes, but in this process and with stand-in stages.
"""

import multiprocessing
import os
import shutil
import sys
import threading
import time
from dataclasses import replace

import pytest

from benchmarks.cli import main
from benchmarks.plan.batching import batch_key
from benchmarks.plan.plan import Cell, Plan, Stage
from benchmarks.run.driver import Driver
from benchmarks.run.launcher import LocalLauncher
from benchmarks.run.map_budget import MapBudget, format_budget
from benchmarks.run.outcome import cell_outcome
from benchmarks.run.state import look_up
from benchmarks.session.disk import largest_maps
from benchmarks.stages.together import run_together
from benchmarks.stages.worker import run_task
from benchmarks.store.store import MANIFEST, Store

IMAGES, MAP = 4, 100  # of each prediction, and the bytes of a map
ALL = IMAGES * MAP
NOT_KEPT = 'its maps were not kept (--max-maps)'


def key(name):
    return name.ljust(40, '0')


def stage(kind, name, *parents, **config):
    return Stage(
        kind,
        key(name),
        (name,),
        0,
        '',
        dict(inference=dict(views={}, name=name), test_dataloader='images') | config,
        tuple((one.kind, one.key) for one in parents),
        {'config a': name},
    )


def plan_of(*stages):
    cells = []
    for one in stages:
        steps = (
            ('train', key('t')),
            *(parent for parent in one.parents if parent[0] == 'predict'),
            (one.kind, one.key),
        )
        if one.kind in ('predict', 'refine'):
            cells.append(Cell((one.label,), 0, {}, steps))
    cells.sort(key=lambda cell: cell.refine is not None)
    return Plan(cells, {one.key: one for one in stages}, {}, [])


TRAIN = stage('train', 't')
P, Q, R = (stage('predict', name, TRAIN) for name in 'pqr')
P1, P2 = (stage('refine', name, P, TRAIN) for name in 'ab')
Q1 = stage('refine', 'c', Q, TRAIN)
GRID = plan_of(TRAIN, P, Q, R, P1, P2)  # two refinements read P's maps, none those of Q and R


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr('benchmarks.run.driver.POLL_S', 0)
    monkeypatch.setattr('signal.signal', lambda *_: None)  # Ctrl-C stays pytest's
    return Store(tmp_path / 'work' / 'store')


@pytest.fixture(autouse=True)
def ran(monkeypatch):
    """Stand-ins for the stages that train, predict and refine; gives the names of those that ran."""
    names = []

    def write(folder, name):
        (folder / 'maps').mkdir()
        for index in range(IMAGES):
            (folder / 'maps' / f'{index}.npz').write_bytes(f'{name}{index}'.encode().ljust(MAP))

    def train(config, folder, parents, device):
        names.append(config['inference']['name'])
        return dict(seconds=1.0)

    def predict(config, folder, parents, device, bytes_allowed):
        names.append(config['inference']['name'])
        (folder / 'facts.csv').write_text(config['inference']['name'])
        if bytes_allowed is None or bytes_allowed >= ALL:
            write(folder, config['inference']['name'])
        return dict(seconds=1.0)

    def refine(config, folder, parents, device):
        names.append(config['inference']['name'])
        maps = [(parents['predict'] / 'maps' / f'{index}.npz').read_text().rstrip() for index in range(IMAGES)]
        (folder / 'facts.csv').write_text(' '.join(maps))
        return dict(seconds=1.0)

    def predict_together(configs, folders, parents, device, bytes_allowed):
        return [predict(*each[:3], device, each[3]) for each in zip(configs, folders, parents, bytes_allowed)]

    def refine_together(configs, folders, parents, device):
        return [refine(*each, device) for each in zip(configs, folders, parents)]

    for run, together in ((train, None), (predict, predict_together), (refine, refine_together)):
        module = type(sys)(f'benchmarks.stages.{run.__name__}')
        module.run, module.run_together = run, together
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return names


class InThisProcess:
    """Runs what real stage processes run, when it is polled."""

    timeout_s = None

    def __init__(self, meanwhile=None):
        self.waiting, self.meanwhile = [], meanwhile or (lambda task: None)

    def submit(self, *tasks):
        self.waiting.append(tasks)

    def poll(self):
        ended = {}
        for tasks in self.waiting:
            self.meanwhile(tasks[0])
            status = 0
            try:
                run_task(tasks[0]) if len(tasks) == 1 else run_together(tasks)
            except SystemExit as exited:
                status = exited.code
            ended |= dict.fromkeys([task.key for task in tasks], LocalLauncher._why(status))
        self.waiting = []
        return ended

    def cancel_all(self):
        pass


def drive(store, limit=None, plan=GRID, *, jobs=1, meanwhile=None, unbatched=True, show=lambda state: None):
    with store.drivers.using(plan.stages) as own:
        found, _ = look_up(store, plan)
        budget = MapBudget(store, limit, ALL, plan.stages, own) if limit is not None else None
        driver = Driver(plan, store, InThisProcess(meanwhile), found, device='cpu', jobs=jobs, budget=budget)
        driver.retries.unbatched |= plan.stages.keys() if unbatched else set()
        return driver.run(show)


def with_maps(store):
    return {path.parent.name.strip('0') for path in (store.root / 'predict').glob('*/maps')}


def facts(state):
    assert all(result.ok for result in state.results.values())
    return {
        name.strip('0'): (result.folder / 'facts.csv').read_text()
        for name, result in state.results.items()
        if name != TRAIN.key
    }


@pytest.mark.parametrize('unbatched', [True, False])
@pytest.mark.parametrize('limit, kept', [(None, 'pqr'), (0, ''), (10 * ALL, 'pqr')])
def test_results_are_the_same_whatever_is_kept(store, ran, limit, kept, unbatched):
    state = drive(store, limit, unbatched=unbatched)
    assert facts(state) == dict(p='p', q='q', r='r', a='p0 p1 p2 p3', b='p0 p1 p2 p3')
    assert sorted(ran) == list('abpqrt') and with_maps(store) == set(kept)
    assert list((store.root / 'running').iterdir()) == []
    assert look_up(store, GRID)[1] == {} and drive(store, limit).cached == set(GRID.stages) and len(ran) == 6


def test_maps_never_take_more_than_the_limit_and_what_refinements_read(store, ran):
    sizes = []

    def show(state):
        unread = with_maps(store) - {name.strip('0') for name in state.maps_needed()}
        sizes.append(len(unread))

    drive(store, 2 * ALL + MAP, jobs=3, show=show)
    assert max(sizes) == 2 and with_maps(store) < set('pqr')


@pytest.mark.parametrize('jobs', [1, 3])
def test_predictions_that_run_at_once_do_not_get_the_same_room(store, ran, monkeypatch, jobs):
    rooms, submit = {}, InThisProcess.submit

    def noting(self, *tasks):
        rooms.update({task.label[0]: task.options for task in tasks})
        submit(self, *tasks)

    monkeypatch.setattr(InThisProcess, 'submit', noting)
    more = [stage('predict', name, TRAIN) for name in 'su']
    drive(store, 2 * ALL + MAP, plan_of(TRAIN, Q, R, *more), jobs=jobs)
    # What the third cannot use is there for the fourth.
    assert rooms == dict(
        t={}, **{name: dict(bytes_allowed=ALL) for name in 'qr'}, **{name: dict(bytes_allowed=MAP) for name in 'su'}
    )
    assert with_maps(store) == {'q', 'r'}


def test_a_lower_limit_drops_the_oldest_of_a_finished_grid_and_leaves_the_rest_of_its_results_alone(store, ran):
    drive(store)
    for days, one in enumerate((R, P, Q), 1):
        os.utime(store.folder('predict', one.key) / MANIFEST, (time.time() - 86400 * days,) * 2)
    before = {one.key: store.identity(one.kind, one.key) for one in GRID.stages.values()}
    drive(store, 2 * ALL)
    assert with_maps(store) == {'p', 'r'}
    drive(store, 2 * ALL - 1)
    assert with_maps(store) == {'r'}
    drive(store, 0)
    assert with_maps(store) == set() and len(ran) == 6
    assert before == {one.key: store.identity(one.kind, one.key) for one in GRID.stages.values()}


def test_a_refinement_added_later_has_only_its_own_maps_predicted_again(store, ran):
    first = facts(drive(store, 0))
    ran.clear()
    more = plan_of(*GRID.stages.values(), Q1)
    found, reasons = look_up(store, more)
    assert reasons == {Q1.key: 'not run yet', Q.key: NOT_KEPT} and found.keys() == GRID.stages.keys() - {Q.key}
    state = drive(store, 0, more)
    assert ran == ['q', 'c'] and facts(state) == first | dict(c='q0 q1 q2 q3')
    assert with_maps(store) == set()
    assert drive(store, 0, more).cached == set(more.stages) and ran == ['q', 'c']


def test_without_a_limit_the_maps_that_are_made_again_stay(store, ran):
    drive(store, 0)
    drive(store, plan=plan_of(*GRID.stages.values(), Q1))
    assert with_maps(store) == {'q'}


def test_maps_stay_until_all_that_read_them_are_done(store, ran):
    seen = []
    drive(store, 0, jobs=1, meanwhile=lambda task: seen.append((task.kind, with_maps(store))))
    assert [maps for kind, maps in seen if kind == 'refine'] == [{'p'}, {'p'}]
    assert [maps for kind, maps in seen if kind == 'predict'][-1] == set() == with_maps(store)


def test_a_prediction_below_a_refinement_that_cannot_run_is_not_made_again(store, ran):
    drive(store, 0, plan_of(TRAIN, P))
    other = stage('train', 'u')
    with store.writing(other.key) as folder:
        store.commit('train', other.key, folder, status='diverged', reason='nan', facts={}, ingredients={}, label='u')
    blocked = stage('refine', 'd', P, other)
    found, reasons = look_up(store, plan_of(TRAIN, other, P, blocked))
    assert reasons == {} and P.key in found


def test_maps_that_vanish_under_a_waiting_refinement_are_predicted_again(store, ran):
    def meanwhile(task):
        if task.key == P2.key and ran.count('p') == 1:
            with store.drivers.collecting() as grave:
                store.drop_idle_maps('predict', P.key, grave)

    state = drive(store, meanwhile=meanwhile)
    assert facts(state)['b'] == 'p0 p1 p2 p3' and ran.count('p') == 2 and ran.count('t') == 1
    assert with_maps(store) == set('pqr')


def test_maps_that_vanish_under_a_reading_refinement_are_no_failure_of_it(store, ran, monkeypatch):
    module, times = sys.modules['benchmarks.stages.refine'], []
    read = module.run

    def run(config, folder, parents, device):
        if not times:
            shutil.rmtree(parents['predict'] / 'maps')
        times.append(1)
        return read(config, folder, parents, device)

    monkeypatch.setattr(module, 'run', run)
    state = drive(store, plan=plan_of(TRAIN, P, P1))
    assert facts(state)['a'] == 'p0 p1 p2 p3' and ran.count('p') == 2 and len(times) == 2


def test_a_prediction_that_another_grid_made_without_maps_meanwhile_is_made_with_them(store, ran):
    def meanwhile(task):
        if task.key == P.key and 'p' not in ran:
            # As the process of a driver that does not know of the refinements, and had no room for a claim.
            run_task(replace(task, maps_needed=False, options=dict(bytes_allowed=0)))
            assert with_maps(store) == set()

    state = drive(store, 0, plan_of(TRAIN, P, P1), meanwhile=meanwhile)
    assert facts(state) == dict(p='p', a='p0 p1 p2 p3') and ran == ['t', 'p', 'p', 'a']


def test_a_prediction_that_cannot_be_made_again_fails_those_that_need_it_with_its_own_reason(store, ran, monkeypatch):
    drive(store, 0, plan_of(TRAIN, P))

    class Late(InThisProcess):
        timeout_s = 5

        def poll(self):
            ended = {task.key: 'timeout' for tasks in self.waiting for task in tasks}
            self.waiting = []
            return ended

    plan = plan_of(TRAIN, P, P1)
    found, _ = look_up(store, plan)
    state = Driver(plan, store, Late(), found, device='cpu', jobs=1).run(lambda state: None)
    assert cell_outcome(plan.cells[1], state.results) == ('timeout', 'longer than 5 s', 'predict')


def _drive(root, entered):
    with Store(root).drivers.using([P.key]):
        entered.set()
        time.sleep(60)


def test_maps_that_another_driver_may_read_stay_until_it_is_gone(store, ran):
    drive(store)
    context = multiprocessing.get_context('fork')
    entered = context.Event()
    other = context.Process(target=_drive, args=(store.root, entered))
    other.start()
    assert entered.wait(10)
    drive(store, 0)
    assert with_maps(store) == {'p'}
    other.kill()
    other.join()
    drive(store, 0)
    assert with_maps(store) == set()


def test_a_driver_that_begins_while_maps_are_dropped_sees_them_all_or_not_at_all(store, ran, monkeypatch):
    """It waits until they are dropped, and then finds them missing; or they are its own from then on."""
    drive(store)
    seen = []

    def begin():
        with Store(store.root).drivers.using([P1.key, P.key]):
            seen.append(store.get('predict', P.key).whole)

    second, drop = threading.Thread(target=begin), store.drop_idle_maps

    def dropping(kind, name, grave):
        if not second.ident:
            second.start()
            second.join(0.2)
            assert not seen
        return drop(kind, name, grave)

    monkeypatch.setattr(store, 'drop_idle_maps', dropping)
    drive(store, 0)
    second.join(10)
    assert seen == [False]


def test_a_driver_that_is_killed_while_it_drops_maps_leaves_a_store_that_heals(store, ran, monkeypatch):
    first = facts(drive(store))

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr('benchmarks.store.store.shutil.rmtree', killed)
        drive(store, 0)
    assert len(with_maps(store)) == 2 and len(list(store.root.glob('locks/collecting-*/*-maps/*.npz'))) == IMAGES
    store.clear_abandoned()
    assert list(store.root.glob('locks/collecting-*')) == [] and look_up(store, GRID)[1] == {}
    assert facts(drive(store, 0, plan_of(*GRID.stages.values(), Q1))) == first | dict(c='q0 q1 q2 q3')
    assert with_maps(store) == set()


def test_older_maps_of_other_plans_give_way(store, ran):
    drive(store, ALL, plan_of(TRAIN, P))
    assert with_maps(store) == {'p'}
    drive(store, ALL, plan_of(TRAIN, Q, R))
    assert with_maps(store) == {'q'} and ran == ['t', 'p', 'q', 'r']


def said(store, limit, plan=GRID):
    found, reasons = look_up(store, plan)
    needed = {parent for name in reasons for kind, parent in plan.stages[name].parents if kind == 'predict'}
    return format_budget(MapBudget(store, limit, ALL, plan.stages), plan, reasons, needed)


def test_the_plan_says_what_is_kept_and_dropped(store, ran):
    assert said(store, 0) == [
        'maps: at most 0 B are kept (--max-maps); stored are those of 0 predictions, 0 B',
        '  1 kept until their refinements are done, then within the limit',
        '  2 to be predicted that no refinement of this plan reads: not written',
    ]
    assert said(store, 900)[-1] == (
        '  2 to be predicted that no refinement of this plan reads: kept as far as they fit, instead of older ones'
    )
    drive(store)
    assert said(store, 2000) == ['maps: at most 2 kB are kept (--max-maps); stored are those of 3 predictions, 1.2 kB']
    assert said(store, 500) == [
        'maps: at most 500 B are kept (--max-maps); stored are those of 3 predictions, 1.2 kB',
        '  2 dropped at the start of the run, the oldest first: 800 B',
    ]
    more = plan_of(*GRID.stages.values(), Q1)
    assert said(store, 0, more)[1:] == [
        '  2 dropped at the start of the run, the oldest first: 800 B',
        '  1 kept until their refinements are done, then within the limit',
    ]
    assert with_maps(store) == set('pqr')


def test_the_disk_must_hold_what_is_kept_and_what_refinements_read_at_a_time():
    unbatched = [stage('predict', name, TRAIN, seed=name) for name in 'vwxyz']
    assert len({batch_key(one) for one in (P, Q, R)}) == 1 and len({batch_key(one) for one in unbatched}) == 5
    plan = plan_of(
        TRAIN, P, Q, R, *unbatched, P1, P2, Q1, stage('refine', 'd', unbatched[0]), stage('refine', 'e', unbatched[1])
    )
    everything = list(plan.stages)

    def needed(max_maps, jobs=1, keys=everything, **changed):
        return largest_maps(plan, dict.fromkeys(plan.stages, 1000) | changed, keys, max_maps, jobs)

    assert needed(None) == 8000 and needed(10**9) == 8000
    assert [needed(0, jobs) for jobs in (1, 2, 3, 9)] == [2000, 3000, 4000, 4000]  # P and Q are read from one pass
    assert needed(700) == 2700
    larger = {unbatched[0].key: 5000, unbatched[4].key: 3000}
    assert needed(None, **larger) == 14000 and [needed(0, jobs, **larger) for jobs in (1, 2)] == [5000, 7000]
    assert needed(0, keys=[P.key, unbatched[4].key]) == 0 and needed(None, keys=[TRAIN.key, P1.key]) == 0


@pytest.mark.parametrize(
    'flags, message',
    [
        (['--max-maps', '5'], '--max-maps 5: it is not a size such as'),
        (['--max-maps', '-1GB'], 'expected one argument'),
        (['--collect-garbage', '--max-maps', '1GB'], '--max-maps limits the maps that a run keeps'),
    ],
)
def test_limits_that_say_nothing_are_refused(tmp_path, monkeypatch, capsys, flags, message):
    for name in ('ABLATION_WORK_DIR', 'PYTHONPATH'):
        monkeypatch.setenv(name, '')
    try:
        status = main(['--work-dir', str(tmp_path / 'work'), *flags], tmp_path)
    except SystemExit as exited:
        status = exited.code
    assert status == 2 and message in capsys.readouterr().err and not (tmp_path / 'work').exists()
