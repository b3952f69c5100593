"""The seconds that the parts of a check took, for the end of its output."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks.check.result import TechniqueResult

LONGEST_SHOWN = 3


class Durations:
    """Times the parts of a check, one after the other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        """Time the block under the name of a part."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[part] = self.seconds.get(part, 0.0) + time.monotonic() - start

    def text(self, results: Sequence[TechniqueResult]) -> str:
        """``21 s: 5 s to import …, 10 s for the checks (longest: plain 3 s, …)``.

        Args:
            results: The results of the techniques, which know how long each check took.
        """
        parts = ', '.join(f'{seconds:.0f} s {part}' for part, seconds in self.seconds.items())
        return f'{sum(self.seconds.values()):.0f} s: {parts}{_longest(results)}'


def _longest(results: Sequence[TechniqueResult]) -> str:
    """The checks that took longest over all techniques and baselines."""
    took: dict[str, float] = defaultdict(float)
    for result in results:
        for name, seconds in result.took.items():
            took[name] += seconds
    longest = sorted(took, key=lambda name: -took[name])[:LONGEST_SHOWN]
    slowest = [f'{name} {took[name]:.0f} s' for name in longest if took[name] >= 1]
    return f' (longest: {", ".join(slowest)})' if slowest else ''
