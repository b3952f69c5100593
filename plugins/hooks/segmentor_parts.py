"""The segmentors inside the model of a runner, and the networks inside a segmentor."""

from mmseg.models.segmentors import BaseSegmentor
from torch import nn


def segmentors(model: nn.Module) -> list[nn.Module]:
    """The mmseg segmentors in a model: the model itself, or those inside wrappers.

    Wrappers are those for distributed training, for views, and for ensembles. A segmentor that contains other
    segmentors counts as a wrapper.

    Raises:
        ValueError: The model contains no segmentor.
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
    """The parts of a segmentor that have parameters: backbone, neck and each head."""
    parts = [part for name, part in segmentor.named_children() if name != 'data_preprocessor']
    single = [inner for part in parts for inner in (part if isinstance(part, nn.ModuleList) else [part])]
    return [part for part in single if any(True for _ in part.parameters())]
