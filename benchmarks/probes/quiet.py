"""How quiet the machine was while something was measured.

N samples, each of one input size.
"""

import os
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

TICKS = os.sysconf('SC_CLK_TCK') if hasattr(os, 'sysconf') else 100
# A machine at rest runs a few services; from this many busy cores on, others slow a measurement.
OTHERS_CORES = 0.25
STEAL = 0.02
# The same work before, within and after: medians on a quiet machine move by a few percent.
DRIFT = 0.15
# Medians of the same network differ by so much from process to process, on a quiet machine.
BETWEEN_PROCESSES = 0.1


class Reading(NamedTuple):
    """The machine's counters at one moment, in seconds since its start.

    Attributes:
        at: Time.
        busy: Time that all cores together worked, for any process; None where the system does not count it.
        steal: Time that a virtual machine's cores were taken away; None likewise.
        own: Time that cores worked for this process and its ended children.
        cores: The number of cores that ``steal`` is counted over.
    """

    at: float
    busy: float | None
    steal: float | None
    own: float
    cores: int = 1


def read_machine() -> Reading:
    """The counters now, from ``/proc/stat``; on systems without it only the time and this process's own."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    own = sum(of.ru_utime + of.ru_stime for of in usage)
    busy = steal = None
    with suppress(OSError, ValueError, IndexError):
        user, nice, system, _, _, irq, softirq, stolen = map(
            int, Path('/proc/stat').read_text().splitlines()[0].split()[1:9]
        )
        busy, steal = (user + nice + system + irq + softirq) / TICKS, stolen / TICKS
    return Reading(time.monotonic(), busy, steal, own, os.cpu_count() or 1)


def calibration_ms() -> float:
    """The time of a fixed piece of work in one thread, the best of five; about 2 ms each on a core of 2020."""
    values = np.arange(200_000, dtype=np.float64)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        float(np.sqrt(values * 1.0001 + 1).sum())
        float(np.sort(values[::-7]).sum())
        times.append((time.perf_counter() - start) * 1e3)
    return min(times)


class Watch:
    """Watches the machine during a measurement.

    Args:
        read: Reads the machine's counters.
        calibrate: Times a fixed piece of work, in milliseconds.
    """

    def __init__(
        self, read: Callable[[], Reading] = read_machine, calibrate: Callable[[], float] = calibration_ms
    ) -> None:
        self.read, self.calibrate = read, calibrate
        self.calibration = calibrate()
        self.start = read()

    def end(self, samples_ms: Sequence[float], sizes: Sequence[object]) -> dict:
        """What the machine did since the start; see :func:`assess`.

        Args:
            samples_ms: What was measured meanwhile, (N,).
            sizes: The input size of each sample, (N,).
        """
        end = self.read()
        return assess(self.start, end, (self.calibration, self.calibrate()), samples_ms, sizes)


def assess(
    start: Reading, end: Reading, calibration: tuple[float, float], samples_ms: Sequence[float], sizes: Sequence[object]
) -> dict:
    """Whether the machine was busy during a measurement, and how far its result may be off.

    Args:
        start: The counters before.
        end: The counters after.
        calibration: Milliseconds of the same work before and after.
        samples_ms: What was measured, (N,).
        sizes: The input size of each sample, (N,).

    Returns:
        ``others_cores``: how many cores worked for other processes on average, and ``steal``: the share of time that
        cores were taken away; both None where the system does not count it. ``calibration_ms``. ``drift``: how far the
        second half of the samples lies from the first, each relative to the median of its size; 0 where no size
        occurs in both. ``noise``: the relative difference below which latencies count as equal: the largest of
        :data:`BETWEEN_PROCESSES`, ``drift`` and the change of the calibration. ``busy``: why the machine counts as
        busy; None if it was quiet.
    """
    elapsed = max(end.at - start.at, 1e-9)
    others = steal = None
    if start.busy is not None and end.busy is not None:
        others = max((end.busy - start.busy - (end.own - start.own)) / elapsed, 0.0)
    if start.steal is not None and end.steal is not None:
        steal = (end.steal - start.steal) / elapsed / end.cores
    change = max(calibration) / min(calibration) - 1
    drift = drift_of(samples_ms, sizes)
    reasons = []
    if others is not None and others > OTHERS_CORES:
        reasons.append(f'other processes kept {others:.1f} cores busy')
    if steal is not None and steal > STEAL:
        reasons.append(f'{100 * steal:.0f} % of the time was stolen by other virtual machines')
    if change > DRIFT:
        reasons.append(f'the same work before and after took {100 * change:.0f} % more or less')
    if drift > DRIFT:
        reasons.append(f'the two halves of the run differ by {100 * drift:.0f} %')
    return dict(
        others_cores=others,
        steal=steal,
        calibration_ms=list(calibration),
        drift=drift,
        noise=max(BETWEEN_PROCESSES, drift, change),
        busy='; '.join(reasons) or None,
    )


def drift_of(samples_ms: Sequence[float], sizes: Sequence[object]) -> float:
    """How far the second half of samples lies from the first, each relative to the median of its size; see above."""
    half = len(samples_ms) // 2
    both = set(sizes[:half]) & set(sizes[half:])
    if not both:
        return 0.0
    usual = {size: statistics.median(ms for ms, of in zip(samples_ms, sizes) if of == size) for size in both}
    first, second = (
        statistics.median(ms / usual[of] for ms, of in zip(samples_ms[part], sizes[part]) if of in both)
        for part in (slice(half), slice(half, None))
    )
    return max(first, second) / min(first, second) - 1


def quietest(tries: Sequence[dict]) -> int:
    """The index of the try that was disturbed least: quiet before busy, then the least noise and load by others."""
    return min(
        range(len(tries)),
        key=lambda n: (tries[n]['busy'] is not None, tries[n]['others_cores'] or 0.0, tries[n]['noise'], n),
    )
