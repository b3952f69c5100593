"""When a machine counts as busy during a measurement, and how far off that may be; readings are pretended."""

import subprocess
import sys
import time

import pytest

from benchmarks.probes import quiet
from benchmarks.probes.quiet import Reading, Watch, assess, drift_of, quietest, read_machine

START = Reading(at=100.0, busy=50.0, steal=1.0, own=10.0, cores=2)
QUIET = Reading(at=110.0, busy=60.5, steal=1.0, own=20.0, cores=2)  # 10 s: 10.5 s of work, 10 of them its own


def seen(end=QUIET, calibration=(2.0, 2.0), samples=(10.0,) * 8, sizes=('a',) * 8):
    return assess(START, end, calibration, samples, sizes)


def test_a_quiet_machine():
    facts = seen()
    assert facts['busy'] is None and facts['others_cores'] == pytest.approx(0.05) and facts['steal'] == 0
    assert facts['noise'] == quiet.BETWEEN_PROCESSES and facts['drift'] == 0


@pytest.mark.parametrize(
    'change, said, noise',
    [
        (dict(end=QUIET._replace(busy=70.0)), 'other processes kept 1.0 cores busy', 0.1),
        (dict(end=QUIET._replace(steal=3.0)), '10 % of the time was stolen', 0.1),
        (dict(calibration=(2.0, 3.0)), 'before and after took 50 % more or less', 0.5),
        (dict(calibration=(3.0, 2.0)), 'before and after took 50 % more or less', 0.5),
        (dict(samples=(10.0,) * 4 + (14.0,) * 4), 'the two halves of the run differ by 40 %', 0.4),
    ],
)
def test_what_makes_it_busy(change, said, noise):
    facts = seen(**change)
    assert said in facts['busy'] and facts['noise'] == pytest.approx(noise)


def test_images_of_several_sizes_are_no_drift():
    assert drift_of([10, 40, 10, 40, 10, 40], 'abbabb') >= 0
    assert drift_of([10, 40, 40, 10, 10, 40, 40, 10], 'abbaabba') == 0
    assert drift_of([10, 10, 40, 40], 'aabb') == 0  # no size occurs in both halves
    assert drift_of([10, 40, 15, 60], 'abab') == pytest.approx(0.5)


def test_a_system_without_counters_is_judged_by_the_rest():
    bare = START._replace(busy=None, steal=None)
    facts = assess(bare, QUIET, (2.0, 2.0), [10.0], ['a'])
    assert facts['others_cores'] is None and facts['steal'] is None and facts['busy'] is None


def test_the_quietest_try_counts():
    busy, busier = seen(QUIET._replace(busy=70.0)), seen(QUIET._replace(busy=79.0))
    assert quietest([busier, busy]) == 1 and quietest([busy, busier, seen()]) == 2


@pytest.mark.skipif(read_machine().busy is None, reason='the system does not count the work of all processes')
def test_a_training_that_no_lock_keeps_away_is_noticed():
    """As one of another work dir, which does not wait for this measurement."""
    other = subprocess.Popen([sys.executable, '-c', 'while True: pass'])
    try:
        watch = Watch(calibrate=lambda: 1.0)
        time.sleep(1.5)
        facts = watch.end([1.0], ['a'])
    finally:
        other.kill()
        other.wait()
    assert facts['others_cores'] > quiet.OTHERS_CORES and 'other processes kept' in facts['busy']


def test_this_machine_is_read():
    watch = Watch()
    facts = watch.end([1.0], ['a'])
    assert all(ms > 0 for ms in facts['calibration_ms']) and read_machine().own > 0
