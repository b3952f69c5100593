"""How the suite is spread over processes: each on one thread, slow files first.

A file stays in one process (``--dist loadfile`` in pyproject.toml), so that the fixtures of a module are made once.
"""

import gc
import os

import pytest

SLOW_S = 1800  # the time limit of a slow test, in which the fixtures that it shares with others may be made
STARTS_PROGRAMS = ('contract', 'end_to_end')

if 'PYTEST_XDIST_WORKER' in os.environ:  # before anything imports torch: the processes share the cores
    os.environ.setdefault('OMP_NUM_THREADS', '1')


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


def pytest_collection_finish() -> None:
    """Put what is imported out of the garbage collector's sight: mmengine collects whenever it builds a data set."""
    gc.collect()
    gc.freeze()
