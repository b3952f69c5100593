"""Which stages one process computes in one pass: those that differ only in what is done with the same predictions."""
from benchmarks.keys import digest
from benchmarks.plan import Stage

# What may differ between the stages of a pass; imports act on nothing by themselves.
_DIFFERS = ('inference', 'custom_imports')


def shared_pass(stage: Stage) -> str | None:
    """The same for all stages of one pass; None for a stage that runs on its own.

    Views that go through the network several at a time are left alone: which of them go together, and with it the last
    bit of a map, would depend on the other stages.
    """
    if stage.kind != 'predict' or stage.config.get('inference', {}).get('views_per_batch'):
        return None
    common = {key: value for key, value in stage.config.items() if key not in _DIFFERS}
    return digest([stage.parents, common])
