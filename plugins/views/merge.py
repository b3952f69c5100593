"""One merged probability map per image: the mean over its views, quantised to 16 bits.

The quantised map *is* the prediction: labels and refinements are computed from it, never from the floats behind it, so
that a stored map and a fresh one give the same results. Precision: ``|p - dequantise(quantise(p))| <= 0.5 / 65535``.

Shapes: K channels (the classes, or 1 for a sigmoid model), HxW pixels of the original image.
"""
from collections.abc import Mapping

import numpy as np
import torch
from mmseg.models.utils import resize
from torch import Tensor, nn

from plugins.views.padding import model_input

LEVELS = 65535


def merged_probabilities(model: nn.Module, image: Tensor, meta: dict, views: Mapping) -> Tensor:
    """Mean of the probabilities over views, in the sorted order of their names.

    ``p = (1 / V) * sum_v softmax(resize(inverse_v(model(forward_v(image)))))``, summed in float32; sigmoid in place of
    softmax when the model has one output channel. One view's map is held at a time, whatever the number of views.

    Args:
        model: an mmseg segmentor in eval mode.
        image: the raw image as the pipeline packed it, (C, h, w).
        meta: its meta information; ``ori_shape`` gives (H, W).
        views: views by name.

    Returns:
        Probabilities, float32 (K, H, W).
    """
    total = None
    for name in sorted(views):
        logits = view_logits(model, image, meta, views[name]).float()
        probs = logits.softmax(0) if len(logits) > 1 else logits.sigmoid()
        total = probs if total is None else total.add_(probs)
    return total.div_(len(views))


def view_logits(model: nn.Module, image: Tensor, meta: dict, view) -> Tensor:
    """Logits of one view, turned back and resized to the original image, (K, H, W).

    For the identity view they equal the ``seg_logits`` of plain mmsegmentation (before its sigmoid, when there is one
    output channel) bit for bit, given one image per batch.
    """
    viewed = view.forward(image)
    resized = sorted(viewed.shape[-2:]) != sorted(image.shape[-2:])
    inputs, inputs_meta = model_input(model, viewed, meta, resized=resized)
    logits = model.inference(inputs, [inputs_meta])[0, :, :viewed.shape[-2], :viewed.shape[-1]]
    logits = view.inverse(logits, tuple(image.shape[-2:]))
    return _to_original(model, logits, meta)


def _to_original(model: nn.Module, logits: Tensor, meta: dict) -> Tensor:
    """Undo a flip made by the pipeline and resize to ``ori_shape``, as mmseg's ``postprocess_result`` does."""
    if meta.get('flip'):
        logits = logits.flip(-1 if meta['flip_direction'] == 'horizontal' else -2)
    size = tuple(meta['ori_shape'][:2])
    return resize(logits[None], size=size, mode='bilinear', align_corners=model.align_corners, warning=False)[0]


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
