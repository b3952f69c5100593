"""Fractional factorials against published designs, and their aliases against brute force."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from benchmarks.errors import BadInput
from benchmarks.plan.designs import factorial, lay_out
from benchmarks.plan.fraction import fraction_of

# Rows and numbers of words by length of the designs of minimum aberration: Fries & Hunter 1980; Chen, Sun & Wu, A
# catalogue of two-level and three-level fractional factorial designs with small runs, International Statistical Review
# 1993; for 128 rows Montgomery, Design and Analysis of Experiments.
PUBLISHED = {
    (3, 3): (4, {3: 1}),
    (5, 3): (8, {3: 2, 4: 1}),
    (6, 3): (8, {3: 4, 4: 3}),
    (7, 3): (8, {3: 7, 4: 7, 7: 1}),
    (4, 4): (8, {4: 1}),
    (6, 4): (16, {4: 3}),
    (7, 4): (16, {4: 7}),
    (8, 4): (16, {4: 14, 8: 1}),
    (9, 4): (32, {4: 6, 5: 8, 8: 1}),
    (10, 4): (32, {4: 10, 5: 16, 8: 5}),
    (11, 4): (32, {4: 25, 6: 27, 8: 10, 10: 1}),
    (5, 5): (16, {5: 1}),
    (6, 6): (32, {6: 1}),
    (8, 5): (64, {5: 2, 6: 1}),
    (10, 5): (128, {5: 3, 6: 3, 7: 1}),
    (11, 5): (128, {5: 6, 6: 6, 7: 2, 8: 1}),
}


@pytest.mark.parametrize('asked', PUBLISHED)
def test_the_search_gives_the_published_designs(asked):
    count, resolution = asked
    design = fraction_of([f't{n}' for n in range(count)], resolution)
    lengths = [len(word) for word in design.defining_words]
    assert (len(design.stacks), {length: lengths.count(length) for length in sorted(set(lengths))}) == PUBLISHED[asked]
    assert design.resolution >= resolution and design.stacks[0] == () and len({*design.stacks}) == len(design.stacks)


@pytest.mark.parametrize('asked', [(5, 3), (6, 4), (5, 5)])
def test_aliases_are_the_effects_that_equal_each_other_in_every_row(asked):
    names = [f't{n}' for n in range(asked[0])]
    design = fraction_of(names, asked[1])
    signs = {name: np.array([1 if name in stack else -1 for stack in design.stacks]) for name in names}
    effects = [(name,) for name in names] + list(combinations(names, 2))
    columns = {effect: np.prod([signs[name] for name in effect], axis=0) for effect in effects}
    same = {
        frozenset((a, b)) for a, b in combinations(effects, 2) if abs(columns[a] @ columns[b]) == len(design.stacks)
    }
    told = {frozenset(pair) for group in design.aliases for pair in combinations(group, 2)}
    assert told == same
    assert all(columns[a] @ columns[b] == 0 for a, b in combinations(effects, 2) if frozenset((a, b)) not in same)


def test_the_table_in_the_readme_is_true():
    text = (Path(__file__).parents[3] / 'configs' / 'README.md').read_text()
    for resolution in (3, 4, 5):
        fractions = [fraction_of(list('abcdefghijk'[:k]), resolution) for k in range(4, 12)]
        numbers = [len(one.stacks) if one else 2**k for k, one in enumerate(fractions, 4)]
        line = next(line for line in text.splitlines() if line.startswith(f'| {resolution} |'))
        assert line.endswith(f'| {", ".join(map(str, numbers))} |')


def test_many_techniques_get_a_fraction_within_a_moment():
    assert len(fraction_of([f't{n}' for n in range(15)], 3).stacks) == 16
    assert len(fraction_of([f't{n}' for n in range(16)], 4).stacks) == 32


def test_a_factorial_of_a_stated_resolution_is_a_fraction_with_the_baseline():
    names = ['a', 'b', 'c', 'd']
    layout = lay_out([dict(type='factorial', techniques=names, resolution=4)])
    assert layout.stacks == [(), *combinations(names, 2), ('a', 'b', 'c', 'd')]
    assert [one.stack for one in layout.comparisons] == layout.stacks[1:]
    assert str(layout.fractions[0]) == (
        'factorial of 4 techniques in 8 of 16 rows, resolution IV; not told apart: a×b=c×d; a×c=b×d; a×d=b×c'
    )


def test_a_resolution_that_only_the_full_factorial_has_gives_the_full_factorial():
    assert lay_out([dict(type='factorial', techniques=['a', 'b', 'c'], resolution=4)]).stacks == (
        factorial(['a', 'b', 'c']).stacks
    )


@pytest.mark.parametrize('resolution', [2, 'IV', True, 4.0])
def test_what_is_no_resolution_is_refused(resolution):
    with pytest.raises(BadInput, match=f"'factorial' has resolution={resolution!r}; give 3, 4, 5"):
        lay_out([dict(type='factorial', techniques=['a', 'b', 'c'], resolution=resolution)])
