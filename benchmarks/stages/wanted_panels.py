"""What the panels of a report are to show: which image of which two cells. Imports no framework."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Side(NamedTuple):
    """One side of a panel.

    Attributes:
        name: The name of its cell.
        config: The resolved config of the cell.
        parents: The folders of the results that it reads, by role: the prediction, the weights, and the choices of
            values of a tuned row.
        areas: Of each class the true positive, false positive and false negative pixels in the record of the image.
    """

    name: str
    config: dict
    parents: dict[str, Path]
    areas: Sequence[tuple[int, ...]]


class Wanted(NamedTuple):
    """A panel to make.

    Attributes:
        facts: Those of :class:`benchmarks.data.panels.Panel`, without ``step``.
        stack: The stack.
        reference: The reference.
    """

    facts: dict[str, Any]
    stack: Side
    reference: Side
