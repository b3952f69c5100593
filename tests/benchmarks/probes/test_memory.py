import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from mmengine.device import get_max_cuda_memory

from benchmarks.probes import memory
from benchmarks.probes.memory import CudaPeak, HostPeak, cuda_now

MIB = 2**20
BUFFER_MIB, SMALLER_MIB = 256, 96
# What the process may gain or lose besides: other threads allocate, and the kernel takes pages away that nobody reads.
NOISE_MIB = 40
needs_reset = pytest.mark.skipif(memory._reset_mark() != 'VmHWM since entry', reason='the kernel keeps its mark')


@needs_reset
def test_the_peak_counts_what_is_freed_before_the_end():
    with HostPeak() as host:
        buffer = bytearray(BUFFER_MIB * MIB)
        del buffer
    assert host.source == 'VmHWM since entry'
    assert host.added_mib == pytest.approx(BUFFER_MIB, abs=NOISE_MIB)
    assert host.peak_mib == pytest.approx(host.entry_mib + host.added_mib)


@needs_reset
def test_earlier_peaks_are_not_charged():
    buffer = bytearray(BUFFER_MIB * MIB)
    del buffer
    with HostPeak() as host:
        pass
    assert 0 <= host.added_mib < NOISE_MIB


@needs_reset
def test_an_inner_block_does_not_take_the_peak_from_the_outer():
    with HostPeak() as outer:
        buffer = bytearray(BUFFER_MIB * MIB)
        del buffer
        with HostPeak() as inner:
            smaller = bytearray(SMALLER_MIB * MIB)
            del smaller
    assert outer.added_mib == pytest.approx(BUFFER_MIB, abs=NOISE_MIB)
    assert inner.added_mib == pytest.approx(SMALLER_MIB, abs=NOISE_MIB)


@needs_reset
def test_children_are_not_included():
    with HostPeak() as host:
        subprocess.run([sys.executable, '-c', f'bytearray({BUFFER_MIB * MIB})'], check=True)
    assert host.added_mib < NOISE_MIB


def test_a_block_that_raises_is_still_measured_and_closed():
    host = HostPeak()
    with pytest.raises(MemoryError), host:
        raise MemoryError
    assert host.peak_mib >= host.entry_mib > 0
    assert HostPeak._open == []


def test_where_the_mark_cannot_be_reset_the_source_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, '_CLEAR_REFS', tmp_path / 'absent' / 'clear_refs')
    buffer = bytearray(96 * MIB)
    del buffer
    with HostPeak() as host:
        pass
    assert host.source == 'VmHWM since process start'
    assert host.peak_mib >= host.entry_mib


@pytest.mark.parametrize('platform, unit', [('linux', 1024), ('darwin', 1)])
def test_without_proc_the_mark_is_ru_maxrss(monkeypatch, tmp_path, platform, unit):
    marks = iter([100 * MIB // unit, 164 * MIB // unit])
    monkeypatch.setattr(memory, '_STATUS', tmp_path / 'absent')
    monkeypatch.setattr(memory, 'sys', SimpleNamespace(platform=platform))
    monkeypatch.setattr(memory.resource, 'getrusage', lambda who: SimpleNamespace(ru_maxrss=next(marks)))
    with HostPeak() as host:
        pass
    assert host.source == 'ru_maxrss since process start'
    assert (host.entry_mib, host.peak_mib, host.added_mib) == (100, 164, 64)


class Allocator:
    """A stand-in for CUDA's: `use` holds some MiB for a moment."""

    def __init__(self, monkeypatch):
        self.now = self.peak = 10
        self.initialized = self.available = True
        for name in (
            'is_available',
            'is_initialized',
            'reset_peak_memory_stats',
            'max_memory_allocated',
            'max_memory_reserved',
            'memory_reserved',
            'mem_get_info',
        ):
            monkeypatch.setattr(torch.cuda, name, getattr(self, name))

    def use(self, mib):
        self.initialized = True
        self.peak = max(self.peak, self.now + mib)

    def is_available(self):
        return self.available

    def is_initialized(self):
        return self.initialized

    def reset_peak_memory_stats(self, device=None):
        if not self.initialized:
            raise RuntimeError('Invalid device argument: did you call init?')
        self.peak = self.now

    def max_memory_allocated(self, device=None):
        return self.peak * MIB

    def max_memory_reserved(self, device=None):
        return 2 * self.peak * MIB

    def memory_reserved(self):
        return 2 * self.now * MIB

    def mem_get_info(self):
        return 1000 * MIB - self.memory_reserved(), 1000 * MIB


@pytest.fixture
def cuda(monkeypatch):
    return Allocator(monkeypatch)


def test_the_cuda_peak_survives_what_logger_hook_reads(cuda):
    cuda.use(500)  # before the block: not charged
    with CudaPeak('cuda') as peak:
        for mib in (20, 90, 40):
            cuda.use(mib)
            peak.sample()
            assert get_max_cuda_memory() == 10 + mib  # this is how LoggerHook reads the peak, and resets it
        cuda.use(30)
    assert torch.cuda.max_memory_allocated() == 40 * MIB
    assert (peak.allocated_mib, peak.reserved_mib) == (100, 200)


def test_a_block_may_be_the_first_to_start_cuda(cuda):
    cuda.initialized = False
    with CudaPeak('cuda:0') as peak:
        cuda.use(70)
    assert peak.allocated_mib == 80


def test_the_end_of_the_block_is_sampled(cuda):
    with CudaPeak('cuda:0') as peak:
        cuda.use(70)
    assert peak.allocated_mib == 80


def test_cuda_peak_is_inert_on_the_cpu(cuda):
    with CudaPeak('cpu') as peak:
        cuda.use(70)
        peak.sample()
    assert peak.allocated_mib is None and peak.reserved_mib is None


def test_cuda_peak_is_inert_on_a_machine_without_cuda(cuda):
    cuda.available = False
    with CudaPeak() as peak:
        peak.sample()
    assert peak.allocated_mib is None and peak.reserved_mib is None


def test_what_is_held_now_is_told_without_starting_cuda(cuda):
    cuda.use(70)
    assert cuda_now() == dict(reserved_mib=20, peak_reserved_mib=160, free_mib=980)
    cuda.initialized = False
    assert cuda_now() is None
