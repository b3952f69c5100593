"""The control of a comparison whose arms see different amounts of training: the reference with as much of it."""

from collections.abc import Mapping
from typing import Any

from benchmarks.preflight.confounders import NOTABLE, STEPS, Arm, declares
from benchmarks.record import stack_name
from benchmarks.stacks.technique import Stack, Technique

SPANS = ('begin', 'end', 'T_max', 'milestones', 'step_size', 'total_steps', 'periods')


def control_arm(
    reference: Stack, compute: float, arms: Mapping[Stack, Arm], techniques: Mapping[str, Technique]
) -> str:
    """How to compare at equal compute, as a sentence.

    Args:
        reference: The reference of the comparison.
        compute: How many times as many pixels the other arm sees in its training.
        arms: The trainings of the grid, by stack.
        techniques: Techniques by name.
    """
    for stack in arms:
        if is_control(stack, reference, techniques):
            has = (arms[stack].steps or 0) / (arms[reference].steps or 1)
            if compute / NOTABLE <= has <= compute * NOTABLE:
                return f"The row '{stack_name(stack)}' is the control: the reference with {has:.2g} times the steps"
    return (
        f'A control at equal compute is the reference with {compute:.2g} times the steps: a technique with '
        f'{overlay_of_control(arms[reference].config, compute)}'
    )


def is_control(stack: Stack, reference: Stack, techniques: Mapping[str, Technique]) -> bool:
    """Whether a stack only trains longer, or shorter, than its reference."""
    apart = set(stack) ^ set(reference)
    return len(apart) == 1 and set(reference) < set(stack) and declares([techniques[name] for name in apart], STEPS)


def overlay_of_control(config: Mapping[str, Any], compute: float) -> str:
    """The line of a technique's file that trains longer by a factor, and stretches the schedules with it.

    Args:
        config: The reference's config.
        compute: The factor; it is rounded to two digits.
    """
    times = f'dict(_times_={float(f"{compute:.2g}"):g})'
    loop = config.get('train_cfg') or {}
    length = next((key for key in ('max_iters', 'max_epochs') if loop.get(key)), 'max_iters')
    line = f'train_cfg=dict({length}={times})'
    rows = config.get('param_scheduler')
    if isinstance(rows, (list, tuple)):
        spans = [key for key in SPANS if any(key in row for row in rows)]
        inner = ', '.join(f'{key}={times}' for key in spans)
        line += f', param_scheduler=dict(_each_=dict({inner}))' if spans else ''
    return f'overlay = dict({line})'
