"""Do the learning-rate schedules of a training fit its length? If not: which of them, by how much, and the cure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from mmengine.optim import scheduler as kinds

from benchmarks.preflight.changes import Changes, with_changes
from benchmarks.preflight.learning_rate import (
    ENDLESS,
    STEP,
    Length,
    Schedule,
    learning_rates,
    optimizer_rate,
    schedules_of,
)
from benchmarks.preflight.legality import OWN_PACKAGES, Registries
from benchmarks.preflight.stretch import slower_decay, stretched

CUT_OFF = 0.05  # the share of a schedule's span that may lie beyond the end of the training
TAIL = 0.1  # the share of the training that may come after the last decay
LOW = 0.1  # of the highest learning rate: a tail below it hardly trains
HIGHEST_POWER = 9  # of a polynomial decay whose mean is still a tenth
NEGLIGIBLE = 0.05  # of the optimiser's learning rate: a training whose mean is below it hardly trains


@dataclass(frozen=True)
class Misfit:
    """Schedules that do not fit a training.

    Args:
        faults: A clause for each culprit, which begins with its path.
        effect: The mean learning rate, as a clause; '' where it is not known.
        error: mmengine's message where it would end the training; '' where it would not.
        changes: The arguments that make the schedules fit, by path; empty if there are none.
        factor: By how much they were stretched; None if they were not.
    """

    faults: list[str]
    effect: str
    error: str = ''
    changes: Changes = field(default_factory=dict)
    factor: float | None = None


def schedule_misfit(config: Mapping[str, Any], length: Length, registries: Registries) -> Misfit | None:
    """How the schedules of a training do not fit it; None if they do.

    Args:
        config: A resolved config.
        length: The length of its training.
        registries: Looks types up.
    """
    schedules = schedules_of(config, length, registries)
    found, effect, error = _examined(config, schedules, length, registries)
    if not found and not error:
        return None
    culprits = {schedule.path: schedule for schedule, _ in found}
    faults = [f'{schedule} {fault}' for schedule, fault in found] or [
        f'{", ".join(map(str, schedules))} cannot be built or stepped'
    ]
    changes, factor = _cure(schedules, list(culprits.values()), length)
    cured = with_changes(config, changes)
    found, _, still = _examined(cured, schedules_of(cured, length, registries), length, registries)
    if changes and (found or still):
        changes, factor = {'param_scheduler': None}, None  # too few steps for any schedule
    return Misfit(faults, effect, error, changes, factor)


def _examined(
    config: Mapping[str, Any], schedules: Sequence[Schedule], length: Length, registries: Registries
) -> tuple[list[tuple[Schedule, str]], str, str]:
    """The culprits with their faults, the mean learning rate as a clause, and the error that would end the training."""
    found = [(schedule, fault) for schedule in schedules if (fault := _fault(schedule))]
    start = optimizer_rate(config, registries)
    several = 'optimizer' not in (config.get('optim_wrapper') or {})
    acting = [] if several else [schedule for schedule in schedules if schedule.sets_learning_rate]
    if not acting or start is None:
        return found, '', ''
    steps = 0 if not found and _plainly_fit(acting, length) else None
    try:
        rates = learning_rates(acting, start, length, steps)
    except Exception as error:
        # Of a class of one's own the dummy optimiser may be the reason.
        return found, '', f'{type(error).__name__}: {error}' if all(map(_is_mmengines, acting)) else ''
    if not rates:
        return found, '', ''
    share = _percent(sum(rates) / len(rates) / start)
    effect = f"the mean learning rate of the training is {share} of the optimizer's {start:g}"
    return found or _low_rates(acting, rates, start, length), effect, ''


def _plainly_fit(schedules: Sequence[Schedule], length: Length) -> bool:
    """Whether schedules without a fault need no look at each step: the mean of such curves is at least a tenth."""
    curves = all(
        schedule.is_a(kinds.LinearParamScheduler, kinds.PolyParamScheduler, kinds.CosineAnnealingParamScheduler)
        and _is_mmengines(schedule)
        and _is_gentle(schedule)
        for schedule in schedules
    )
    return curves and max(_last_step(schedule, length) for schedule in schedules) >= (1 - TAIL) * length.steps


def _is_gentle(schedule: Schedule) -> bool:
    """Whether a polynomial decay is not steep, and a linear change begins or ends at the full learning rate."""
    if schedule.is_a(kinds.LinearParamScheduler):
        return 1 in (schedule.argument('start_factor'), schedule.argument('end_factor'))
    power = schedule.row.get('power', 1)
    return isinstance(power, (int, float)) and power <= HIGHEST_POWER


def _is_mmengines(schedule: Schedule) -> bool:
    return schedule.cls.__module__.partition('.')[0] in OWN_PACKAGES


def _fault(schedule: Schedule) -> str | None:
    """What is wrong with one schedule in a training of this length; None if nothing is."""
    if schedule.changes_nothing:
        return None
    if schedule.is_a(kinds.ReduceOnPlateauParamScheduler):
        return 'waits for a validation score, and a grid does not validate while it trains, so it never acts'
    if schedule.frozen:
        return 'counts epochs (by_epoch=True is the default), of which this loop has one, so it keeps its first value'
    unit, length, begin = f'{schedule.unit}s', schedule.length, schedule.begin
    if begin >= length:
        return f'begins at {schedule.unit} {begin}, and the training has {length:g}'
    if schedule.warms_up and schedule.end - begin == 1:
        return 'lasts one step, so the learning rate keeps its first value'
    complete = schedule.complete
    if complete is not None and complete - length > CUT_OFF * (complete - begin):
        share = _percent((length - begin) / (complete - begin))
        return f'takes {_span(complete - begin)} {unit}, and the training ends after {share} of them'
    return _fault_within(schedule)


def _fault_within(schedule: Schedule) -> str | None:
    """What is wrong with a schedule that begins and ends within the training."""
    begin, last = schedule.begin, min(schedule.end, schedule.length)
    if schedule.is_a(kinds.MultiStepParamScheduler):
        late = [str(place) for place in schedule.row.get('milestones') or [] if begin + place >= last]
        names = f'milestone{"s" * (len(late) > 1)} {", ".join(late)}'
        return f'never reaches its {names} in {last:g} {schedule.unit}s' if late else None
    step = schedule.row.get('step_size', 0)
    if schedule.is_a(kinds.StepParamScheduler) and begin + step >= last:
        return f'acts every {step} {schedule.unit}s, and the training has {schedule.length:g}'
    lowest = schedule.complete if schedule.is_a(kinds.CosineAnnealingParamScheduler) else None
    if lowest is not None and last - lowest > TAIL * schedule.length:
        return f'reaches its lowest value at {schedule.unit} {lowest:g} of {last:g} and rises again'
    if schedule.is_a(kinds.OneCycleParamScheduler) and schedule.own_span and last - begin > schedule.own_span:
        return f'takes {schedule.own_span} {schedule.unit}s of {last:g}, and cannot be stepped beyond'
    return None


def _low_rates(
    schedules: Sequence[Schedule], rates: Sequence[float], start: float, length: Length
) -> list[tuple[Schedule, str]]:
    """The schedules that make the learning rate so low for so long that the training hardly trains, with the fault."""
    acting = [schedule for schedule in schedules if not schedule.changes_nothing]
    if not acting:
        return []
    last = max(acting, key=lambda schedule: _last_step(schedule, length))
    end = round(_last_step(last, length))
    tail, highest = rates[end:], max(rates)
    if len(tail) > TAIL * length.steps and max(tail) <= LOW * highest and not last.warms_up:
        rate = _percent(max(tail) / highest)
        return [(last, f'ends at step {end}: the other {len(tail)} steps train at {rate} of the highest learning rate')]
    sets_own = any(schedule.is_a(kinds.OneCycleParamScheduler) for schedule in acting)
    if sum(rates) / len(rates) < NEGLIGIBLE * (highest if sets_own else start):
        return [(schedule, 'leaves hardly any learning rate') for schedule in acting]
    return []


def _last_step(schedule: Schedule, length: Length) -> float:
    """The step after which a schedule changes nothing more."""
    complete = schedule.end if schedule.complete is None else schedule.complete
    in_steps = complete if schedule.unit == STEP else complete * length.per_epoch
    return min(in_steps, length.steps)


def _cure(schedules: Sequence[Schedule], culprits: Sequence[Schedule], length: Length) -> tuple[Changes, float | None]:
    """The changes that make schedules fit, and the factor by which those that count steps are stretched.

    All schedules of a culprit's unit are stretched together, so that each still begins where another one ends.
    """
    units = {_unit(one) for one in culprits if not one.is_a(kinds.ReduceOnPlateauParamScheduler)}
    changes: Changes = {}
    factor = None
    for unit, group in groupby(sorted(schedules, key=_unit), key=_unit):
        if unit in units:
            new, factor = stretched(list(group), length.steps)
            changes.update(new)
    for schedule in culprits:
        changes.update(slower_decay(schedule, length.steps))
    return changes, factor


def _unit(schedule: Schedule) -> tuple[str, bool]:
    return schedule.unit, schedule.frozen


def _span(span: float) -> str:
    return 'endless' if span >= ENDLESS / 2 else f'{span:g}'


def _percent(share: float) -> str:
    return f'{100 * share:.3g} %'
