"""What the parts of a run say of themselves: how often each one really did its work.

A hook, an optimiser wrapper, a training sampler, a model or a module of it may have an integer ``acted``; that is how a
technique which leaves predictions as they are (checkpointing, compiling …) shows that it was there. None says nothing. Where one
pass predicts for several configs, a part that acts differently for the others has ``acted_of_variants`` for them.
"""

from collections.abc import Iterator
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner


class ActedWhileTesting(Hook):
    """Keeps what acted in a test, before the hooks that replaced the model put the old one back.

    Attributes:
        counts: Of the config that is tested, and of the variants that are predicted in the same pass.
    """

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.counts: list[dict[str, int]] = []

    def after_test_epoch(self, runner: Runner, metrics=None) -> None:
        variants = max((len(getattr(part, 'acted_of_variants', ())) for part in _parts(runner)), default=0)
        self.counts = [acted(runner), *(acted(runner, number) for number in range(variants))]


def acted(runner: Runner, variant: int | None = None) -> dict[str, int]:
    """How often the parts of ``runner`` acted, added up by the name of their type; also of one of its variants."""
    counts: dict[str, int] = {}
    for part in _parts(runner):
        count = getattr(part, 'acted', None)
        if variant is not None and hasattr(part, 'acted_of_variants'):
            count = part.acted_of_variants[variant]
        if count is not None:
            name = type(part).__name__
            counts[name] = counts.get(name, 0) + int(count)
    return counts


def _parts(runner: Runner) -> Iterator[Any]:
    yield from runner.hooks
    yield runner.optim_wrapper
    if isinstance(runner._train_loop, BaseLoop):  # a config, or None, in a test
        yield runner._train_loop.dataloader.sampler
        yield from _data_sets(runner._train_loop.dataloader.dataset)
    yield from runner.model.modules()


def _data_sets(dataset: Any) -> Iterator[Any]:
    """A data set and those that it wraps."""
    yield dataset
    for inner in [getattr(dataset, 'dataset', None), *getattr(dataset, 'datasets', [])]:
        if inner is not None:
            yield from _data_sets(inner)
