"""Which stages one process computes in one pass: those that have the costly part of their work in common."""

from collections.abc import Sequence
from math import ceil

from benchmarks.files import digest
from benchmarks.plan.plan import Stage

# What may differ between predictions of a pass; imports act on nothing by themselves.
_DIFFERS = ('inference', 'custom_imports')
# The networks of all stages of a pass are in memory at once.
MOST_REFINED = 16


def shared_pass(stage: Stage) -> str | None:
    """The same for all stages that may share a pass; None for a stage that runs on its own.

    Predictions share the network: they have the same parents, and differ only in what is done with its output. Views
    that go through it several at a time are left alone: which of them go together, and with it the last bit of a map,
    would depend on the other stages. Refinements share images and annotations.
    """
    if stage.kind == 'refine':
        return digest([stage.kind, stage.config['test_dataloader']])
    if stage.kind != 'predict' or stage.config.get('inference', {}).get('views_per_batch'):
        return None
    common = {key: value for key, value in stage.config.items() if key not in _DIFFERS}
    return digest([stage.kind, stage.parents, common])


def begun_together(stages: Sequence[Stage], free: int) -> list[Stage]:
    """Which of the stages that may share a pass one process computes; the first of them is among these.

    Args:
        stages: Stages of one :func:`shared_pass` that wait.
        free: How many processes could take them.

    Returns:
        All predictions, because they run one network; of refinements the share of one process, stages that refine the
        same prediction side by side.
    """
    if stages[0].kind != 'refine':
        return list(stages)
    first = stages[0].parents
    ordered = sorted(stages, key=lambda stage: (stage.parents != first, stage.parents))
    return ordered[: min(MOST_REFINED, ceil(len(stages) / free))]
