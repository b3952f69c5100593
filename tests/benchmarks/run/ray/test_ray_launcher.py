"""The launcher for Ray, with a pretended Ray: what is asked of it, and what its ends mean."""

import pickle
import signal
import sys
import threading
from types import SimpleNamespace

import pytest

from benchmarks.errors import BadInput
from benchmarks.files import write_json
from benchmarks.run.contract import PREEMPTED, Launcher
from benchmarks.run.ray import launcher as launcher_module
from benchmarks.run.ray.bootstrap import call_by_value
from benchmarks.run.ray.launcher import RayLauncher, import_ray
from benchmarks.run.ray.settings import RaySettings, read_settings
from benchmarks.stages.worker import Task


class RayError(Exception):
    pass


class RayTaskError(RayError):
    pass


class OutOfMemoryError(RayError):
    pass


class PretendRay:
    """Keeps what it is asked to call until a test says how each call ends."""

    cloudpickle = SimpleNamespace(register_pickle_by_value=lambda module: None)
    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError, OutOfMemoryError=OutOfMemoryError)

    def __init__(self, *nodes):
        self.alive, self.calls, self.ended, self.cancelled = nodes, [], {}, []

    def is_initialized(self):
        return True

    def nodes(self):
        return [dict(Alive=True, Resources=node) for node in self.alive] + [dict(Alive=False, Resources={'CPU': 99.0})]

    def remote(self, function):
        def options(**asked):
            def remote(path, content):
                self.calls.append((asked, *pickle.loads(content)))
                return len(self.calls) - 1

            return SimpleNamespace(remote=remote)

        return SimpleNamespace(options=options)

    def wait(self, handles, **_):
        return [handle for handle in handles if handle in self.ended], []

    def get(self, handle):
        if isinstance(self.ended[handle], Exception):
            raise self.ended[handle]
        return self.ended[handle]

    def cancel(self, handle, force):
        self.cancelled.append(handle)


def task(key, *, alone=False):
    return Task('train', key, f'label of {key}', {}, (), {}, 'store', 'cpu', alone=alone)


@pytest.fixture
def made(monkeypatch, tmp_path):
    """``made(nodes, settings)``: a pretended cluster and a launcher on it."""

    def make(*nodes, **settings):
        ray = PretendRay(*(nodes or [{'CPU': 4.0}, {'CPU': 2.0}]))
        monkeypatch.setattr(launcher_module, 'import_ray', lambda: ray)
        return ray, RayLauncher(RaySettings(**settings), 'cpu', tmp_path / 'ray', 60.0)

    return make


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(launcher_module.time, 'monotonic', lambda: clock.now)
    return clock


def test_it_keeps_the_contract(made):
    assert isinstance(made()[1], Launcher)


def test_a_stage_takes_what_it_was_given_and_one_that_runs_alone_a_whole_node(made):
    ray, launcher = made({'CPU': 8.0, 'GPU': 2.0, 'memory': 9e9}, {'CPU': 64.0}, cpus=2.0, gpus=0.5, memory=10**9)
    launcher.submit(task('a'))
    launcher.submit(task('b', alone=True))
    asked = [
        {name: one[name] for name in ('num_cpus', 'num_gpus', 'memory', 'max_retries', 'name')} for one, *_ in ray.calls
    ]
    assert asked == [
        dict(num_cpus=2.0, num_gpus=0.5, memory=10**9, max_retries=0, name='label of a'),
        dict(num_cpus=8.0, num_gpus=2.0, memory=10**9, max_retries=0, name='label of b'),
    ]
    assert launcher.slots() == 4


def test_a_node_of_another_kind_is_another_kind_of_measurement(made):
    nodes = {'CPU': 8.0, 'GPU': 2.0, 'memory': 9e9, 'accelerator_type:A100': 1.0, 'node:10.0.0.1': 1.0}
    assert made(nodes, address='x')[1].kind_of_node() == 'ray CPU=8 GPU=2 accelerator_type:A100=1'
    assert made(nodes)[1].kind_of_node() is None


def test_a_cluster_without_room_for_a_stage_is_refused(made):
    with pytest.raises(BadInput, match=r'no node .* takes: --ray cpus=1 gpus=1 memory=0; the largest has CPU 4, GPU 0'):
        made(gpus=1.0)


def test_ended_stages_come_out_once_with_their_complaints(made):
    ray, launcher = made()
    launcher.submit(task('a'))
    launcher.submit(task('b'), task('c'))
    assert launcher.poll() == {}
    ray.ended = {1: dict(b='why', c='why')}
    assert launcher.poll() == dict(b='why', c='why')
    ray.ended[0] = dict(a=None)
    assert launcher.poll() == dict(a=None) and launcher.poll() == {}


@pytest.mark.parametrize(
    'error, complaint',
    [(RayError('node died'), PREEMPTED), (OutOfMemoryError('x\nused up'), 'it was ended for want of memory: used up')],
)
def test_a_stage_whose_node_or_worker_is_gone_is_begun_again_so_often(made, error, complaint):
    ray, launcher = made(tries=3)
    launcher.submit(task('a'))
    for number in range(2):
        ray.ended[number] = error
        assert launcher.poll() == {} and len(ray.calls) == number + 2
    ray.ended[2] = error
    assert launcher.poll() == dict(a=complaint) and len(ray.calls) == 3


def test_what_the_launcher_of_the_node_raises_is_a_reason(made):
    ray, launcher = made()
    launcher.submit(task('a'))
    ray.ended[0] = RayTaskError('Traceback\nImportError: no torch')
    assert launcher.poll() == dict(a='ImportError: no torch')


def test_a_stage_without_a_sign_of_life_is_begun_again_and_one_that_waits_for_room_is_not(made, clock):
    """The pretended cluster calls both tasks running for ever, as Ray does with those of a dead node."""
    ray, launcher = made(lost=10.0, tries=2)
    launcher.submit(task('begun'))
    launcher.submit(task('waits'))
    beat = launcher.running[0].beat
    for clock.now in (0, 8, 16, 24):
        write_json(beat, clock.now)
        assert launcher.poll() == {} and len(ray.calls) == 2
    clock.now = 35
    assert launcher.poll() == {} and ray.cancelled == [0] and len(ray.calls) == 3
    write_json(beat, 'the first try lives after all')
    for clock.now in (50, 70):
        assert launcher.poll() == {}, 'what was seen of the first try does not count for the second'
    write_json(launcher.running[0].beat, 1)
    assert launcher.poll() == {}
    clock.now = 81
    assert launcher.poll() == dict(begun=PREEMPTED)
    clock.now = 10_000
    assert launcher.poll() == {} and [one.keys for one in launcher.running] == [['waits']]


def test_cancelling_ends_all_and_leaves_no_file(made):
    ray, launcher = made()
    launcher.submit(task('a'))
    write_json(launcher.running[0].beat, 1)
    launcher.cancel_all()
    assert ray.cancelled == [0] and launcher.poll() == {} and list(launcher.folder.iterdir()) == []


class SetsAHandler(PretendRay):
    """Takes SIGTERM for itself when it starts, as Ray does."""

    def is_initialized(self):
        return False

    def init(self, **_):
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)


@pytest.mark.parametrize('fails', [False, True])
def test_the_programs_handler_of_sigterm_stays(monkeypatch, tmp_path, fails):
    ray, heard = SetsAHandler({'CPU': 4.0}), []
    if fails:
        monkeypatch.setattr(ray, 'init', lambda **_: [SetsAHandler.init(ray), 1 / 0])
    monkeypatch.setattr(launcher_module, 'import_ray', lambda: ray)
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        if fails:
            with pytest.raises(BadInput, match='cannot reach'):
                RayLauncher(RaySettings(), 'cpu', tmp_path / 'ray')
        else:
            RayLauncher(RaySettings(), 'cpu', tmp_path / 'ray')
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]


def test_it_starts_in_a_thread_too(monkeypatch, tmp_path):
    monkeypatch.setattr(launcher_module, 'import_ray', lambda: SetsAHandler({'CPU': 4.0}))
    made = []
    thread = threading.Thread(target=lambda: made.append(RayLauncher(RaySettings(), 'cpu', tmp_path / 'ray')))
    thread.start()
    thread.join()
    assert len(made) == 1


def test_a_missing_ray_is_told_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, 'ray', None)
    with pytest.raises(BadInput, match=r"--launcher ray needs ray .*pip install 'segmentation-ablation\[ray\]'"):
        import_ray()


@pytest.mark.parametrize(
    'words, device, chosen, gpus',
    [([], None, 'cpu', 0), (['gpus=0.5'], None, 'cuda', 0.5), ([], 'cuda', 'cuda', 1), (['cpus=2'], 'cpu', 'cpu', 0)],
)
def test_the_device_follows_from_what_a_stage_takes(words, device, chosen, gpus):
    settings, found = read_settings(words, None, device)
    assert (found, settings.gpus) == (chosen, gpus)


@pytest.mark.parametrize(
    'words, device, chosen, gpus', [([], None, 'cuda', 0.5), (['gpus=1'], None, 'cuda', 1), ([], 'cpu', 'cpu', 0)]
)
def test_flags_win_over_the_grid(words, device, chosen, gpus):
    settings, found = read_settings([*words, 'cpus=2'], 'head:1', device, dict(gpus=0.5, cpus=4.0, lost=60.0))
    assert (found, settings) == (chosen, RaySettings('head:1', gpus=gpus, cpus=2.0, lost=60.0))


def test_a_cpu_that_is_to_run_what_takes_gpus_is_refused():
    with pytest.raises(BadInput, match='--ray gpus=1 does not go with --device cpu'):
        read_settings(['gpus=1'], None, 'cpu')


def test_a_worker_imports_from_the_drivers_folders_before_its_own(monkeypatch):
    monkeypatch.setattr(sys, 'path', ['/current/folder', '/libraries'])
    assert call_by_value(('/checkout', '/libraries'), pickle.dumps((len, ('abc',)))) == 3
    assert sys.path == ['/checkout', '/libraries', '/current/folder']
