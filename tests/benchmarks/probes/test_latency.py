import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.probes import latency
from benchmarks.probes.latency import Stopwatch, percentiles


class Clock:
    """A clock that only moves when told."""

    def __init__(self, monkeypatch):
        self.now_ns = 0
        monkeypatch.setattr(latency, 'perf_counter_ns', lambda: self.now_ns)

    def pass_ms(self, duration_ms):
        self.now_ns += round(duration_ms * 1e6)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_samples_are_milliseconds_by_name(clock):
    watch = Stopwatch('cpu')
    for duration_ms in (20, 0.5, 7):
        with watch('views'):
            clock.pass_ms(duration_ms)
        clock.pass_ms(1000)
    with watch('refine'):
        clock.pass_ms(3)
    assert watch.samples_ms == dict(views=[20, 0.5, 7], refine=[3])


def test_blocks_nest(clock):
    watch = Stopwatch()
    with watch('total'):
        clock.pass_ms(1)
        with watch('views'):
            clock.pass_ms(10)
    assert watch.samples_ms == dict(views=[10], total=[11])


def test_the_clock_is_the_wall():
    watch = Stopwatch()
    with watch('sleep'):
        time.sleep(0.02)
    assert watch.samples_ms['sleep'][0] >= 20


def test_a_block_that_raises_is_no_sample():
    watch = Stopwatch()
    with pytest.raises(RuntimeError, match='out of memory'), watch('views'):
        raise RuntimeError('out of memory')
    assert watch.samples_ms == {}


def test_cuda_is_drained_before_the_clock_starts_and_before_it_stops(clock, monkeypatch):
    events = []

    def synchronize(device):
        events.append(device)
        clock.pass_ms(100 if len(events) == 1 else 30)

    monkeypatch.setitem(sys.modules, 'torch', SimpleNamespace(cuda=SimpleNamespace(synchronize=synchronize)))
    watch = Stopwatch('cuda:1')
    with watch('views'):
        events.append('block')
        clock.pass_ms(2)
    assert events == ['cuda:1', 'block', 'cuda:1']
    # the kernels still queued at the end belong to the block, those queued before it do not
    assert watch.samples_ms == dict(views=[32])


def test_the_cpu_does_without_torch():
    code = (
        'import sys; from benchmarks.probes.latency import Stopwatch\n'
        'with Stopwatch("cpu")("a"): pass\n'
        'sys.exit("torch" in sys.modules)'
    )
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0


def test_percentiles_interpolate_and_say_how_many():
    samples = np.random.default_rng(0).permutation(101) * 2.0
    assert percentiles(samples.tolist()) == dict(p50=100, p90=180, p95=190, p99=198, n=101)
    assert percentiles([4.0]) == dict(p50=4, p90=4, p95=4, p99=4, n=1)


def test_percentiles_of_nothing_are_undefined():
    result = percentiles([])
    assert result.pop('n') == 0
    assert len(result) == 4 and all(np.isnan(value) for value in result.values())
