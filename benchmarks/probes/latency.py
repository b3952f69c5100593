"""Wall-clock samples in milliseconds, by name, and their percentiles."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter_ns

import numpy as np


class Stopwatch:
    """Collect the durations of named blocks.

    On a CUDA device the queue is drained before the clock starts and before it stops: a block is charged with its own
    kernels only. A block that raises leaves no sample.

    Args:
        device (str): ``'cpu'``, ``'cuda'`` or ``'cuda:<index>'``; torch is imported for CUDA only.

    Attributes:
        samples_ms (dict[str, list[float]]): The durations by name, in the order in which they were taken.

    Example:
        >>> watch = Stopwatch('cpu')
        >>> for image in range(3):
        ...     with watch('views'):
        ...         pass
        >>> len(watch.samples_ms['views'])
        3
    """

    def __init__(self, device: str = 'cpu') -> None:
        self.samples_ms: dict[str, list[float]] = {}
        self._wait = _barrier(str(device))

    def now_ms(self) -> float:
        """The clock, after all that the device has been given so far."""
        self._wait()
        return perf_counter_ns() / 1e6

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time the block and append the duration to ``samples_ms[name]``."""
        self._wait()
        start_ns = perf_counter_ns()
        yield
        self._wait()
        self.samples_ms.setdefault(name, []).append((perf_counter_ns() - start_ns) / 1e6)


def percentiles(samples: Sequence[float]) -> dict[str, float | int]:
    """Summarise samples by their percentiles, interpolated linearly.

    Below 100 samples p99 is an interpolation towards the largest sample; ``n`` lets a reader see that.

    Args:
        samples (Sequence[float]): Raw samples in any unit.

    Returns:
        dict[str, float | int]: ``p50``, ``p90``, ``p95`` and ``p99`` in the unit of the samples, NaN without
        samples; and the number of samples, ``n``.
    """
    ranks = (50, 90, 95, 99)
    values = np.percentile(samples, ranks) if len(samples) else np.full(len(ranks), np.nan)
    return {**{f'p{rank}': float(value) for rank, value in zip(ranks, values)}, 'n': len(samples)}


def _barrier(device: str) -> Callable[[], None]:
    if not device.startswith('cuda'):
        return lambda: None
    import torch

    return lambda: torch.cuda.synchronize(device)
