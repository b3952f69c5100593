"""The launcher with real processes: what they import, and from when on their time counts."""

import inspect
import os
import subprocess
import sys
import types
import typing
from pathlib import Path

import pytest

from benchmarks.run import launcher as launcher_module
from benchmarks.run.contract import DAMAGED_PARENT, DISK_FULL, FAILED_ON_SHARED_GPU, KEPT_EARLIER, OVER_QUOTA, Launcher
from benchmarks.run.launcher import PRELOADED, LocalLauncher
from benchmarks.stages.worker import (
    EXIT_DAMAGED_PARENT,
    EXIT_DISK_FULL,
    EXIT_FAILED_ON_SHARED_GPU,
    EXIT_KEPT_EARLIER,
    EXIT_OVER_QUOTA,
    Task,
)
from benchmarks.store.store import Store

ROOT = Path(__file__).resolve().parents[3]
KEYS = 'a' * 40, 'b' * 40
TIMEOUT_S = 5  # many times what the stage needs, so that it is not late on a busy machine either
# Submits two stages that would fail at once, and holds what they need for twice their time limit: the key of one, the
# machine of the other, which has another store.
DRIVER = f"""
import sys, time
from pathlib import Path
from benchmarks.run.launcher import LocalLauncher
from benchmarks.stages.worker import Task
from benchmarks.stages.worker import Task
from benchmarks.store.store import Store

if __name__ == '__main__':
    stores = [Store(Path(name)) for name in sys.argv[1:]]
    locks = [stores[0].writing({KEYS[0]!r}), stores[1].machine(alone=True)]
    launcher = LocalLauncher({TIMEOUT_S})
    ended = {{}}
    with locks[0], locks[1]:
        for key, store in zip({KEYS!r}, stores):
            launcher.submit(Task('refine', key, 'x', dict(nonsense=1), (), dict(a='1'), str(store.root), 'cpu'))
        release = time.monotonic() + {2 * TIMEOUT_S}
        while time.monotonic() < release:
            ended |= launcher.poll()
            time.sleep(0.05)
    print(ended)
    while len(ended) < 2:
        ended |= launcher.poll()
        time.sleep(0.05)
    print(sorted(ended.items()))
"""
DECOY = """
from pathlib import Path
Path(__file__).with_name('imported').touch()
raise ImportError('this is another checkout')
"""


@pytest.mark.slow
def test_stages_import_nothing_of_the_current_folder_and_waiting_for_locks_is_no_work(tmp_path):
    for package in ('mmseg', 'benchmarks', 'plugins', 'multiprocessing'):
        (tmp_path / 'here' / package).mkdir(parents=True)
        (tmp_path / 'here' / package / '__init__.py').write_text(DECOY)
    script = tmp_path / 'script' / 'driver.py'
    script.parent.mkdir()
    script.write_text(DRIVER)
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'CUDA_VISIBLE_DEVICES': ''}
    environment.pop('PYTHONSAFEPATH', None)
    stores = tmp_path / 'one', tmp_path / 'other'
    done = subprocess.run(
        [sys.executable, str(script), *map(str, stores)],
        cwd=tmp_path / 'here',
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == ['{}', repr([(key, None) for key in KEYS])], done
    assert list((tmp_path / 'here').glob('*/imported')) == []
    for key, store in zip(KEYS, stores):
        result = Store(store).get('refine', key)
        assert result.status == 'failed' and result.reason.startswith('KeyError'), result


CALLS = """
import os, sys
from benchmarks.session.devices import why_unusable
from benchmarks.run.launcher import LocalLauncher

if __name__ == '__main__':
    launcher = LocalLauncher()
    print(launcher.call(os.getpid) != os.getpid())
    print(launcher.call(why_unusable) not in (None, ''), 'torch' in sys.modules)
    try:
        launcher.call(sys.exit)
    except RuntimeError:
        print('died')
"""


@pytest.mark.slow
def test_a_call_has_a_process_of_its_own_in_which_torch_says_why_a_gpu_cannot_be_used(tmp_path):
    (tmp_path / 'driver.py').write_text(CALLS)
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'CUDA_VISIBLE_DEVICES': ''}
    done = subprocess.run(
        [sys.executable, str(tmp_path / 'driver.py')], env=environment, capture_output=True, text=True
    )
    assert done.stdout.split('\n') == ['True', 'True False', 'died', ''], done


@pytest.mark.parametrize(
    'status, complaint',
    [
        (0, None),
        (EXIT_DAMAGED_PARENT, DAMAGED_PARENT),
        (EXIT_FAILED_ON_SHARED_GPU, FAILED_ON_SHARED_GPU),
        (EXIT_KEPT_EARLIER, KEPT_EARLIER),
        (EXIT_DISK_FULL, DISK_FULL),
        (EXIT_OVER_QUOTA, OVER_QUOTA),
        (1, 'the process ended with exit status 1'),
        (-9, 'the process was ended by signal 9 (out of memory?)'),
    ],
)
def test_what_an_exit_status_means(status, complaint):
    assert LocalLauncher._why(status) == complaint


def test_the_local_launcher_keeps_the_contract():
    assert isinstance(LocalLauncher(), Launcher)
    for name, method in vars(Launcher).items():
        if not name.startswith('_') and callable(method):
            assert inspect.signature(getattr(LocalLauncher, name)) == inspect.signature(method), name
    assert typing.get_type_hints(Launcher)['timeout_s'] == (float | None)
    assert LocalLauncher().timeout_s is None and LocalLauncher(1.5).timeout_s == 1.5


def test_what_is_incomplete_is_no_launcher():
    class Lacking(LocalLauncher):
        cancel_all = None

    assert not isinstance(Lacking(), Launcher)


def test_modules_that_the_program_names_are_imported_before_the_servers_own(monkeypatch):
    asked = []
    monkeypatch.setattr(
        'multiprocessing.context.ForkServerContext.set_forkserver_preload', lambda _, m: asked.append(m)
    )
    LocalLauncher(preload=('some.program',))
    assert asked == [['some.program', PRELOADED]]


def test_each_process_gets_the_gpu_that_the_fewest_have(tmp_path, monkeypatch):
    launcher, started = LocalLauncher(gpus=('0', 'MIG-1')), []

    class Process:
        def __init__(self, target, args):
            started.append(args[1])
            self.pid, self.exitcode = len(started), None

        start = join = lambda self: None

        def is_alive(self):
            return self.exitcode is None

    launcher.context = types.SimpleNamespace(Process=Process)
    monkeypatch.setattr(launcher, 'warm_up', lambda: None)

    def submit(key):
        launcher.submit(Task('train', key, 'x', {}, (), {}, str(tmp_path), 'cuda'))

    for key in 'abc':
        submit(key)
    launcher.running[1].process.exitcode = 0
    assert launcher.poll() == dict(b=None)
    submit('d')
    assert started == ['0', 'MIG-1', '0', 'MIG-1']
    launcher.gpus = ()
    submit('e')
    assert started[-1] is None


@pytest.mark.parametrize('gpu, seen', [('MIG-1', 'MIG-1'), (None, '0,1')])
def test_a_process_sees_its_own_gpu_alone(monkeypatch, gpu, seen):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '0,1')
    found = []
    monkeypatch.setattr(launcher_module, 'run_task', lambda task: found.append(os.environ['CUDA_VISIBLE_DEVICES']))
    monkeypatch.setattr(launcher_module, 'run_together', lambda tasks: found.append(len(tasks)))
    launcher_module._run(['a task'], gpu)
    launcher_module._run(['a', 'b'], gpu)
    assert found == [seen, 2]
