"""How the maps of several views become one probability map: the formulas.

z_v are the logits of view v and p_v its probabilities (softmax over K classes, or a sigmoid), v = 1..V, all at the size
of the original image: a view of another resolution is resized to it first, as logits, and then counts like any other.
For every class k of a pixel:

============= ================================================= ==============================================
rule          probability                                       one sigmoid channel, p_v against 1 - p_v
============= ================================================= ==============================================
mean          ``1/V * sum_v p_vk``                              the same
mean_logits   ``softmax_k(1/V * sum_v z_vk)``                   ``sigmoid(1/V * sum_v z_v)``
geometric     ``g_k / sum_j g_j``, ``g_k = (prod_v p_vk)^1/V``  ``g / (g + g')``, g' the geometric mean of 1 - p_v
max           ``m_k / sum_j m_j``, ``m_k = max_v p_vk``         ``m / (m + m')``, m' the maximum of 1 - p_v
============= ================================================= ==============================================

``mean_logits`` and ``geometric`` are two names of one map: softmax subtracts from z_vk what does not depend on k, and
the normalisation takes that away again, so ``g_k / sum_j g_j = softmax_k(1/V * sum_v log p_vk) = softmax_k(1/V * sum_v
z_vk)``. Both are computed from logits, where no product of small probabilities can underflow. A view that is sure that
a class is absent all but vetoes it there; under ``max`` a view that is sure of a class all but decides it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class MergeRule:
    """A merge that sees one view's map at a time.

    Args:
        term: logits (K, H, W) of a view → what is joined.
        join: (joined so far, the next term) → joined.
        result: (joined, number of views) → probabilities. A single channel may come with its complement in front of
            it; the last K channels count.
    """

    term: Callable[[Tensor], Tensor]
    join: Callable[[Tensor, Tensor], Tensor]
    result: Callable[[Tensor, int], Tensor]


def probabilities(logits: Tensor) -> Tensor:
    """Softmax over the first axis of (K, H, W), or the sigmoid when K is 1."""
    return logits.softmax(0) if len(logits) > 1 else logits.sigmoid()


def _all_classes(logits: Tensor) -> Tensor:
    """Probabilities with the complement of a single channel in front of it, (max(K, 2), H, W)."""
    return logits.softmax(0) if len(logits) > 1 else torch.cat([(-logits).sigmoid(), logits.sigmoid()])


def _mean_logits(total: Tensor, views: int) -> Tensor:
    return probabilities(total / views)


def _normalised(maxima: Tensor, views: int) -> Tensor:
    return maxima / maxima.sum(0)


_MEAN_LOGITS = MergeRule(term=lambda logits: logits, join=torch.add, result=_mean_logits)
MERGE_RULES = {
    'mean': MergeRule(term=probabilities, join=Tensor.add_, result=Tensor.div_),
    'mean_logits': _MEAN_LOGITS,
    'geometric': _MEAN_LOGITS,
    'max': MergeRule(term=_all_classes, join=torch.maximum, result=_normalised),
}


def check_merge(merge: str) -> None:
    """Refuse the name of no rule.

    Raises:
        ValueError: naming the known ones.
    """
    if merge not in MERGE_RULES:
        raise ValueError(f'inference.merge={merge!r} is unknown; use one of {", ".join(map(repr, MERGE_RULES))}.')
