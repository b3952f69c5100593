"""The same grid by every launcher, with harm on the way: the same results, and nothing that had finished runs again.

``THOROUGH=1 pytest tests/benchmarks/run/test_launchers_alike.py`` runs 500 cells.
"""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from real_ray import FOLDER, OBJECT_STORE, real_ray, started, users_of
from tiny_grid import STAND_INS, grid, results

from benchmarks.plan.plan import Plan
from benchmarks.run.driver import Driver
from benchmarks.run.slurm.book import Book
from benchmarks.run.slurm.detached import Detached, carried_path
from benchmarks.run.slurm.job import Job
from benchmarks.run.slurm.queue import LIVE, Queue
from benchmarks.run.slurm.settings import SlurmSettings
from benchmarks.run.state import look_up
from benchmarks.store.store import Store

ROOT = Path(__file__).resolve().parents[3]
HELPERS = ROOT / 'tests' / 'helpers'
CHAINS = 500 if os.environ.get('THOROUGH') else 16
PREEMPTIONS, AT_ONCE = 3 * CHAINS // 8, 1 + CHAINS // 100  # of jobs: at most in all, and at one moment
PATIENCE_S = 1200
pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def environment():
    return {'PYTHONPATH': os.pathsep.join(map(str, (STAND_INS, ROOT, HELPERS))), 'CUDA_VISIBLE_DEVICES': ''}


@pytest.fixture
def with_stand_ins(environment, monkeypatch):
    """Processes that are started meanwhile run the stand-ins."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope='module')
def expected(environment, tmp_path_factory):
    """What the local launcher stores."""
    root = tmp_path_factory.mktemp('local') / 'store'
    command = [sys.executable, str(HELPERS / 'tiny_grid.py'), str(root), str(CHAINS)]
    subprocess.run(command, env={**os.environ, **environment}, check=True, timeout=PATIENCE_S)
    found = results(root)
    assert len(found) == len(grid(CHAINS).stages) - 2, 'a training fails, and what reads it is not run'
    return found


def manifests(root):
    """Identity of each stored result."""
    return {path: path.stat().st_ino for path in root.glob('*/*/manifest.json') if path.parts[-3] != 'running'}


def tree(pid):
    """A process and all that it has started, the youngest first."""
    parents = {}
    for path in Path('/proc').glob('[0-9]*/stat'):
        with suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(')')[2].split()[1])
    found, new = [pid], [pid]
    while new:
        new = [child for child, parent in parents.items() if parent in new]
        found += new
    return found[::-1]


def end(pid, how):
    """Signal a job as Slurm does: all of its processes."""
    for process in tree(pid):
        with suppress(ProcessLookupError):
            os.kill(process, how)


class Invocations:
    """The same command again and again, through submitit's jobs on this machine."""

    def __init__(self, folder, cluster):
        self.plan, self.store = grid(CHAINS), Store(folder / 'store')
        settings = SlurmSettings(cluster=cluster, time=3600.0, pack=60.0, tries=1000)
        self.queue, self.book = Queue(folder / 'slurm' / 'logs', settings, 4), Book(folder / 'slurm')
        self.like = Job(Plan([], {}, {}, []), str(self.store.root), '', 'cpu', 2, 3600.0, path=carried_path())

    def again(self):
        found, _ = look_up(self.store, self.plan)
        seconds = 600 / len(self.plan.stages)  # about ten jobs
        estimates = lambda keys: dict.fromkeys(keys, seconds)
        return Detached(self.plan, self.store, found, self.queue, self.book, self.like, estimates).run()

    def live(self):
        jobs = [entry.job for entry in self.book.entries()]
        states = self.queue.states(jobs)
        return [job for job in jobs if states[job] in LIVE]


def test_jobs_that_are_preempted_at_random_give_the_same_results(expected, with_stand_ins, tmp_path):
    pytest.importorskip('submitit', reason="submitit is not installed: pip install 'segmentation-ablation[slurm]'")
    runs, chance, kept, harmed = Invocations(tmp_path, 'local'), random.Random(3), {}, 0
    deadline = time.monotonic() + PATIENCE_S
    try:
        while runs.again().open():
            assert time.monotonic() < deadline
            time.sleep(chance.uniform(0.5, 2))
            live = runs.live()
            for job in chance.sample(live, min(len(live), AT_ONCE, PREEMPTIONS - harmed)):
                end(int(job), chance.choice([signal.SIGKILL, signal.SIGTERM]))
                harmed += 1
            now = manifests(runs.store.root)
            assert kept.items() <= now.items(), 'a finished stage ran again'
            kept = now
    finally:
        for job in runs.live():
            end(int(job), signal.SIGKILL)
    assert harmed > 2 * AT_ONCE and results(runs.store.root) == expected


def test_submitits_debug_mode_runs_jobs_in_this_process(with_stand_ins, tmp_path, monkeypatch):
    """One chain, whose stages have processes of their own all the same."""
    pytest.importorskip('submitit', reason="submitit is not installed: pip install 'segmentation-ablation[slurm]'")
    script = tmp_path / 'debug.py'
    script.write_text(
        'import sys\nfrom pathlib import Path\nimport test_launchers_alike as alike\nalike.CHAINS = 1\n'
        'if __name__ == "__main__":\n'
        '    runs = alike.Invocations(Path(sys.argv[1]), "debug")\n'
        '    print([len(runs.again().open()) for _ in range(3)])\n'
    )
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join([os.environ['PYTHONPATH'], str(Path(__file__).parent)]))
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.stdout.splitlines()[-1:] == ['[4, 1, 0]'], done


@pytest.fixture
def ray_folder(monkeypatch):
    with real_ray() as folder:
        monkeypatch.setenv(FOLDER, folder)
        yield folder


def test_a_cluster_of_three_nodes_one_of_which_dies_gives_the_same_results(
    ray_folder, expected, with_stand_ins, tmp_path
):
    from benchmarks.run.ray.launcher import LOOPBACK, RayLauncher, import_ray
    from benchmarks.run.ray.settings import RaySettings

    ray = import_ray()
    from ray.cluster_utils import Cluster

    one = dict(num_cpus=1, node_ip_address=LOOPBACK, object_store_memory=OBJECT_STORE, include_log_monitor=False)
    head = dict(include_dashboard=False, no_monitor=True, **one)
    cluster = started(lambda: Cluster(initialize_head=True, head_node_args=head))
    try:
        doomed = [started(lambda: cluster.add_node(**one)) for _ in range(2)][1]
        launcher = RayLauncher(RaySettings(address=cluster.address, lost=20.0), 'cpu', tmp_path / 'ray')
        assert launcher.slots() == 3 and launcher.kind_of_node() == 'ray CPU=1'
        assert len(users_of(ray_folder)) >= 3, 'what a cluster leaves would be seen'
        store, plan = Store(tmp_path / 'store'), grid(CHAINS)
        half = len(plan.stages) // 2

        def show(state):
            nonlocal doomed
            if doomed is not None and len(state.results) > half:
                cluster.remove_node(doomed, allow_graceful=False)
                doomed = None

        with store.drivers.using(plan.stages):
            state = Driver(plan, store, launcher, {}, device='cpu', jobs=launcher.slots()).run(show)
        assert doomed is None and not state.open()
        assert results(store.root) == expected
        assert list((tmp_path / 'ray').iterdir()) == []
    finally:
        ray.shutdown()
        cluster.shutdown()
