"""How long stages take, from how long others took: plain numbers, no plan, no files.

Seconds are proportional to an amount of work (pixels that a network sees) among stages of one kind. The estimate of a
stage comes from the nearest experience there is: stages that are alike (the same row with another seed), else stages
of the same kind, else stages of another kind by the ratio of their costs. So the first steps of the first training
already tell how long the whole grid may take.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

# Seconds per unit of work, relative to a training's: forward and backward passes against forward passes and their
# measurement. Measured on a small U-Net on a CPU; it serves only until a stage of the kind has run.
RELATIVE_COST = dict(train=1.0, label=0.25, predict=0.25, select=0.25, refine=0.25)
# A measuring stage runs for a fixed time where images are fast; a combination, or a stage that takes the weights of a
# trial, only copies weights, and a choice reads counts.
FIXED_S = dict(profile=4.0, combine=2.0, take=0.5, choose=0.5)
# Where images are slow, a measuring stage predicts so many: to warm up, timed as a whole, timed in steps, counted.
SLOW_IMAGES = 24


@dataclass(frozen=True)
class Work:
    """What a stage has to do.

    Args:
        kind: The stage's kind.
        alike: The same text for stages that take equally long per unit of work.
        amount: Pixels that pass a network, or images; 1 for a kind of fixed length.
        alone: Whether it runs alone on the machine.
        image: Of a stage that measures: pixels that pass the network for one image.
    """

    kind: str
    alike: str
    amount: float
    alone: bool = False
    image: float = 0.0


@dataclass(frozen=True)
class Took:
    """How long a stage took, or will take as its progress tells."""

    work: Work
    seconds: float


class Estimator:
    """Estimates the seconds of stages.

    Args:
        known: How long stages took, of this run and of earlier ones.
    """

    def __init__(self, known: Iterable[Took]) -> None:
        self._rates: dict[str, dict[str, list[float]]] = {}
        self._rate_of_kind: dict[str, float | None] = {}  # each made once: a plan asks for as many as it has stages
        for took in sorted(known, key=lambda took: took.work.kind in FIXED_S):  # their amount follows from the others
            amount = self._amount(took.work)
            if amount > 0 and took.seconds > 0:
                of_kind = self._rates.setdefault(took.work.kind, {})
                of_kind.setdefault(took.work.alike, []).append(took.seconds / amount)

    def seconds(self, work: Work) -> float | None:
        """The seconds that a stage may take; None if nothing is known to tell them by."""
        rate = self._rate(work)
        return None if rate is None else rate * self._amount(work)

    def _amount(self, work: Work) -> float:
        """The amount of work; of a stage of fixed length the seconds that it should take on this machine."""
        if work.kind not in FIXED_S:
            return work.amount
        per_pixel = self._of_kind('predict') or self._by_ratio('predict') or 0.0
        return max(FIXED_S[work.kind], SLOW_IMAGES * work.image * per_pixel)

    def _rate(self, work: Work) -> float | None:
        alike = self._rates.get(work.kind, {}).get(work.alike)
        if alike:
            return statistics.median(alike)
        of_kind = self._of_kind(work.kind)
        if of_kind is not None:
            return of_kind
        if work.kind in FIXED_S:
            # Only beside other estimates: a plan of which nothing is known has no estimate.
            return 1.0 if self._rates else None
        return self._by_ratio(work.kind)

    def _by_ratio(self, kind: str) -> float | None:
        for other, cost in RELATIVE_COST.items():
            rate = self._of_kind(other)
            if rate is not None and kind in RELATIVE_COST:
                return rate * RELATIVE_COST[kind] / cost
        return None

    def _of_kind(self, kind: str) -> float | None:
        """The median over groups of like stages, so that a row with many seeds counts once."""
        if kind not in self._rate_of_kind:
            groups = [statistics.median(rates) for rates in self._rates.get(kind, {}).values()]
            self._rate_of_kind[kind] = statistics.median(groups) if groups else None
        return self._rate_of_kind[kind]


def total_s(seconds: Mapping[str, float], parents: Mapping[str, Sequence[str]], alone: set[str], jobs: int) -> float:
    """The seconds until all stages are done.

    Stages run side by side, but none before its parents; stages that need the machine for themselves add up.

    Args:
        seconds: What is left of each stage, by its key.
        parents: The keys of the stages that a stage waits for; finished ones are left out of ``seconds``.
        alone: Keys of the stages that run alone.
        jobs: How many stages run at once.
    """
    chains: dict[str, float] = {}

    def chain(key: str) -> float:
        if key not in chains:
            above = (chain(parent) for parent in parents.get(key, ()) if parent in seconds and parent not in alone)
            chains[key] = seconds[key] + max(above, default=0.0)
        return chains[key]

    beside = [key for key in seconds if key not in alone]
    side_by_side = max(sum(seconds[key] for key in beside) / max(jobs, 1), max(map(chain, beside), default=0.0))
    return side_by_side + sum(seconds[key] for key in seconds if key in alone)
