"""How often each part of a run did its work.

A part is a hook, the optimiser wrapper, the training sampler, a data set, the model or a module of it. It counts its
work in an integer attribute ``acted`` (:class:`benchmarks.stages.contracts.EffectCounter`). A technique that leaves
predictions as they are, such as gradient checkpointing, shows by its count that it had an effect.
"""

from collections.abc import Iterator
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner


class EffectCountsOfTest(Hook):
    """Keeps the counts of a test, before the hooks that replaced the model restore the old one.

    Attributes:
        counts: One dict for the tested config, and one for each variant that is predicted in the same pass.
    """

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.counts: list[dict[str, int]] = []

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Read all counts."""
        variants = max((len(getattr(part, 'acted_of_variants', ())) for part in _parts(runner)), default=0)
        self.counts = [effect_counts(runner), *(effect_counts(runner, number) for number in range(variants))]


def effect_counts(runner: Runner, variant: int | None = None) -> dict[str, int]:
    """The counts of all parts of a run, added up by the name of their type.

    Args:
        runner: Runs a training or a test.
        variant: Index of a variant in a shared pass; None for the tested config itself. A part that does not tell
            variants apart counts for all of them.

    Returns:
        A count for each type; a type whose parts all have None, or no count, is left out.
    """
    counts: dict[str, int] = {}
    for part in _parts(runner):
        count: int | None = getattr(part, 'acted', None)
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
    """A data set, and the data sets inside it."""
    yield dataset
    for inner in [getattr(dataset, 'dataset', None), *getattr(dataset, 'datasets', [])]:
        if inner is not None:
            yield from _data_sets(inner)
