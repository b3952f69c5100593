"""Batches: stages that one process computes in one pass, because they share the costly part of their work."""

from collections.abc import Sequence
from math import ceil

from benchmarks.files import digest
from benchmarks.kinds import BY_NAME
from benchmarks.plan.plan import Stage

# Config keys in which the predictions of a batch may differ; imports change nothing by themselves.
_MAY_DIFFER = ('inference', 'custom_imports')
# The networks of all refinements of a batch are in memory at once.
MOST_REFINED = 16


def batch_key(stage: Stage) -> str | None:
    """The same for all stages that may share a pass; None for a stage that runs on its own.

    Predictions share the network: they have the same parents, and their configs differ in views and merging alone.
    Predictions with ``views_per_batch`` run on their own: which views go through the network together, and with it the
    last bit of a map, would depend on the other stages. Refinements share images and annotations.
    """
    shares = BY_NAME[stage.kind].shares
    if shares == 'images':
        return digest([stage.kind, stage.config['test_dataloader']])
    if shares != 'network' or stage.config.get('inference', {}).get('views_per_batch'):
        return None
    common = {key: value for key, value in stage.config.items() if key not in _MAY_DIFFER}
    return digest([stage.kind, stage.parents, common])


def take_batch(stages: Sequence[Stage], free: int) -> list[Stage]:
    """The stages that the next process computes; the first of ``stages`` is among them.

    Args:
        stages: Stages of one :func:`batch_key` that are ready.
        free: The number of processes that could be started.

    Returns:
        All predictions, because they run one network. Of refinements the share of one process, in which refinements of
        the same prediction stand side by side.
    """
    if BY_NAME[stages[0].kind].shares != 'images':
        return list(stages)
    first = stages[0].parents
    ordered = sorted(stages, key=lambda stage: (stage.parents != first, stage.parents))
    return ordered[: min(MOST_REFINED, ceil(len(stages) / free))]
