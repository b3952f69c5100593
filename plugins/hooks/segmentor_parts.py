"""The segmentors inside whatever a runner trains or tests, and the networks that they consist of."""

from mmseg.models.segmentors import BaseSegmentor
from torch import nn


def segmentors(model: nn.Module) -> list[nn.Module]:
    """mmseg's segmentors in ``model``: itself, or inside wrappers (distribution, views, the members of an ensemble).

    A segmentor that consists of others counts as a wrapper of them.

    Raises:
        ValueError: There is none.
    """
    found = [
        module
        for module in model.modules()
        if isinstance(module, BaseSegmentor)
        and not any(isinstance(inner, BaseSegmentor) for inner in module.modules() if inner is not module)
    ]
    if not found:
        raise ValueError(f'{type(model).__name__} holds no mmseg segmentor (a subclass of BaseSegmentor)')
    return found


def networks(segmentor: nn.Module) -> list[nn.Module]:
    """The parts of a segmentor that compute: backbone, neck and each head, as far as it has them."""
    parts = [part for name, part in segmentor.named_children() if name != 'data_preprocessor']
    single = [inner for part in parts for inner in (part if isinstance(part, nn.ModuleList) else [part])]
    return [part for part in single if any(True for _ in part.parameters())]
