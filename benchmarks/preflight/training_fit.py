"""Does everything that a training schedules fit its length: learning rates, hooks and ramps?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.preflight.changes import Changes
from benchmarks.preflight.declared_spans import unfit_spans
from benchmarks.preflight.learning_rate import length_of
from benchmarks.preflight.legality import Registries
from benchmarks.preflight.schedule_fit import schedule_misfit


@dataclass(frozen=True)
class TrainingMisfit:
    """What does not fit a training.

    Args:
        text: A clause for each culprit, and the mean learning rate.
        error: The message with which mmengine would end the training; '' where it would not.
        changes: The arguments that make all fit, by path.
    """

    text: str
    error: str
    changes: Changes


def training_misfit(
    config: Mapping[str, Any], per_epoch: int, registries: Registries, acts_in_test_only: Callable[[str], bool]
) -> TrainingMisfit | None:
    """What does not fit the length of a training; None if all does, or if its loop has no length.

    Args:
        config: A resolved config.
        per_epoch: Iterations that go once through the training data.
        registries: Looks types up.
        acts_in_test_only: Whether a hook of this type does nothing in training.
    """
    length = length_of(config, per_epoch)
    if length is None:
        return None
    schedules = schedule_misfit(config, length, registries)
    factor = schedules.factor if schedules else None
    spans = unfit_spans(config, length, registries, acts_in_test_only, factor)
    if schedules is None and not spans:
        return None
    changes = dict(schedules.changes) if schedules else {}
    changes.update({unfit.path: unfit.cure for unfit in spans if unfit.cure is not None})
    faults = [*(schedules.faults if schedules else []), *(unfit.fault for unfit in spans)]
    effect = f'; {schedules.effect}' if schedules and schedules.effect else ''
    return TrainingMisfit('; '.join(faults) + effect, schedules.error if schedules else '', changes)
