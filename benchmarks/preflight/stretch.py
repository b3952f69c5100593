"""Stretches schedules to another length of a training: every place and span in them by one factor."""

from collections.abc import Sequence
from typing import Any

from mmengine.optim import scheduler as kinds

from benchmarks.preflight.changes import Changes
from benchmarks.preflight.learning_rate import ENDLESS, Schedule
from benchmarks.stacks.shorter import LENGTHS

PLACES = ('begin', 'end')
SPANS = tuple(key for key in LENGTHS if key not in PLACES)  # from `begin` on
SHORTEST = 2  # steps: a warm-up of one step never leaves its first value
WARM_UP_SHARE = 0.05  # of a training, where nothing else says for which length a warm-up was written
LAST_MILESTONE_SHARE = 0.9  # of a training, where nothing else says for which length milestones were written
STEPS_OF_STAIRS = 3  # where nothing else says for which length the steps of a staircase were written
DECAYED_TO = 0.01  # where an exponential decay ends


def stretched(schedules: Sequence[Schedule], steps: int) -> tuple[Changes, float]:
    """The arguments that change when schedules of one unit are stretched to the training.

    Args:
        schedules: Schedules that count in the same unit.
        steps: The training's length in steps, for schedules that count epochs where there are none.

    Returns:
        The changed arguments by path, and the factor by which they were multiplied.
    """
    frozen = schedules[0].frozen
    length = steps if frozen else schedules[0].length
    factor = length / _written_for(schedules, length)
    changes: Changes = {}
    for schedule in schedules:
        if frozen:
            changes[f'{schedule.path}.by_epoch'] = False
        begin = _scaled(schedule.begin, factor)
        for key in (*PLACES, *SPANS):
            value = schedule.row.get(key)
            new = value
            if key in PLACES and value is not None:
                new = _scaled(value, factor)
            elif key in SPANS and value:
                new = _spans(value, factor, int(length) - begin, key)
            if new != value:
                changes[f'{schedule.path}.{key}'] = new
    return changes, factor


def slower_decay(schedule: Schedule, steps: int) -> Changes:
    """The ``gamma`` with which an exponential decay takes the whole training; nothing for another schedule."""
    if not schedule.is_a(kinds.ExponentialParamScheduler):
        return {}
    length = steps if schedule.frozen else schedule.length
    return {f'{schedule.path}.gamma': round(DECAYED_TO ** (1 / max(length - schedule.begin, 1)), 6)}


def _written_for(schedules: Sequence[Schedule], length: float) -> float:
    """The length of a training that schedules of one unit seem to be written for."""
    ends: list[float] = []
    early = [schedule.end if schedule.warms_up else schedule.begin for schedule in schedules]
    for schedule in schedules:
        milestones = schedule.is_a(kinds.MultiStepParamScheduler)
        if schedule.row.get('end', ENDLESS) < ENDLESS and not schedule.warms_up:
            ends.append(schedule.end)
        if milestones and not ends:
            ends.append(schedule.begin + max(schedule.row.get('milestones') or [0]) / LAST_MILESTONE_SHARE)
        elif schedule.is_a(kinds.StepParamScheduler) and schedule.row.get('step_size', 0) >= length:
            ends.append(schedule.begin + STEPS_OF_STAIRS * schedule.row['step_size'])
        elif schedule.own_span:
            ends.append(schedule.begin + schedule.own_span)
    if not ends and (schedules[0].frozen or max(early) >= length):
        ends = [max(early) / WARM_UP_SHARE]
    return max(ends, default=length) or length


def _scaled(place: float, factor: float) -> int:
    return max(round(place * factor), SHORTEST) if place > 0 else 0


def _spans(value: Any, factor: float, room: int, key: str) -> Any:
    """A span, or a list of spans, multiplied; a milestone stays before the end of the training."""
    if not isinstance(value, (list, tuple)):
        return max(round(value * factor), 1)
    most = room - 1 if key == 'milestones' else room
    return [max(min(round(one * factor), most), 1) for one in value]
