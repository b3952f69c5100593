"""Makes a process ready for calls that need a grid's techniques; this module itself imports neither torch nor mmseg."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from benchmarks.stacks.technique import Technique

Function = TypeVar('Function', bound=Callable)


def ready_to(function: Function, techniques: Mapping[str, Technique], base: dict) -> Function:
    """Import all that a grid needs into this process, and return ``function``.

    Args:
        function: What this process will be asked to call.
        techniques: The techniques of the grid.
        base: The baseline's config.
    """
    import torch

    from benchmarks.preflight.stack import import_and_register
    from benchmarks.stacks.imports import quieten_mmengine

    torch.set_num_threads(1)  # as stages on a CPU have
    quieten_mmengine()
    import_and_register(techniques, base)
    return function
