"""Do the spans that hooks, losses and transforms take as arguments fit the training?

The name of an argument says that it counts the training's steps or epochs:

====================================  ====================================================
name                                  meaning
====================================  ====================================================
``…begin_iter``, ``…start_epoch`` …   a place: something begins, stops or switches there
``…end_iter``, ``…warm_up_steps`` …   a span that is complete there
``…ramp``                             the same, in steps
``begin``, ``end`` of a hook          the same, in steps, or in epochs with ``by_epoch``
``interval`` of a hook                something is done each time that so many have passed
====================================  ====================================================

So the harness knows no class by name. Only what feeds a training is looked at: an interval of logs changes no result.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.plan.keys import NOTHING, stage_of
from benchmarks.preflight.learning_rate import ENDLESS, EPOCH, STEP, Length
from benchmarks.preflight.legality import Registries, parameters
from benchmarks.preflight.typed import typed, value_of

UNIT = r'_(?P<unit>iters?|steps?|epochs?)'
PLACE = re.compile(rf'(.*_)?(begin|start|stop|switch){UNIT}')
SPAN = re.compile(rf'(.*_)?((end|warm_?up|ramp(_?up)?){UNIT}|ramp)')
OF_HOOKS = {'begin': PLACE, 'end': SPAN}
PARTS = ('model', 'train_dataloader', 'optim_wrapper')


@dataclass(frozen=True)
class Unfit:
    """An argument whose span does not fit the training.

    Args:
        path: Its place in the config.
        fault: A clause that names the argument, its value and its class.
        cure: The value to give it; None if no value of this argument fits.
    """

    path: str
    fault: str
    cure: int | None


def unfit_spans(
    config: Mapping[str, Any],
    length: Length,
    registries: Registries,
    acts_in_test_only: Callable[[str], bool],
    factor: float | None = None,
) -> list[Unfit]:
    """The arguments whose spans do not fit a training.

    Args:
        config: A resolved config.
        length: The length of its training.
        registries: Looks types up.
        acts_in_test_only: Whether a hook of this type does nothing in training.
        factor: By how much the schedules of the training have to be stretched; None if they fit.
    """
    found = [
        unfit
        for part in PARTS
        for path, node, cls in typed(config.get(part), part, registries)
        for unfit in _unfit(path, node, cls, length, factor, is_hook=False)
    ]
    for path, hook in _hooks(config, acts_in_test_only):
        for at, node, cls in typed(hook, path, registries):
            found += _unfit(at, node, cls, length, factor, is_hook=at == path)
    return found


def _hooks(config: Mapping[str, Any], acts_in_test_only: Callable[[str], bool]) -> Iterator[tuple[str, Mapping]]:
    """Each hook that feeds the training, and its place."""
    for slot, hook in (config.get('default_hooks') or {}).items():
        if isinstance(hook, Mapping) and stage_of(('default_hooks', slot)) != NOTHING:
            yield f'default_hooks.{slot}', hook
    for number, hook in enumerate(config.get('custom_hooks') or []):
        if isinstance(hook, Mapping) and not acts_in_test_only(hook.get('type', '')):
            yield f'custom_hooks.{number}', hook


def _unfit(
    path: str, node: Mapping, cls: type, length: Length, factor: float | None, *, is_hook: bool
) -> Iterator[Unfit]:
    for key in sorted({*node, *parameters(cls)}):
        kind = (
            PLACE if PLACE.fullmatch(key) else SPAN if SPAN.fullmatch(key) else OF_HOOKS.get(key) if is_hook else None
        )
        interval = is_hook and key == 'interval'
        value = value_of(node, cls, key, None)
        if kind is None and not interval or isinstance(value, bool) or not isinstance(value, int):
            continue
        unit = _unit(key, node, cls)
        most = length.counted(unit) - (kind is PLACE)
        if not most < value < ENDLESS:
            continue
        does = f'is due every {value} {unit}s' if interval else f'is complete after {value} {unit}s'
        if kind is PLACE:
            does = f'comes at {unit} {value}'
        default = '' if key in node else ', its default'
        has = f'{length.counted(unit)}{_loop(unit, length)}'
        fault = f'{path}.{key} ({cls.__name__}{default}) {does}, and the training has {has}'
        yield Unfit(
            f'{path}.{key}', fault, _cure(value, most, factor, most if kind is SPAN else length.counted(unit) // 2)
        )


def _unit(key: str, node: Mapping, cls: type) -> str:
    if key in OF_HOOKS or key == 'interval':
        return EPOCH if value_of(node, cls, 'by_epoch', False) else STEP
    return EPOCH if 'epoch' in key else STEP


def _loop(unit: str, length: Length) -> str:
    return ', as a loop of steps counts' if unit == EPOCH and not length.by_epoch else ''


def _cure(value: int, most: int, factor: float | None, otherwise: int) -> int | None:
    """The stretched value; ``otherwise`` where nothing is stretched or that does not fit; None if no value fits."""
    scaled = max(round(value * factor), 1) if factor else 0
    if 0 < scaled <= most:
        return scaled
    return max(otherwise, 1) if most > 0 else None
