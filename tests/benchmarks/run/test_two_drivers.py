"""Two real drivers with the same plan on one work dir, as two terminals start them: they share the stages."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.store.store import Store

ROOT = Path(__file__).resolve().parents[3]
HELPERS = ROOT / 'tests' / 'helpers'
KINDS = ('train', 'predict', 'refine')
CHAINS, JOBS = 8, 2  # of each driver, which has more stages to choose from than both have jobs
STAGE_S = 1.0
LEASE_S = 60.0  # of the store; both are processes of one host, which needs none
PATIENCE_S = 600
# Of trainings and predictions. No stage ends before both drivers have begun one, so that neither is late. Then two
# drivers with as many jobs compute one half each; a third leaves room for what else a busy machine does.
LEAST_SHARE = 1 / 3
pytestmark = pytest.mark.slow


def start(store, computed, name, meets=()):
    script = (sys.executable, HELPERS / 'driver_on_a_host.py', store, computed, CHAINS, STAGE_S, JOBS)
    path = os.pathsep.join([str(ROOT), str(HELPERS)])
    driver = subprocess.Popen(
        list(map(str, script)),
        env={**os.environ, 'PYTHONPATH': path, 'HOST': name, 'LEASE_S': f'{LEASE_S}', 'MEETS': ' '.join(meets)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert driver.stdout.readline() == 'begins\n', driver.stderr.read()
    return driver


def go(driver):
    driver.stdin.write('run\n')
    driver.stdin.flush()


def finish(driver):
    said, complaints = driver.communicate('end\n', timeout=PATIENCE_S)
    assert driver.returncode == 0, complaints
    return json.loads(said.splitlines()[-1])


def tables(root):
    """What each stage has counted, by kind and label."""
    store = Store(root)
    return {
        (kind, result.label): (result.folder / 'facts.csv').read_text()
        for kind in KINDS
        for result in store.stored(kind)
    }


def test_two_drivers_compute_each_stage_once_and_each_a_fair_share(tmp_path):
    computed = tmp_path / 'computed'
    computed.mkdir()
    names = ('first', 'second')
    drivers = [start(tmp_path / 'store', computed, name, meets=names) for name in names]
    try:
        for driver in drivers:
            go(driver)
        for driver in drivers:
            assert set(finish(driver)['statuses']) == {'ok'}
    finally:
        for driver in drivers:
            driver.kill()
            driver.wait()
    began = [path.name.split(' ')[:3] for path in computed.iterdir()]
    assert Counter((kind, name) for kind, name, _ in began) == {
        (kind, str(number)): 1 for kind in KINDS for number in range(CHAINS)
    }
    shares = Counter(driver for kind, _, driver in began if kind != 'refine')  # those run in one pass
    assert all(shares[name] >= LEAST_SHARE * shares.total() for name in names), shares
    alone = start(tmp_path / 'alone', computed, 'alone')
    go(alone)
    finish(alone)
    assert tables(tmp_path / 'store') == tables(tmp_path / 'alone') and len(tables(tmp_path / 'alone')) == len(began)
    assert list((tmp_path / 'store' / 'running').iterdir()) == []
