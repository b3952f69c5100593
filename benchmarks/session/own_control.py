"""The positive control that a grid of more than a few rows gets by itself: a third of the baseline's steps.

Without a known harm nothing shows that a grid can see one, and its verdict “equivalent” says less.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

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
from benchmarks.stacks.technique import Stack, technique_files

DECLINED = 'the grid has positive_control = False'


@dataclass(frozen=True)
class OwnControl:
    """What a grid got by itself.

    Args:
        added: The rows that were added: the control, and a baseline for a grid without one; empty for none.
        took_row: Whether the grid had a row of the control's name, which became its control.
        why_not: Why a grid of more than a few rows has no positive control; empty where it needs none, or has one.
    """

    added: tuple[Stack, ...] = ()
    took_row: bool = False
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
    return replace(rows, layout=controlled), OwnControl(added, took_row=(THIRD_OF_STEPS,) not in added)


def refuse_technique_of_its_name(layout: Layout, folders: Iterable[Path]) -> None:
    """Refuse a technique's file that is called as the control of a grid, because the control would hide it.

    Args:
        layout: The rows of the grid, with its control.
        folders: The folders of the techniques that ship, and of the grid's own.

    Raises:
        BadInput: Names the file.
    """
    if not any(THIRD_OF_STEPS in stack for stack in layout.stacks):
        return
    file = technique_files(*folders).get(THIRD_OF_STEPS)
    if file is not None:
        raise BadInput(
            f"{file}: '{THIRD_OF_STEPS}' is the name of the positive control, a row of this grid; give the file "
            f"another name. It can be the control itself: dict(type='{CONTROL_DESIGN}', technique='NEW_NAME')"
        )


def control_notes(control: OwnControl, layout: Layout, plan: Plan) -> list[str]:
    """That a positive control was added, and what it costs; or that there is none, and why."""
    names = ' and '.join(f"'{stack_name(stack)}'" for stack in control.added)
    n_trainings = len(_networks(plan, control.added)) if control.added else 0
    rows = f'{names}, {n_trainings} training{"s" if n_trainings != 1 else ""}'
    if control.took_row:
        more = f', and it got the row {rows}' if control.added else ''
        return [
            f"the grid has more than {A_FEW_ROWS} rows, so its row '{THIRD_OF_STEPS}' is its positive control, a known "
            f'harm{more}; positive_control = False in the grid leaves it a row like any other'
        ]
    if control.added:
        return [
            f'the grid has more than {A_FEW_ROWS} rows, so it got a positive control, a known harm: {rows}; '
            'positive_control = False in the grid leaves it out'
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
