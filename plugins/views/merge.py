"""One merged probability map per image, quantised to 16 bits.

The quantised map *is* the prediction: labels and refinements are computed from it, never from the probabilities before
quantisation. A stored map and a new map therefore give the same results. Precision:
``|p - dequantise(quantise(p))| <= 0.5 / 65535``.

Shapes: K channels (the classes, or 1 for a sigmoid model), H×W pixels of the original image.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
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
    see: Optional[Callable[[object, Tensor], None]] = None,
) -> Tensor:
    """Run all views of an image, and merge their maps in float32, in the sorted order of the views' names.

    The formulas are in :mod:`plugins.views.merge_rules`. The default is the mean of the probabilities,
    ``p = (1 / V) * sum_v softmax(resize(inverse_v(model(forward_v(image)))))``. A single view gives its own
    probabilities under every rule, bit for bit.

    Args:
        model: An mmseg segmentor in evaluation mode, or a model with its interface.
        image: The raw image as the pipeline packed it, (C, h, w).
        meta: The meta information of the image; ``ori_shape`` gives (H, W).
        views: Name → view.
        merge: The name of a rule.
        passes: Sends the views through the network. None sends one view at a time; then the map of only one view is in
            memory at a time.
        see: Called with each view and its logits, (K, H, W).

    Returns:
        Probabilities, float32 (K, H, W).
    """
    rule = MERGE_RULES[merge if len(views) > 1 else 'mean']
    joined = None
    for name, logits in zip(sorted(views), (passes or NetworkPasses()).logits(model, image, meta, views)):
        if see is not None:
            see(views[name], logits)
        term = rule.term(logits.float())
        joined = term if joined is None else rule.join(joined, term)
    return rule.result(joined, len(views))[-len(logits) :]  # type: ignore[arg-type]


def merged_in_one_pass(
    model: nn.Module,
    image: Tensor,
    meta: dict,
    wanted: Sequence[tuple[Mapping, str]],
    *,
    passes: Optional[NetworkPasses] = None,
    see: Optional[Callable[[object, Tensor], None]] = None,
) -> Iterator[Tensor]:
    """Compute several merged maps of an image from one pass over the union of their views.

    Each map equals :func:`merged_probabilities` of its views bit for bit, because the same terms are joined in the same
    order. The maps of all views of the union are in memory at the same time.

    Args:
        model: As in :func:`merged_probabilities`.
        image: As in :func:`merged_probabilities`.
        meta: As in :func:`merged_probabilities`.
        wanted: For each merged map its views by name and the name of its rule. Merged maps share a view if it is the
            same object; the names of views only give the order in which they are joined.
        passes: Sends the views through the network; None sends one view at a time.
        see: Called with each view of the union and its logits, (K, H, W), before the first map is yielded.

    Yields:
        Probabilities, float32 (K, H, W), one map per element of ``wanted``.
    """
    rules = [MERGE_RULES[merge if len(views) > 1 else 'mean'] for views, merge in wanted]
    union, terms_of = {}, {}  # type: ignore[var-annotated]
    for (views, _), rule in zip(wanted, rules):
        for view in views.values():
            union.setdefault(id(view), view)
            terms_of.setdefault(id(view), []).append(rule.term)
    terms, numbered = {}, {f'{number:06d}': view for number, view in enumerate(union.values())}
    for view, logits in zip(union, (passes or NetworkPasses()).logits(model, image, meta, numbered)):
        channels = len(logits)
        if see is not None:
            see(union[view], logits)
        for term in dict.fromkeys(terms_of[view]):
            terms[view, term] = term(logits.float())
    for (views, _), rule in zip(wanted, rules):
        joined = None
        for name in sorted(views):
            term = terms[id(views[name]), rule.term]
            joined = term.clone() if joined is None else rule.join(joined, term)  # rules may join in place
        yield rule.result(joined, len(views))[-channels:]  # type: ignore[arg-type]


def quantise(probs: Tensor) -> np.ndarray:
    """Quantise probabilities (K, H, W) to uint16 on the CPU: ``q = round(65535 p)``.

    Raises:
        FloatingPointError: A probability is NaN or infinite, for example because the training has diverged.
    """
    if not torch.isfinite(probs.sum()):
        raise FloatingPointError(
            'The model predicts NaN or infinite probabilities; its weights have probably '
            'diverged. Check the training loss, lower the learning rate or clip the gradients.'
        )
    return (probs * LEVELS).round_().to(torch.uint16).cpu().numpy()


def dequantise(quantised: np.ndarray) -> np.ndarray:
    """The probabilities of a quantised map, float32: ``p = q / 65535``."""
    return quantised.astype(np.float32) / np.float32(LEVELS)
