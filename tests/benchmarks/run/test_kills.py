"""kill -9 of the driver or of a stage at random moments: nothing that had finished is lost, or computed again.

``THOROUGH=1 pytest tests/benchmarks/run/test_kills.py`` kills fifty times.
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

from benchmarks.store.store import Store

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / 'tests' / 'helpers' / 'tiny_cells.py'
# So many cells that the grid is open at the last kill: a driver lives for 0.1 s once its stages run, four at a time and
# 0.015 s each.
KILLS, CELLS = (50, 200) if os.environ.get('THOROUGH') else (4, 30)
PATIENCE_S = 600
# From one kill to the next, while stages run: as long as the longest stage, on a machine with nothing else to do.
LONGEST_S = 0.03


def start(store):
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(ROOT), str(SCRIPT.parent)])}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(store), str(CELLS)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(driver):
    """Wait for the end of a run; gives what it printed."""
    said, complaints = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode == 0 and not complaints, complaints
    done, _, total, *_ = said.splitlines()[-1].split()
    assert done == total, said
    return total


def members(session):
    """Living processes of a driver's session, by their parents."""
    found = {}
    for path in Path('/proc').glob('[0-9]*/stat'):
        try:
            state, parent, _, own = path.read_text().rpartition(')')[2].split()[:4]
        except OSError:
            continue
        if int(own) == session and state != 'Z':
            found[int(path.parent.name)] = int(parent)
    return found


def stages_of(driver):
    """The processes of stages: grandchildren of the driver, by the server that forks them."""
    processes = members(driver.pid)
    return [pid for pid, parent in processes.items() if processes.get(parent) == driver.pid]


def wait_for_stages(driver):
    """Wait until a stage runs: a driver first starts the process that forks them."""
    wait_for(lambda: stages_of(driver) or driver.poll() is not None)


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def manifests(store):
    """Identity of each good result."""
    store = Store(store)
    found = {}
    for kind in ('train', 'predict', 'refine', 'profile'):
        for result in store.stored(kind):
            if result.ok:
                found[kind, result.folder.name] = store.identity(kind, result.folder.name)
    return found


def tables(store):
    return {path.parent.name: path.read_text() for path in Path(store).glob('*/*/facts.csv')}


@pytest.mark.slow
def test_kills_at_random_moments_change_no_count_and_repeat_nothing(tmp_path):
    undisturbed, killed = tmp_path / 'undisturbed', tmp_path / 'killed'
    expected = finish(start(undisturbed))
    rng, kept, killed_at_work, killed_stages, longest_s = random.Random(KILLS), {}, 0, 0, LONGEST_S
    # A kill that hits nothing shows nothing, and before anything is stored nothing can be lost.
    while killed_at_work < KILLS or killed_stages < KILLS or not kept:
        driver = start(killed)
        assert driver.stdout.readline() == 'begins\n', driver.stderr.read()
        for _ in range(rng.randrange(4)):  # stages first: the driver stores their failures, and goes on
            wait_for_stages(driver)
            time.sleep(rng.uniform(0, longest_s))
            victims = stages_of(driver)
            if victims:
                with suppress(ProcessLookupError):
                    os.kill(rng.choice(victims), signal.SIGKILL)
                    killed_stages += 1
        wait_for_stages(driver)
        time.sleep(rng.uniform(0, longest_s))
        killed_at_work += bool(stages_of(driver))
        driver.kill()
        driver.communicate()
        wait_for(lambda: not members(driver.pid))
        now = manifests(killed)
        assert kept.items() <= now.items(), 'a finished stage has run again'
        assert len(now) < int(expected), 'the grid was finished before the last kill'
        kept = now
        longest_s *= 1 if kept else 2
    assert finish(start(killed)) == expected
    assert kept.items() <= manifests(killed).items()
    assert tables(killed) == tables(undisturbed)
    store = Store(killed)
    assert all(store.get(kind, key, verify=True).ok for kind, key in manifests(killed))
    assert left_by_the_killed(killed) == []


def left_by_the_killed(store):
    """What drivers and stages keep in a store while they live: leases, working folders, keys in use, notes."""
    return [path for pattern in ('running/*', 'drivers/*', 'machine/*/*.json') for path in store.glob(pattern)]


@pytest.fixture
def disk(tmp_path):
    """A file system of its own; calling it with an option mounts it anew."""
    place = tmp_path / 'disk'
    place.mkdir()

    def mount(option):
        command = ['mount', '-t', 'tmpfs', '-o', option, 'tmpfs', str(place)]
        return subprocess.run(command, capture_output=True, text=True)

    try:
        mounted = mount('size=64m')
    except FileNotFoundError as error:
        pytest.skip(f'there is no mount command: {error}')
    if mounted.returncode:
        pytest.skip(f'a file system cannot be mounted here: {mounted.stderr.strip()}')
    mount.place = place
    yield mount
    subprocess.run(['umount', '-l', str(place)], check=True)


@pytest.mark.slow
def test_a_disk_that_becomes_read_only_costs_nothing_that_had_finished(disk):
    store = disk.place / 'store'
    driver = start(store)
    wait_for(lambda: list(store.glob('train/*/manifest.json')))
    while disk('remount,ro').returncode:  # busy as long as a file is open for writing
        assert driver.poll() is None
        time.sleep(0.001)
    kept = manifests_of_files(store)
    _, complaints = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode == 0 or 'Read-only file system' in complaints
    wait_for(lambda: not members(driver.pid))
    assert disk('remount,rw').returncode == 0
    finish(start(store))
    after = manifests_of_files(store)
    assert kept and {name: after[name] for name in kept} == kept


def manifests_of_files(store):
    """Identity of each good result, without opening a store, which may be read-only."""
    found = [path for path in store.glob('*/*/manifest.json') if path.parts[-3] in ('train', 'predict', 'refine')]
    return {path: path.stat().st_ino for path in found if '"status": "ok"' in path.read_text()}
