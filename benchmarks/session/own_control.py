"""The positive control that a grid of more than a few rows gets by itself: a third of the baseline's steps.

Without a known harm nothing shows that a grid can see one, and its verdict “equivalent” says less.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.analysis.control import A_FEW_ROWS
from benchmarks.errors import BadInput
from benchmarks.plan.controls import lacks_control, with_control
from benchmarks.plan.grid import Grid
from benchmarks.plan.layout import Layout
from benchmarks.plan.plan import Plan
from benchmarks.record import CONTROL_DESIGN, stack_name
from benchmarks.session.baseline import Baseline
from benchmarks.session.stacks import Rows
from benchmarks.stacks.compose import compose_all
from benchmarks.stacks.shorter import THIRD_OF_STEPS, third_of_steps
from benchmarks.stacks.technique import Stack

DECLINED = 'the grid has positive_control = False'


@dataclass(frozen=True)
class OwnControl:
    """What a grid got by itself.

    Args:
        added: The rows that were added; empty for none.
        why_not: Why a grid of more than a few rows has no positive control; empty where it needs none, or has one.
    """

    added: tuple[Stack, ...] = ()
    why_not: str = ''


def with_own_control(rows: Rows, grid: Grid, baseline: Baseline) -> tuple[Rows, OwnControl]:
    """The rows of a grid with the positive control that it needs.

    Args:
        rows: The rows of its designs.
        grid: The grid.
        baseline: The baseline, whose steps are shortened.
    """
    layout = rows.layout
    if not lacks_control(layout, grid.equivalence_margin):
        return rows, OwnControl()
    if not grid.positive_control:
        return rows, OwnControl(why_not=DECLINED)
    try:
        shorter = third_of_steps(baseline.with_protocol)
        compose_all(baseline.with_protocol, [(THIRD_OF_STEPS,)], {THIRD_OF_STEPS: shorter})
    except BadInput as error:
        return rows, OwnControl(why_not=str(error))
    controlled = with_control(layout)
    added = tuple(stack for stack in controlled.stacks if stack not in layout.stacks)
    return replace(rows, layout=controlled), OwnControl(added)


def control_notes(control: OwnControl, layout: Layout, plan: Plan) -> list[str]:
    """That a positive control was added, and what it costs; or that there is none, and why."""
    if control.added:
        names = ' and '.join(f"'{stack_name(stack)}'" for stack in control.added)
        n_trainings = len(_networks(plan, control.added))
        return [
            f'the grid has more than {A_FEW_ROWS} rows, so it got a positive control, a known harm: {names}, '
            f'{n_trainings} training{"s" if n_trainings != 1 else ""}; positive_control = False in the grid leaves it '
            'out'
        ]
    if control.why_not:
        # Other reasons name their cure: there the default control is what cannot be made.
        cure = f"; dict(type='{CONTROL_DESIGN}') among its designs adds one" if control.why_not == DECLINED else ''
        return [
            f'none of the {len(layout.stacks)} rows is a known harm, so “equivalent” rests on no control: '
            f'{control.why_not}{cure}'
        ]
    return []


def _networks(plan: Plan, stacks: Sequence[Stack]) -> set:
    """The networks that these stacks train, and no other stack."""
    own = {cell.weights for cell in plan.cells if cell.stack in stacks}
    return own - {cell.weights for cell in plan.cells if cell.stack not in stacks}
