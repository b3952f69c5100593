"""One merged probability map per image, quantised to 16 bits.

The quantised map *is* the prediction: labels and refinements are computed from it, never from the floats behind it, so
that a stored map and a fresh one give the same results. Precision: ``|p - dequantise(quantise(p))| <= 0.5 / 65535``.

Shapes: K channels (the classes, or 1 for a sigmoid model), HxW pixels of the original image.
"""
from collections.abc import Mapping
from typing import Optional

import numpy as np
import torch
from torch import Tensor, nn

from plugins.views.merge_rules import MERGE_RULES
from plugins.views.network_passes import NetworkPasses

LEVELS = 65535


def merged_probabilities(model: nn.Module, image: Tensor, meta: dict, views: Mapping, *, merge: str = 'mean',
                         passes: Optional[NetworkPasses] = None) -> Tensor:
    """The maps of all views in one, joined in float32 in the sorted order of the views' names.

    The formulas are in :mod:`plugins.views.merge_rules`; the default is the mean of the probabilities,
    ``p = (1 / V) * sum_v softmax(resize(inverse_v(model(forward_v(image)))))``. One view alone gives its own
    probabilities under every rule, bit for bit.

    Args:
        model: an mmseg segmentor in eval mode, or what has its interface.
        image: the raw image as the pipeline packed it, (C, h, w).
        meta: its meta information; ``ori_shape`` gives (H, W).
        views: views by name.
        merge: name of a rule.
        passes: how views go through the network; None is one at a time, which holds one view's map at a time, whatever
            the number of views.

    Returns:
        Probabilities, float32 (K, H, W).
    """
    rule = MERGE_RULES[merge if len(views) > 1 else 'mean']
    joined = None
    for logits in (passes or NetworkPasses()).logits(model, image, meta, views):
        term = rule.term(logits.float())
        joined = term if joined is None else rule.join(joined, term)
    return rule.result(joined, len(views))[-len(logits):]


def quantise(probs: Tensor) -> np.ndarray:
    """Quantise probabilities (K, H, W) to uint16 on the host: ``q = round(65535 p)``.

    Raises:
        FloatingPointError: when a probability is NaN or infinite, as after a training that diverged.
    """
    if not torch.isfinite(probs.sum()):
        raise FloatingPointError('The model predicts NaN or infinite probabilities; its weights have probably '
                                 'diverged. Check the training loss, lower the learning rate or clip the gradients.')
    return (probs * LEVELS).round().to(torch.uint16).cpu().numpy()


def dequantise(quantised: np.ndarray) -> np.ndarray:
    """Probabilities of a quantised map: float32 ``p = q / 65535``."""
    return quantised.astype(np.float32) / np.float32(LEVELS)
