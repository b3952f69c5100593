"""How the suite is spread over processes: each on one thread, a file stays in one process, slow files come first."""

import os

import pytest

SLOW_S = 1800  # the time limit of a slow test, in which the fixtures that it shares with others may be made
STARTS_PROGRAMS = ('contract', 'end_to_end')

if 'PYTEST_XDIST_WORKER' in os.environ:  # before anything imports torch: the processes share the cores
    os.environ.setdefault('OMP_NUM_THREADS', '1')


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark and order the tests; ``-m`` and xdist read the marks later."""
    for item in items:
        folder = item.path.parent.name
        if folder in STARTS_PROGRAMS:
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker('slow') and not item.get_closest_marker('timeout'):
            item.add_marker(pytest.mark.timeout(SLOW_S))
        if not item.get_closest_marker('xdist_group'):  # fixtures of a module are made once
            item.add_marker(pytest.mark.xdist_group(f'{folder}/{item.path.stem}'))
    slow = {item.path for item in items if item.get_closest_marker('slow')}
    # What takes long starts first, so that no process ends long after the others.
    items.sort(key=lambda item: (item.path not in slow, item.path.parent.name not in STARTS_PROGRAMS))
