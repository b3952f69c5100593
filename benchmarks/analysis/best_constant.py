"""Whether a training's loss fell below that of the best constant prediction.

A training records both losses as a fact, ``dict(steps=…, loss=…, constant=…)``: of the steps of its last half that were
looked at, the one where the loss of the decode head was lowest beside that of the best constant prediction on the same
batch. None, or no such fact, says that this is not known.
"""

from collections.abc import Mapping, Sequence

# Below this part of the constant's loss a difference is rounding: the fact is computed in float32.
LEAST_GAIN = 0.001


def falls_below(loss: float, constant: float) -> bool:
    """Whether a loss is lower than that of a constant prediction, by more than rounding.

    Example:
        >>> falls_below(0.65, 0.69), falls_below(0.6899, 0.69), falls_below(-0.2, -0.1)
        (True, False, True)
    """
    return loss < constant - LEAST_GAIN * abs(constant)


def of_several(facts: Sequence[Mapping | None]) -> Mapping | None:
    """The fact of networks that predict together: that of the network whose loss is lowest beside its constant's.

    None if it is not known of one of them, because that network may have learned.
    """
    known = [fact for fact in facts if fact is not None]
    return min(known, key=lambda fact: fact['loss'] - fact['constant']) if known and len(known) == len(facts) else None
