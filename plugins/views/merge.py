"""One merged probability map per image, quantised to 16 bits.

The quantised map *is* the prediction: labels and refinements are computed from it, never from the floats behind it, so
that a stored map and a fresh one give the same results. Precision: ``|p - dequantise(quantise(p))| <= 0.5 / 65535``.

Shapes: K channels (the classes, or 1 for a sigmoid model), HxW pixels of the original image.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Optional

import numpy as np
import torch
from torch import Tensor, nn

from plugins.views.merge_rules import MERGE_RULES
from plugins.views.network_passes import NetworkPasses

LEVELS = 65535


def merged_probabilities(
    model: nn.Module,
    image: Tensor,
    meta: dict,
    views: Mapping,
    *,
    merge: str = 'mean',
    passes: Optional[NetworkPasses] = None,
) -> Tensor:
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
    return rule.result(joined, len(views))[-len(logits) :]


def merged_in_one_pass(
    model: nn.Module,
    image: Tensor,
    meta: dict,
    wanted: Sequence[tuple[Mapping, str]],
    *,
    passes: Optional[NetworkPasses] = None,
) -> Iterator[Tensor]:
    """Several merged maps of an image, from one pass over the union of their views.

    Each map equals :func:`merged_probabilities` of its own views bit for bit, because the same terms are joined in the
    same order. Held are the maps of all views of the union, however many merged maps are wanted.

    Args:
        model: as in :func:`merged_probabilities`; likewise ``image`` and ``meta``.
        wanted: views by name and name of the rule, for each merged map. Views are the same where they are the same
            object; their names say only in which order they are joined.
        passes: how views go through the network; None is one at a time.

    Yields:
        Probabilities, float32 (K, H, W), for each element of ``wanted``.
    """
    rules = [MERGE_RULES[merge if len(views) > 1 else 'mean'] for views, merge in wanted]
    union, terms_of = {}, {}
    for (views, _), rule in zip(wanted, rules):
        for view in views.values():
            union.setdefault(id(view), view)
            terms_of.setdefault(id(view), []).append(rule.term)
    terms, numbered = {}, {f'{number:06d}': view for number, view in enumerate(union.values())}
    for view, logits in zip(union, (passes or NetworkPasses()).logits(model, image, meta, numbered)):
        channels = len(logits)
        for term in dict.fromkeys(terms_of[view]):
            terms[view, term] = term(logits.float())
    for (views, _), rule in zip(wanted, rules):
        joined = None
        for name in sorted(views):
            term = terms[id(views[name]), rule.term]
            joined = term.clone() if joined is None else rule.join(joined, term)  # a rule may join in place
        yield rule.result(joined, len(views))[-channels:]


def quantise(probs: Tensor) -> np.ndarray:
    """Quantise probabilities (K, H, W) to uint16 on the host: ``q = round(65535 p)``.

    Raises:
        FloatingPointError: when a probability is NaN or infinite, as after a training that diverged.
    """
    if not torch.isfinite(probs.sum()):
        raise FloatingPointError(
            'The model predicts NaN or infinite probabilities; its weights have probably '
            'diverged. Check the training loss, lower the learning rate or clip the gradients.'
        )
    return (probs * LEVELS).round_().to(torch.uint16).cpu().numpy()


def dequantise(quantised: np.ndarray) -> np.ndarray:
    """Probabilities of a quantised map: float32 ``p = q / 65535``."""
    return quantised.astype(np.float32) / np.float32(LEVELS)
