"""Siblings: a refusal of a technique names another technique that fits the same baseline."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from benchmarks.errors import BadInput
from benchmarks.stacks.technique import Technique

# From a technique to its sibling; None for a technique without one.
SiblingOf = Callable[[Technique], Technique | None]


def no_sibling(technique: Technique) -> Technique | None:
    """A :data:`SiblingOf` that knows none."""
    return None


@contextmanager
def naming_sibling(technique: Technique, sibling_of: SiblingOf, refuse: Callable[[Technique], object]) -> Iterator:
    """Let the block refuse a technique; the refusal names the technique's sibling if that fits.

    Args:
        technique: The technique that the block looks at.
        sibling_of: Gives its sibling.
        refuse: Does with the sibling what the block does with the technique: it raises if the sibling does not fit.

    Raises:
        BadInput: As the block raises it; the last of its mistakes ends with the sibling.
    """
    try:
        yield
    except BadInput as error:
        sibling = sibling_of(technique)
        if sibling is None:
            raise
        *others, last = error.args
        with suppress(Exception):  # whatever stops the sibling, it does not fit
            refuse(sibling)
            last = f"{last}; '{sibling.name}' fits this baseline"
        raise BadInput(*others, last) from error
