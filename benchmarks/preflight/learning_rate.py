"""The schedules of a training: how long each of them is, and the learning rate that they give at every step."""

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from mmengine.optim import scheduler as kinds

from benchmarks.preflight.legality import Registries
from benchmarks.preflight.typed import default_of

ENDLESS = 10**9  # mmengine's default end; what lasts as long has no end
STEP, EPOCH = 'step', 'epoch'
# Schedules whose value does not depend on their `end`.
OPEN = (kinds.StepParamScheduler, kinds.MultiStepParamScheduler, kinds.ExponentialParamScheduler)


@dataclass(frozen=True)
class Length:
    """How long a training is.

    Args:
        steps: Its iterations.
        epochs: Its epochs, as hooks and schedules count them: an ``IterBasedTrainLoop`` has one.
        per_epoch: Iterations that go once through the training data.
        by_epoch: Whether the loop counts epochs.
    """

    steps: int
    epochs: int
    per_epoch: int
    by_epoch: bool

    def counted(self, unit: str) -> int:
        """The length in steps or epochs."""
        return self.epochs if unit == EPOCH else self.steps


def length_of(config: Mapping[str, Any], per_epoch: int) -> Length | None:
    """The length of a training; None for a loop that names neither ``max_iters`` nor ``max_epochs``.

    Args:
        config: A resolved config.
        per_epoch: Iterations that go once through the training data.
    """
    loop = config.get('train_cfg') or {}
    if loop.get('max_iters'):
        return Length(loop['max_iters'], 1, per_epoch, by_epoch=False)
    if loop.get('max_epochs'):
        return Length(loop['max_epochs'] * per_epoch, loop['max_epochs'], per_epoch, by_epoch=True)
    return None


@dataclass(frozen=True)
class Schedule:
    """One entry of ``param_scheduler``.

    Args:
        path: Its place in the config.
        row: Its config.
        cls: Its class.
        unit: What it counts: steps or epochs.
        length: The training's length in this unit.
        default_end: Where mmengine lets it end if it has no ``end``.
        frozen: It counts epochs, and the loop does not.
    """

    path: str
    row: Mapping[str, Any] = field(repr=False)
    cls: type
    unit: str
    length: float
    default_end: int
    frozen: bool

    def __str__(self) -> str:
        kind = self.row['type']
        return f'{self.path} ({kind if isinstance(kind, str) else self.cls.__name__})'

    def is_a(self, *classes: type) -> bool:
        """Whether it is of one of these kinds, by which mmengine's schedules of several parameters are derived."""
        return issubclass(self.cls, classes)

    @property
    def begin(self) -> float:
        """Where it begins."""
        return self._number('begin') or 0

    @property
    def end(self) -> float:
        """Where it ends."""
        return self._number('end') or self.default_end

    @property
    def own_span(self) -> float | None:
        """How long it takes by an argument of its own, from ``begin`` on; None if ``end`` alone says it."""
        if self.is_a(kinds.CosineRestartParamScheduler):
            return sum(self.row.get('periods') or [])
        return self._number('T_max') or self._number('total_steps')

    @property
    def complete(self) -> float | None:
        """Where its course is complete; None for a schedule without such a place."""
        if self.is_a(*OPEN, kinds.ReduceOnPlateauParamScheduler):
            return None
        return self.end if self.own_span is None else self.begin + self.own_span

    @property
    def changes_nothing(self) -> bool:
        """Whether it multiplies by 1 throughout."""
        if self.is_a(kinds.ConstantParamScheduler):
            return self.argument('factor') == 1
        return self.is_a(kinds.LinearParamScheduler) and self.argument('start_factor') == 1 == self.argument(
            'end_factor'
        )

    @property
    def warms_up(self) -> bool:
        """Whether the value is lower before it is complete than after it."""
        if self.is_a(kinds.LinearParamScheduler):
            return self.argument('start_factor') < self.argument('end_factor')
        return self.is_a(kinds.ConstantParamScheduler)

    @property
    def sets_learning_rate(self) -> bool:
        """Whether it schedules the learning rate, rather than the momentum."""
        return issubclass(self.cls, kinds.lr_scheduler.LRSchedulerMixin) or self.row.get('param_name') == 'lr'

    def _number(self, key: str) -> float | None:
        """The value of an argument; None for what is no number, which mmengine refuses when it builds the schedule."""
        value = self.row.get(key)
        return value if isinstance(value, (int, float)) else None

    def argument(self, key: str) -> Any:
        """The value of an argument, or its default."""
        return self.row[key] if key in self.row else default_of(self.cls, key)


def schedules_of(config: Mapping[str, Any], length: Length, registries: Registries) -> list[Schedule]:
    """The entries of a config's ``param_scheduler``, for one optimiser or for several."""
    return [
        _schedule(path, row, length, registries)
        for path, row in _rows(config.get('param_scheduler'), 'param_scheduler')
        if isinstance(registries.find(row['type']) if isinstance(row['type'], str) else row['type'], type)
    ]


def _rows(node: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(node, Mapping) and 'type' in node:
        yield path, node
    items = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, (list, tuple)) else ()
    for key, value in items:
        if isinstance(value, (Mapping, list, tuple)):
            yield from _rows(value, f'{path}.{key}')


def _schedule(path: str, row: Mapping[str, Any], length: Length, registries: Registries) -> Schedule:
    cls = registries.find(row['type']) if isinstance(row['type'], str) else row['type']
    if not row.get('by_epoch', True):
        return Schedule(path, row, cls, STEP, length.steps, length.steps, frozen=False)
    converted = bool(row.get('convert_to_iter_based'))
    epochs = length.steps / length.per_epoch if converted else length.epochs
    frozen = not converted and not length.by_epoch
    return Schedule(path, row, cls, EPOCH, epochs, length.epochs, frozen)


def learning_rates(
    schedules: Sequence[Schedule], start: float, length: Length, steps: int | None = None
) -> list[float]:
    """The learning rate at each step of a training, by stepping the real schedules on a dummy optimiser.

    Args:
        schedules: The schedules of the learning rate, in the config's order.
        start: The optimiser's learning rate.
        length: The length of the training.
        steps: How many steps to make; None makes all, 0 only builds the schedules.

    Raises:
        Exception: A schedule cannot be built, or not be stepped so far; the exception is its own.
    """
    from mmengine.optim import OptimWrapper
    from mmseg.registry import PARAM_SCHEDULERS

    optimizer = OptimWrapper(torch.optim.SGD([torch.nn.Parameter(torch.zeros(()))], lr=start, momentum=0.9))
    group, rates = optimizer.param_groups[0], []
    arguments = dict(optimizer=optimizer, epoch_length=length.per_epoch)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # that the dummy optimiser makes no step
        built = [PARAM_SCHEDULERS.build({'end': one.end, **one.row}, default_args=arguments) for one in schedules]
        each_step = [schedule for schedule in built if not schedule.by_epoch]
        each_epoch = [schedule for schedule in built if schedule.by_epoch] if length.by_epoch else []
        for step in range(1, (length.steps if steps is None else steps) + 1):
            rates.append(group['lr'])
            for schedule in each_step:
                schedule.step()
            for schedule in each_epoch if step % length.per_epoch == 0 else ():
                schedule.step()
    return rates


def optimizer_rate(config: Mapping[str, Any], registries: Registries) -> float | None:
    """The learning rate of a config's optimiser, or its default; None if neither is a number above 0."""
    optimizer = (config.get('optim_wrapper') or {}).get('optimizer') or {}
    cls = registries.find(optimizer['type']) if isinstance(optimizer.get('type'), str) else None
    rate = optimizer['lr'] if 'lr' in optimizer else default_of(cls, 'lr') if cls else None
    return float(rate) if isinstance(rate, (int, float)) and 0 < rate < math.inf else None
