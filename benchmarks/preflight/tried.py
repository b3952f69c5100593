"""Tries out attempts in a process that is ready for them, and says what is wrong with each."""

from collections.abc import Callable, Mapping

import torch

from benchmarks.preflight.attempt import Attempt, Fault
from benchmarks.preflight.culprit import describe
from benchmarks.preflight.stack import import_and_register
from benchmarks.preflight.trial import FailedOnImage, try_inference, try_training
from benchmarks.stacks.imports import quieten_mmengine
from benchmarks.stacks.technique import Technique


def ready_to_try(techniques: Mapping[str, Technique], base: dict) -> Callable[[Attempt], Fault | None]:
    """Import all that a grid needs into this process, and return :func:`fault_of`.

    Args:
        techniques: The techniques of the grid.
        base: The baseline's config.
    """
    torch.set_num_threads(1)  # as stages on a CPU have
    quieten_mmengine()
    import_and_register(techniques, base)
    return fault_of


def fault_of(attempt: Attempt) -> Fault | None:
    """Try, and say what is wrong; None if it works."""
    try:
        if attempt.training:
            try_training(attempt.config, [index for index, _ in attempt.images])
        else:
            try_inference(attempt.config, attempt.images, attempt.num_classes, attempt.ignore_index)
    except FailedOnImage as error:
        assert error.__cause__ is not None
        return Fault(describe(error.__cause__, attempt.config, attempt.techniques), error.index)
    except Exception as error:
        return Fault(describe(error, attempt.config, attempt.techniques))
    return None
