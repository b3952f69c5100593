"""Reports of what is finished: when they are due, what they may cost, and that no fault of theirs ends the run."""

import errno
import os
import pickle
import signal
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from multiprocessing import get_context
from threading import Event, Thread

import pytest

from benchmarks.files import write_atomic
from benchmarks.plan.looks import GridLooks
from benchmarks.plan.plan import Cell, Plan, Stage
from benchmarks.record import read_grid_json, write_grid
from benchmarks.run.state import State
from benchmarks.session import interim
from benchmarks.session.interim import InterimReports, open_parts, write_interim
from benchmarks.session.outputs import write_outputs
from benchmarks.store.sole_user import sole_user
from benchmarks.store.store import Result, Store


def stage(kind, name, *parents):
    return Stage(kind, name, ('x',), 0, '', {}, tuple((one.kind, one.key) for one in parents), {})


TRAIN, OTHER = stage('train', 'a'), stage('train', 'b')
PREDICT, AFTER = stage('predict', 'p', TRAIN), stage('predict', 'q', OTHER)
PROFILE = stage('profile', 'm', TRAIN)
CELLS = [Cell((), 0, {}, (('train', 'a'), ('predict', 'p'))), Cell(('x',), 0, {}, (('train', 'b'), ('predict', 'q')))]
PLAN = Plan(CELLS, {one.key: one for one in (TRAIN, OTHER, PREDICT, AFTER, PROFILE)}, {(): 'm', ('x',): 'm'}, [])


def result(tmp_path, status='ok'):
    return Result(tmp_path, status, None if status == 'ok' else 'it broke', {}, {}, '')


@pytest.fixture
def state(tmp_path):
    """The first cell is finished, the second one trains."""
    return State(PLAN, dict(a=result(tmp_path), p=result(tmp_path)), running=dict(b=0.0))


@pytest.fixture
def clock(monkeypatch):
    """The seconds that have passed since the start; a test moves them on."""
    now = [1000.0]
    monkeypatch.setattr(interim.time, 'monotonic', lambda: now[0])
    return now


def reports(tmp_path, write, cores=4):
    return InterimReports(write, tmp_path / 'out', nullcontext, cores)


def keeping(tmp_path):
    """A writer that keeps the results that it is given in a file, because it runs in a process of its own."""
    return lambda results: '' if (tmp_path / 'kept').write_bytes(pickle.dumps(dict(results))) else 'nothing was kept'


def kept(tmp_path):
    return pickle.loads((tmp_path / 'kept').read_bytes())


def call_until_ended(reporting, state):
    """Call as the driver does, until the process beside it has ended."""
    reporting(state)
    assert reporting.child is not None
    while reporting.child is not None:
        time.sleep(0.005)
        reporting(state)


def test_what_is_neither_finished_nor_failed_is_open(tmp_path):
    ok, failed = result(tmp_path), result(tmp_path, 'failed')
    assert open_parts(PLAN, {}) == dict(cells=['baseline__seed0', 'x__seed0'], profiles=['baseline', 'x'])
    assert open_parts(PLAN, dict(a=ok, p=ok, b=failed, m=ok)) == dict(cells=[], profiles=[])
    assert open_parts(PLAN, dict(a=failed)) == dict(cells=['x__seed0'], profiles=[])


def test_a_report_is_due_half_a_minute_after_the_start_and_only_when_a_cell_has_finished(tmp_path, state, clock):
    reporting = reports(tmp_path, lambda results: (tmp_path / 'seen').write_text(' '.join(sorted(results))) and '')
    nothing = State(PLAN, dict(a=state.results['a']), running=dict(p=0.0))
    clock[0] += 31
    reporting(nothing)
    assert reporting.child is None
    clock[0] -= 2
    reporting(state)
    assert reporting.child is None
    clock[0] += 2
    call_until_ended(reporting, state)
    assert (tmp_path / 'seen').read_text() == 'a p'
    clock[0] += 1000
    reporting(state)
    assert reporting.child is None  # nothing has finished since
    state.results |= dict(b=state.results['a'], q=state.results['a'])
    state.running = dict(m=0.0)
    call_until_ended(reporting, state)
    assert (tmp_path / 'seen').read_text() == 'a b p q'


def test_reports_cost_at_most_a_hundredth_of_the_cores(tmp_path, state, clock):
    reporting = reports(tmp_path, lambda results: '', cores=4)
    clock[0] += 31
    call_until_ended(reporting, state)
    reporting.cost_s = 2.0
    state.results['b'] = result(tmp_path, 'failed')
    state.running = dict(m=0.0)  # a stage that measures: all cores would wait for the report
    clock[0] += 199
    reporting(state)
    assert reporting.child is None
    state.running = dict(z=0.0)
    state.plan.stages['z'] = stage('train', 'z')
    try:
        clock[0] += 1 - 150
        reporting(state)
        assert reporting.child is not None
    finally:
        del state.plan.stages['z']
        reporting.__exit__(None)


@pytest.fixture
def reported(tmp_path, synthetic_facts):
    """The output folder with a report of the first cell."""
    out = tmp_path / 'out'
    rows = [
        dict(stack=name, techniques=techniques, label=name, published_dice=None)
        for name, techniques in (('baseline', []), ('x', ['x']))
    ]
    content = synthetic_facts['grid'] | dict(seeds=[0], rows=rows, comparisons=[])
    write_grid(out, content | dict(open=dict(cells=['x__seed0'], profiles=['baseline', 'x'])))
    for file in ('records/baseline__seed0.json', 'report/README.md'):
        write_atomic(out / file, b'')
    return out


@pytest.mark.parametrize(
    'change',
    [
        lambda out: (out / 'report' / 'README.md').unlink(),
        lambda out: (out / 'records' / 'baseline__seed0.json').unlink(),
        lambda out: (out / 'grid.json').write_text('{'),
        lambda out: write_grid(out, read_grid_json(out) | dict(seeds=[0, 1])),
        lambda out: os.utime(out / 'records' / 'baseline__seed0.json', (2e9, 2e9)),
    ],
    ids=['no report', 'a cell that has finished since', 'a damaged grid', 'cells of another look', 'a stale report'],
)
def test_an_interruption_writes_what_the_folder_does_not_report(reported, tmp_path, state, change):
    change(reported)
    with pytest.raises(KeyboardInterrupt), reports(tmp_path, keeping(tmp_path)) as beside:
        beside(state)
        raise KeyboardInterrupt
    assert kept(tmp_path).keys() == {'a', 'p'}


def test_an_interruption_before_the_first_call_writes_what_is_finished(tmp_path, state):
    with pytest.raises(KeyboardInterrupt), reports(tmp_path, keeping(tmp_path)) as beside:
        beside.know(state)
        raise KeyboardInterrupt
    assert kept(tmp_path).keys() == {'a', 'p'}


def test_the_report_of_a_later_look_is_not_replaced_by_that_of_an_earlier_one(reported, tmp_path, state):
    grid = read_grid_json(reported)
    asked = dict(metric='dice', equivalence_margin=1, method='m', primary=[], n_results=0)
    looks = dict(seeds=[1, 2], levels=[0.02, 0.04], followed=['baseline'])
    later = grid | dict(seeds=[0, 1], questions=[asked | dict(looks=looks)], looks=[dict(baseline=1, x=1)])
    write_grid(reported, later)
    with pytest.raises(KeyboardInterrupt), reports(tmp_path, lambda results: pytest.fail('replaced')) as beside:
        beside(state)
        raise KeyboardInterrupt
    state.results['b'] = result(tmp_path, 'failed')  # now there is more than the report shows
    with pytest.raises(KeyboardInterrupt), reports(tmp_path, keeping(tmp_path)) as beside:
        beside(state)
        raise KeyboardInterrupt
    assert kept(tmp_path).keys() == {'a', 'p', 'b'}


def test_what_stood_there_before_the_run_is_not_written_again(reported, tmp_path, state, clock):
    reporting = reports(tmp_path, lambda results: pytest.fail('nothing is new'))
    reporting(state)
    clock[0] += 1000
    reporting(state)
    assert reporting.child is None
    with pytest.raises(KeyboardInterrupt), reporting:
        raise KeyboardInterrupt


def test_a_run_that_is_complete_leaves_its_report_to_the_end(tmp_path, clock):
    reporting = reports(tmp_path, lambda results: pytest.fail('the last report is not an interim one'))
    clock[0] += 1000
    with reporting:
        reporting(State(PLAN, dict.fromkeys(PLAN.stages, result(tmp_path))))
        assert reporting.child is None


def test_an_interruption_writes_what_has_finished_since(tmp_path, state, capsys):
    with pytest.raises(KeyboardInterrupt), reports(tmp_path, keeping(tmp_path)) as beside:
        beside(state)
        raise KeyboardInterrupt
    assert kept(tmp_path).keys() == {'a', 'p'}
    assert capsys.readouterr().out == f'report of what is finished: {tmp_path}/out/report/README.md\n'


@pytest.mark.parametrize(
    'write, said',
    [
        (lambda results: time.sleep(600), 'a report takes longer than 0.2 s, and was given up; all results are kept'),
        (lambda results: os._exit(3), 'no report of what is finished could be made (RuntimeError: the process beside'),
        (lambda results: 'the disk is full', 'the disk is full'),
    ],
    ids=['hangs', 'dies', 'complains'],
)
def test_the_report_of_an_interruption_has_a_time_limit_and_costs_a_line(
    tmp_path, state, monkeypatch, capfd, write, said
):
    monkeypatch.setattr(interim, 'LAST_REPORT_S', 0.2)
    with pytest.raises(KeyboardInterrupt), reports(tmp_path, write) as beside:
        beside(state)
        raise KeyboardInterrupt
    (line,) = capfd.readouterr().out.splitlines()
    assert said in line


def test_a_second_interruption_ends_the_report_of_the_first(tmp_path, state):
    def press():
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt), reports(tmp_path, lambda results: time.sleep(600)) as beside:
        beside(state)
        Thread(target=press).start()
        raise KeyboardInterrupt
    assert time.monotonic() - start < 60  # on a busy machine; the report itself would take 600 s


def test_a_cost_that_is_measured_again_keeps_its_earlier_measurement(tmp_path, clock):
    profile = result(tmp_path)
    state = State(PLAN, dict.fromkeys('abpq', result(tmp_path)), running=dict(m=0.0), earlier=dict(m=profile))
    with pytest.raises(KeyboardInterrupt), reports(tmp_path, keeping(tmp_path)) as beside:
        beside(state)
        raise KeyboardInterrupt
    assert kept(tmp_path)['m'] == profile and open_parts(PLAN, kept(tmp_path)) == dict(cells=[], profiles=[])
    beside = reports(tmp_path, lambda results: (tmp_path / 'seen').write_text(' '.join(sorted(results))) and '')
    clock[0] += 31
    call_until_ended(beside, state)
    assert (tmp_path / 'seen').read_text() == 'a b m p q'


@pytest.mark.parametrize('end', [lambda: os._exit(9), lambda: os.kill(os.getpid(), signal.SIGKILL)])
def test_a_writer_that_dies_costs_a_line(tmp_path, state, clock, end):
    reporting = reports(tmp_path, lambda results: end())
    clock[0] += 31
    call_until_ended(reporting, state)
    (message,) = state.messages
    assert message.startswith('no report of what is finished could be made (RuntimeError: ')
    assert message.endswith('; the run goes on')


def test_the_same_complaint_is_made_once(tmp_path, state, clock):
    reporting = reports(tmp_path, lambda results: 'the disk is full')
    for key in 'bq':
        clock[0] += 500
        call_until_ended(reporting, state)
        state.results[key] = result(tmp_path, 'failed')
    assert state.messages == ['the disk is full; the run goes on']


@pytest.mark.parametrize(
    ('error', 'said'),
    [
        (OSError(errno.ENOSPC, 'No space left on device'), 'out cannot hold the report of what is finished: No space'),
        (ValueError('no\nfigure'), 'no report of what is finished could be made (ValueError: no figure)'),
        (MemoryError(), 'no report of what is finished could be made (MemoryError: )'),
    ],
)
def test_no_fault_of_a_report_leaves_the_writer(tmp_path, monkeypatch, error, said):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(interim, 'grid_content', fail)
    assert said in write_interim(type('OfLooks', (), dict(looks=None)), tmp_path / 'out', 'run', {})


def test_the_writer_has_a_low_priority_and_ends_with_the_context(tmp_path, state, clock):
    def slow(results):
        (tmp_path / 'nice').write_text(str(os.nice(0)))
        time.sleep(60)

    before, hidden = os.nice(0), tmp_path / 'out' / 'report' / '.README.md.1.tmp'
    with reports(tmp_path, slow) as reporting:
        clock[0] += 31
        reporting(state)
        while not (tmp_path / 'nice').exists() or not (tmp_path / 'nice').read_text():
            time.sleep(0.005)
        hidden.parent.mkdir(parents=True)
        hidden.write_text('half')
        process = reporting.child._process
    assert int((tmp_path / 'nice').read_text()) == min(before + 10, 19)
    assert process.exitcode == -signal.SIGKILL and not hidden.exists() and os.nice(0) == before


def test_the_file_that_another_process_is_writing_stays(tmp_path, state, clock):
    hidden = tmp_path / 'out' / 'report' / '.README.md.2.tmp'
    hidden.parent.mkdir(parents=True)
    begun, replaced = Event(), []

    def write():
        with sole_user(tmp_path / 'out'):
            hidden.write_text('whole')
            begun.set()
            time.sleep(0.3)
            replaced.append(hidden.replace(hidden.with_name('README.md')))

    other = Thread(target=write)
    with reports(tmp_path, lambda results: time.sleep(60)) as reporting:
        clock[0] += 31
        reporting(state)
        other.start()
        begun.wait()
    other.join()
    assert replaced and hidden.with_name('README.md').read_text() == 'whole'


def test_the_writer_waits_for_a_stage_that_measures(tmp_path, state, clock):
    store = Store(tmp_path / 'store')

    @contextmanager
    def share_machine():
        with store.machine(alone=False, stage='the report of g'):
            yield

    reporting = InterimReports(lambda results: (tmp_path / 'seen').write_text('x') and '', tmp_path, share_machine, 1)
    clock[0] += 31
    clock_of_machine = time.sleep  # the machine polls with it
    with store.machine(alone=True, stage='profile x'):
        reporting(state)
        clock_of_machine(0.5)
        assert not (tmp_path / 'seen').exists() and reporting.child is not None
    while reporting.child is not None:
        clock_of_machine(0.01)
        reporting(state)
    assert (tmp_path / 'seen').exists()


def _write_for_ever(out, begun):
    grid = dict(classes=['a'], open=dict(cells=['x__seed0', 'baseline__seed0'], profiles=['baseline', 'x']))
    while True:
        write_outputs(PLAN, {}, grid, out)
        begun.set()


def test_a_kill_leaves_whole_files(tmp_path, monkeypatch):
    """Whenever the writer is killed, the folder holds a grid.json, and all of it is replaced by the next writer."""
    monkeypatch.setattr('benchmarks.session.outputs.write_grid', lambda out, grid: (out / 'grid.json').write_text('{}'))
    context = get_context('fork')
    for attempt in range(8):
        begun = context.Event()
        writer = context.Process(target=_write_for_ever, args=(tmp_path, begun))
        writer.start()
        begun.wait()
        time.sleep(0.002 * attempt)
        writer.kill()
        writer.join()
        assert (tmp_path / 'grid.json').read_text() == '{}'
        present = {path.name for path in tmp_path.iterdir()}
        assert present <= {'grid.json', 'records', 'configs', '.fresh'}
    write_outputs(
        PLAN,
        {},
        dict(classes=['a'], open=dict(cells=['x__seed0', 'baseline__seed0'], profiles=['baseline', 'x'])),
        tmp_path,
    )
    assert {path.name for path in tmp_path.iterdir()} == {'grid.json', 'records', 'configs'}


@dataclass(frozen=True)
class Sequential:
    """An experiment, as far as its looks go."""

    looks: GridLooks | None


def test_a_look_that_runs_is_left_out_unless_it_is_the_first():
    looks = GridLooks((2, 3, 4), ('baseline', 'x'), (0.01, 0.02, 0.05)).take({(): [0, 1], ('x',): [0, 1]})
    assert interim._at_finished_looks(Sequential(looks)).looks.taken == looks.taken
    second = looks.take({(): [0, 1, 2], ('x',): [0, 1, 2]})
    assert interim._at_finished_looks(Sequential(second)).looks.taken == looks.taken
    assert interim._at_finished_looks(Sequential(None)).looks is None
