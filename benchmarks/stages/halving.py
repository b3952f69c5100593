"""Successive halving: every trial is scored on a few images, the better part of them on more, the last ones on all.

K. Jamieson and A. Talwalkar, Non-stochastic best arm identification and hyperparameter optimization, AISTATS 2016.
"""

import math
from collections.abc import Sequence
from hashlib import sha256

from benchmarks.stacks.search import FEWEST_TRIALS

FEWEST_IMAGES = 4  # the Dice of fewer images is that of their kind


def rungs(trials: int, images: int, factor: int | None) -> list[tuple[int, int]]:
    """The number of trials and of images of each rung, the last of which has all images.

    From rung to rung ``factor`` times as many images are used, and one in ``factor`` trials goes on. The first rung has
    ``FEWEST_IMAGES`` or more. Images of a rung are those of the rung before it and others, so that a trial is never
    scored twice on an image.

    Args:
        trials: The number of trials.
        images: The number of images.
        factor: From 2 on; None for all trials on all images.

    Example:
        >>> rungs(20, 99, 3), rungs(20, 99, None)
        ([(20, 11), (7, 33), (3, 99)], [(20, 99)])
    """
    if factor is None:
        return [(trials, images)]
    last = min(_power(factor, trials), _power(factor, images // FEWEST_IMAGES))
    return [
        (min(trials, max(FEWEST_TRIALS, math.ceil(trials / factor**rung))), math.ceil(images / factor ** (last - rung)))
        for rung in range(last + 1)
    ]


def _power(factor: int, number: int) -> int:
    """The highest power of a factor that is not above a number; 0 below the factor."""
    power = 0
    while factor ** (power + 1) <= number:
        power += 1
    return power


def image_order(images: int) -> list[int]:
    """The order in which images are used: not that of their names, whose neighbours are often alike."""
    return sorted(range(images), key=lambda index: sha256(str(index).encode()).digest())


def survivors(scores: Sequence[float], number: int) -> list[int]:
    """The trials that go on: the first one, which has the values of the technique's file, and the best of the others.

    Args:
        scores: Of each trial in the race its score, NaN where undefined: below all others.
        number: How many trials go on.

    Returns:
        Places in ``scores``, the first one and then the best; of equal scores the first ones are kept.
    """
    known = [-math.inf if math.isnan(score) else score for score in scores]
    others = sorted(range(1, len(scores)), key=lambda n: -known[n])
    return [0, *others[: number - 1]]
