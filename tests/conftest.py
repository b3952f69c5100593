"""How the suite is spread over processes: each on one thread, slow files first.

A file stays in one process (``--dist loadfile`` in pyproject.toml), so that the fixtures of a module are made once.
"""

import compileall
import gc
import os
import sys
import weakref
from pathlib import Path

import pytest
from warm_python import WarmPython

ROOT = Path(__file__).resolve().parents[1]
SLOW_S = 1800  # the time limit of a slow test, in which the fixtures that it shares with others may be made
STARTS_PROGRAMS = ('contract', 'end_to_end')

if 'PYTEST_XDIST_WORKER' in os.environ:  # before anything imports torch: the processes share the cores
    os.environ.setdefault('OMP_NUM_THREADS', '1')


def pytest_configure() -> None:
    """Compile the project once where Python keeps no bytecode: hundreds of processes import it, and find it then."""
    if sys.dont_write_bytecode and 'PYTEST_XDIST_WORKER' not in os.environ:
        for folder in ('benchmarks', 'plugins'):
            compileall.compile_dir(ROOT / folder, quiet=2)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark and order the tests, before ``-m`` selects among them."""
    for item in items:
        if item.path.parent.name in STARTS_PROGRAMS:
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker('slow') and not item.get_closest_marker('timeout'):
            item.add_marker(pytest.mark.timeout(SLOW_S))
    slow = {item.path for item in items if item.get_closest_marker('slow')}
    # What takes long starts first, so that no process ends long after the others.
    items.sort(key=lambda item: (item.path not in slow, item.path.parent.name not in STARTS_PROGRAMS))


@pytest.fixture(autouse=True)
def loader_processes_end():
    """End the loader processes that a test leaves behind.

    Left to the garbage collector, which breaks up a runner's circle of references in any order, torch waits 5 s for
    each process, because the queue that would tell it to end is gone.
    """
    yield
    loaders = sys.modules.get('torch.utils.data.dataloader')
    if loaders is not None and not hasattr(loaders._MultiProcessingDataLoaderIter, 'alive'):
        _watch(loaders._MultiProcessingDataLoaderIter)
    for iterator in list(getattr(getattr(loaders, '_MultiProcessingDataLoaderIter', None), 'alive', ())):
        iterator._shutdown_workers()


@pytest.fixture(scope='session')
def warm_python():
    """Runs programs in processes that have imported torch and mmseg before they start."""
    with WarmPython() as warm:
        yield warm


def _watch(iterator_type) -> None:
    """Keep a weak reference to each iterator that is made from now on."""
    make = iterator_type.__init__
    iterator_type.alive = weakref.WeakSet()

    def make_and_remember(self, loader):
        iterator_type.alive.add(self)
        make(self, loader)

    iterator_type.__init__ = make_and_remember


def pytest_collection_finish() -> None:
    """Put what is imported out of the garbage collector's sight: mmengine collects whenever it builds a data set."""
    gc.collect()
    gc.freeze()
