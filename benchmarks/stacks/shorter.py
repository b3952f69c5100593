"""A part of the training's steps: a third of them is a harm that any baseline can be given, as a technique."""

from collections.abc import Mapping
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.stacks.references import TIMES, times
from benchmarks.stacks.technique import Technique

THIRD_OF_STEPS = 'third_of_steps'
# The arguments of mmengine's schedulers that count steps or epochs.
LENGTHS = ('begin', 'end', 'T_max', 'milestones', 'step_size', 'total_steps', 'periods')

_CURE = "name a technique that does harm: dict(type='positive_control', technique='...')"


def third_of_steps(base: Mapping[str, Any]) -> Technique:
    """The technique that trains a third as long, its schedules shrunk with it.

    Args:
        base: The baseline's config.

    Raises:
        BadInput: The training has less than 3 steps or epochs, or a scheduler would end where it begins.
    """
    loop = base.get('train_cfg') or {}
    unit = 'max_iters' if loop.get('max_iters') else 'max_epochs'
    if (loop.get(unit) or 0) < 3:
        raise BadInput(
            f'the baseline trains {unit}={loop.get(unit)}, of which there is no third for the positive control; {_CURE}'
        )
    overlay = part_of_steps(base, 1 / 3)
    _refuse_schedules_without_length(base)
    return Technique(
        THIRD_OF_STEPS, 'a third of the steps', 'Trains a third as long: a known harm, as a positive control.', overlay
    )


def _refuse_schedules_without_length(base: Mapping[str, Any]) -> None:
    schedulers, third = base.get('param_scheduler') or [], {TIMES: 1 / 3}
    for scheduler in schedulers if isinstance(schedulers, (list, tuple)) else [schedulers]:
        begin, end = scheduler.get('begin', 0), scheduler.get('end')
        if end is not None and begin < end and times(begin, third, 'begin') >= times(end, third, 'end'):
            raise BadInput(
                f"the baseline's {scheduler.get('type')} from {begin} to {end} would have no length in a third of the "
                f'steps, for the positive control; {_CURE}'
            )


def part_of_steps(base: Mapping[str, Any], share: float) -> dict[str, Any]:
    """The overlay that trains a share of the steps, at least one, with schedules shrunk likewise.

    Args:
        base: The baseline's config.
        share: Above 0.
    """
    shorter, loop = {TIMES: share}, base.get('train_cfg') or {}
    overlay: dict[str, Any] = dict(train_cfg={'max_iters' if loop.get('max_iters') else 'max_epochs': shorter})
    schedulers = base.get('param_scheduler')
    if isinstance(schedulers, (list, tuple)):
        overlay['param_scheduler'] = dict(_each_=dict.fromkeys(LENGTHS, shorter))
    elif schedulers:
        overlay['param_scheduler'] = {key: shorter for key in LENGTHS if key in schedulers}
    return overlay
