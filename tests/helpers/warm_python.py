"""Runs Python programs in processes that have imported torch and mmseg already: what ``python SCRIPT`` does, sooner.

A program that starts anew spends most of its time on these imports, and so does the server that it forks stages from.
Here one process imports them, nothing of this project among them; each program is a fork of it, with arguments,
environment, folder, import path and output of its own, and so is the server that a program starts. What a start itself
imports is asked of programs that start anew.
"""

import atexit
import contextlib
import gc
import importlib
import io
import json
import multiprocessing.forkserver
import multiprocessing.util
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

# What is missing here is imported by the program itself.
MODULES = (
    'torch',
    'torch._dynamo',
    'torch.utils.cpp_extension',
    'scipy.stats',
    'pandas',
    'seaborn',
    'matplotlib.backends.backend_agg',
    'jinja2',
    'markdown_it',
    'rich.live',
    'rich.table',
    'yapf.yapflib.yapf_api',
    'mmengine.runner',
    'mmseg.models',
    'mmseg.datasets',
    'mmseg.engine',
    'mmseg.evaluation',
    'mmseg.visualization',
    'cv2',
    'numba',
)
SERVER = 'from multiprocessing.forkserver import main; '


class WarmPython:
    """The process that has imported :data:`MODULES`; programs are its forks. Leaving the context ends it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix='warm_python_')
        self._started = 0
        self._lock = threading.Lock()
        environment = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            text=True,
            env=environment | dict(CUDA_VISIBLE_DEVICES=''),
        )

    def __enter__(self) -> 'WarmPython':
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()

    def start(
        self, command: Sequence[object], env: Mapping[str, str], cwd: Path, *, joined: bool = False
    ) -> 'WarmProcess':
        """Start ``python SCRIPT ARGUMENT …``.

        Args:
            command: The script and its arguments.
            env: Its environment.
            cwd: Its current folder.
            joined: Whether errors go to the output.
        """
        with self._lock:
            self._started += 1
            process = WarmProcess(Path(self._folder.name) / str(self._started))
            words = [str(word) for word in command]
            process.touch_outputs()
            request = dict(command=words, env=dict(env), cwd=str(cwd), place=str(process.place), joined=joined)
            self._process.stdin.write(json.dumps(request) + '\n')
            self._process.stdin.flush()
        return process


class WarmProcess:
    """A program that runs in a session of its own; what the tests need of :class:`subprocess.Popen`.

    Args:
        place: The start of the names of its files: output, errors, process and exit status.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.returncode: int | None = None

    def touch_outputs(self) -> None:
        """Make the files of its output, which it may never come to write to."""
        for name in ('stdout', 'stderr'):
            self._file(name).touch()

    @property
    def pid(self) -> int:
        """Its process, as soon as it has one."""
        return int(self._read('pid', 300))

    def poll(self) -> int | None:
        """Its exit status; None while it runs."""
        if self.returncode is None and self._file('status').exists():
            self.returncode = int(self._file('status').read_text())
        return self.returncode

    def kill(self) -> None:
        """Kill it, if it runs."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end; give its output and errors.

        Raises:
            subprocess.TimeoutExpired: It runs longer.
        """
        self.returncode = int(self._read('status', timeout))
        return self._file('stdout').read_text(), self._file('stderr').read_text()

    def _file(self, name: str) -> Path:
        return self.place.with_suffix(f'.{name}')

    def _read(self, name: str, timeout: float | None) -> str:
        deadline = time.monotonic() + timeout if timeout is not None else float('inf')
        while not self._file(name).exists():
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.place), timeout)
            time.sleep(0.01)
        return self._file(name).read_text()


def serve() -> None:
    """Import, then fork a program for each line of the standard input."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        for module in MODULES:
            importlib.import_module(module)
        # With the first function numba makes itself ready, which takes a third of a second.
        importlib.import_module('numba').njit(lambda number: number + 1)(1)
    gc.collect()
    gc.freeze()  # no program walks what is imported here
    for line in sys.stdin:
        with contextlib.suppress(ChildProcessError):  # those that have ended
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if os.fork() == 0:
            _watch(json.loads(line))
            os._exit(0)


def _watch(request: dict) -> None:
    """Fork the program, and write down its process and its exit status."""
    place = Path(request['place'])
    program = os.fork()
    if program == 0:
        os.setsid()
        status = 1
        try:
            _send_output_to(place, request['joined'])
            status = _run(request['command'], request['env'], request['cwd'])
        finally:
            os._exit(status)
    _write(place.with_suffix('.pid'), program)
    _, status = os.waitpid(program, 0)
    _write(place.with_suffix('.status'), os.waitstatus_to_exitcode(status))


def _write(path: Path, number: int) -> None:
    path.with_suffix('.unfinished').write_text(str(number))
    path.with_suffix('.unfinished').rename(path)  # readers see it whole


def _run(command: list[str], env: dict[str, str], cwd: str) -> int:
    """What the interpreter does between its start and its end."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the tests were started with
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv = command
    own_folder = str(Path(__file__).parent)
    paths = [path for path in env.get('PYTHONPATH', '').split(os.pathsep) if path]
    sys.path[:] = [str(Path(command[0]).parent), *paths, *(path for path in sys.path if path != own_folder)]
    sys.modules.pop('sitecustomize', None)
    with contextlib.suppress(ImportError):
        importlib.import_module('sitecustomize')
    multiprocessing.util.spawnv_passfds = _fork_servers(multiprocessing.util.spawnv_passfds)
    return _status_of(command[0])


def _send_output_to(place: Path, joined: bool) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    output, errors = (os.open(place.with_suffix(f'.{name}'), os.O_WRONLY | os.O_CREAT) for name in ('stdout', 'stderr'))
    for descriptor, target in ((nothing, 0), (output, 1), (output if joined else errors, 2)):
        os.dup2(descriptor, target)
    for descriptor in (nothing, output, errors):
        os.close(descriptor)


def _status_of(script: str) -> int:
    status = 0
    try:
        runpy.run_path(script, run_name='__main__')
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if ended.code is not None and not isinstance(ended.code, int):
            print(ended.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def _fork_servers(spawn):
    """``spawnv_passfds`` that forks this process for a server of multiprocessing, and spawns all else."""

    def spawn_or_fork(path, args, passfds):
        if not args[-1].startswith(SERVER):
            return spawn(path, args, passfds)
        sys.stdout.flush()
        sys.stderr.flush()
        process = os.fork()
        if process:
            return process
        try:
            kept = {0, 1, 2, *map(int, passfds)}
            for descriptor in map(int, os.listdir('/proc/self/fd')):
                if descriptor not in kept:
                    with contextlib.suppress(OSError):
                        os.close(descriptor)
            multiprocessing.forkserver._forkserver._lock = threading.Lock()  # which the caller holds
            exec(args[-1], {})
        except SystemExit:
            pass
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)

    return spawn_or_fork


if __name__ == '__main__':
    serve()
