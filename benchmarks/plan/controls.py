"""Designs that test the grid itself: a row that must not differ from the baseline, and one that must be worse.

``aa`` trains the baseline again with other seeds (an A/A arm): the difference is chance, and shows how large chance is.

``positive_control`` is a known harm: by default a third of the training's steps, or a technique that the grid names,
such as a tenth of the labels. A grid in which the harm does not show cannot show that others do no harm either, so its
report calls nothing equivalent (see :mod:`benchmarks.analysis.control`). A grid of more than a few rows gets the
default one by itself (:mod:`benchmarks.session.own_control`).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmarks.analysis.control import A_FEW_ROWS
from benchmarks.errors import BadInput
from benchmarks.plan.layout import Comparison, Layout
from benchmarks.plan.sweep import sweep
from benchmarks.record import AGAIN, CONTROL_DESIGN
from benchmarks.stacks.shorter import THIRD_OF_STEPS


def aa() -> Layout:
    """The baseline, and the baseline again with other seeds."""
    again = (AGAIN,)
    return Layout([(), again], [Comparison('aa', again, ())], again_of={again: ()})


def positive_control(technique: str = THIRD_OF_STEPS, values: Mapping[str, Any] | None = None) -> Layout:
    """The baseline, and a known harm to it.

    Args:
        technique: The name of a technique that does harm; by default a third of the baseline's steps.
        values: Values of its parameters by their keys, as in a point of :func:`benchmarks.plan.sweep.sweep`.

    Raises:
        BadInput: ``values`` is no such dict, or ``technique`` no name.
    """
    if not isinstance(technique, str) or not isinstance(values, Mapping | None):
        raise BadInput(
            f"design '{CONTROL_DESIGN}' has technique={technique!r}, values={values!r}; give the name of a technique "
            'that does harm, and values=dict(key=value) for its parameters'
        )
    swept = sweep(technique, [values]) if values is not None else Layout([(), (technique,)], [])
    harmed = swept.stacks[-1]
    return Layout(swept.stacks, [Comparison(CONTROL_DESIGN, harmed, ())], variants=swept.variants)


def is_controlled(layout: Layout) -> bool:
    """Whether a grid has a positive control."""
    return any(one.design == CONTROL_DESIGN for one in layout.comparisons)


def lacks_control(layout: Layout, margin: float) -> bool:
    """Whether a grid needs a positive control and has none.

    A grid needs one if it has more than a few rows, and calls rows equivalent.

    Args:
        layout: Its rows and comparisons.
        margin: Its equivalence margin; 0 for none.
    """
    return len(layout.stacks) > A_FEW_ROWS and bool(margin) and not is_controlled(layout)


def with_control(layout: Layout) -> Layout:
    """A grid's layout with the default positive control behind it, as if its designs had it last."""
    control = positive_control()
    again = {stack: layout.design_count.get(stack, 1) + 1 for stack in control.stacks if stack in layout.stacks}
    return replace(
        layout,
        stacks=list(dict.fromkeys([*layout.stacks, *control.stacks])),
        comparisons=[*layout.comparisons, *control.comparisons],
        design_count=layout.design_count | again,
    )
