"""Fractional factorials: a part of all subsets of k techniques that still tells their effects apart.

A fraction of 2^m of the 2^k subsets varies the first m techniques freely. Each other technique is in a row if an odd
number of certain free techniques is in it, which its generator names. The baseline is always a row. Multiplied, the
generators give the defining words: sets of techniques whose product is the same in every row. Two effects whose product
is a defining word cannot be told apart; they are aliases.

The resolution is the length of the shortest word: in a fraction of resolution III no main effect is an alias of another
one, of IV none of an interaction of two, of V no interaction of two of another one (Box & Hunter, Technometrics 1961).

The search takes the least m, and for it the generators of minimum aberration: the fewest shortest words, then the
fewest of the next length (Fries & Hunter, Technometrics 1980). It stops after ``TRIES`` steps with the best that it
has. Up to 11 techniques that is the published design.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

TRIES = 20_000
ROMAN = ('', 'I', 'II', 'III', 'IV', 'V', 'VI', 'VII', 'VIII', 'IX', 'X')


@dataclass(frozen=True)
class Fraction:
    """A fraction of the subsets of techniques.

    Args:
        techniques: The techniques; the first ones are free.
        generators: For each other technique the bits of the free techniques that decide on it: 1 for the first, 2 for
            the second, 4 for the third.
    """

    techniques: tuple[str, ...]
    generators: tuple[int, ...]

    @property
    def free(self) -> int:
        """The number of free techniques, m."""
        return len(self.techniques) - len(self.generators)

    @property
    def resolution(self) -> int:
        """The length of the shortest defining word; 0 for the full factorial, which has none."""
        return min((word.bit_count() for word in self._words), default=0)

    @property
    def stacks(self) -> list[tuple[str, ...]]:
        """The rows, 2^m: small stacks first, in the order of their techniques."""
        rows = []
        for chosen in range(1 << self.free):
            decided = [(chosen & generator).bit_count() % 2 for generator in self.generators]
            bits = chosen | sum(bit << (self.free + n) for n, bit in enumerate(decided))
            rows.append(tuple(n for n in range(len(self.techniques)) if bits >> n & 1))
        return [tuple(self.techniques[n] for n in row) for row in sorted(rows, key=lambda row: (len(row), row))]

    @property
    def defining_words(self) -> list[tuple[str, ...]]:
        """The sets of techniques whose product is the same in every row, short ones first."""
        return [self._names(word) for word in sorted(self._words, key=lambda word: (word.bit_count(), word))]

    @property
    def aliases(self) -> list[list[tuple[str, ...]]]:
        """The effects of one or two techniques that cannot be told apart, in groups of two and more."""
        count = len(self.techniques)
        effects = [(n,) for n in range(count)] + list(combinations(range(count), 2))
        groups: dict[int, list[tuple[str, ...]]] = {}
        for effect in effects:
            bits = sum(1 << n for n in effect)
            groups.setdefault(min([bits, *(bits ^ word for word in self._words)]), []).append(self._names(bits))
        return [group for group in groups.values() if len(group) > 1]

    @property
    def _words(self) -> list[int]:
        words: list[int] = []
        for n, generator in enumerate(self.generators):
            words += _products(generator | 1 << (self.free + n), words)
        return words

    def _names(self, bits: int) -> tuple[str, ...]:
        return tuple(name for n, name in enumerate(self.techniques) if bits >> n & 1)

    def __str__(self) -> str:
        aliases = ['='.join('×'.join(effect) for effect in group) for group in self.aliases]
        told = f'not told apart: {"; ".join(aliases)}' if aliases else 'all effects of one or two techniques told apart'
        return (
            f'factorial of {len(self.techniques)} techniques in {1 << self.free} of {1 << len(self.techniques)} rows, '
            f'resolution {ROMAN[min(self.resolution, 10)]}; {told}'
        )


def fraction_of(techniques: list[str], resolution: int) -> Fraction | None:
    """The smallest fraction of this resolution or a higher one; None where only the full factorial has it.

    Args:
        techniques: k techniques.
        resolution: At least 3.
    """
    for free in range(1, len(techniques)):
        generators = _generators(free, len(techniques) - free, resolution)
        if generators is not None:
            return Fraction(tuple(techniques), generators)
    return None


@lru_cache
def _generators(free: int, count: int, resolution: int) -> tuple[int, ...] | None:
    """``count`` generators over ``free`` techniques of minimum aberration; None if no such resolution is reached."""
    columns = [column for column in range(1 << free) if column.bit_count() >= resolution - 1]
    best: tuple[list[int], tuple[int, ...]] | None = None
    tries = TRIES

    def extend(chosen: tuple[int, ...], words: list[int], start: int) -> None:
        nonlocal best, tries
        if len(chosen) == count:
            lengths = [word.bit_count() for word in words]
            pattern = [lengths.count(length) for length in range(resolution, free + count + 1)]
            best = min(best or (pattern, chosen), (pattern, chosen))
            return
        for place in range(start, len(columns)):
            tries -= 1
            if tries < 0:
                return
            more = _products(columns[place] | 1 << (free + len(chosen)), words)
            if min(word.bit_count() for word in more) >= resolution:
                extend((*chosen, columns[place]), words + more, place + 1)

    extend((), [], 0)
    return None if best is None else best[1]


def _products(word: int, words: list[int]) -> list[int]:
    """A new word, and its products with all words."""
    return [word, *(word ^ other for other in words)]
