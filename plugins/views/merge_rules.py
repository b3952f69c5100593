"""The formulas that merge the maps of several views into one probability map.

z_v are the logits of view v = 1..V, and p_v its probabilities (softmax over K classes, or a sigmoid). All maps have the
size of the original image: the logits of a view of another resolution are resized first. All views have equal weight.
For each class k of a pixel:

============= ================================================= ==============================================
rule          probability                                       one sigmoid channel, p_v against 1 - p_v
============= ================================================= ==============================================
mean          ``1/V * sum_v p_vk``                              the same
mean_logits   ``softmax_k(1/V * sum_v z_vk)``                   ``sigmoid(1/V * sum_v z_v)``
geometric     ``g_k / sum_j g_j``, ``g_k = (prod_v p_vk)^1/V``  ``g / (g + g')``, g' the geometric mean of 1 - p_v
max           ``m_k / sum_j m_j``, ``m_k = max_v p_vk``         ``m / (m + m')``, m' the maximum of 1 - p_v
============= ================================================= ==============================================

``mean_logits`` and ``geometric`` give the same map. ``log p_vk`` differs from z_vk by a term that does not depend on k,
and the normalisation cancels that term: ``g_k / sum_j g_j = softmax_k(1/V * sum_v log p_vk) = softmax_k(1/V * sum_v
z_vk)``. Both are computed from logits, where no product of small probabilities can underflow. Under both, a view that
is confident that a class is absent almost excludes this class. Under ``max``, a view that is confident of a class
almost decides for it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class MergeRule:
    """A rule that merges maps one view at a time.

    Args:
        term: Computes the term of a view from its logits (K, H, W).
        join: Joins the terms so far with the next term.
        result: Computes the probabilities from the joined terms and the number of views. For K = 1 the result may have
            two channels; only the last K channels are used.
    """

    term: Callable[[Tensor], Tensor]
    join: Callable[[Tensor, Tensor], Tensor]
    result: Callable[[Tensor, int], Tensor]


def probabilities(logits: Tensor) -> Tensor:
    """The softmax over the first axis of logits (K, H, W), or the sigmoid if K is 1."""
    return logits.softmax(0) if len(logits) > 1 else logits.sigmoid()


def _all_classes(logits: Tensor) -> Tensor:
    """Probabilities (max(K, 2), H, W); for K = 1 the first channel is 1 - p and the second p."""
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
    """Refuse an unknown rule.

    Raises:
        ValueError: No rule has this name; the message lists the rules.
    """
    if merge not in MERGE_RULES:
        raise ValueError(f'inference.merge={merge!r} is unknown; use one of {", ".join(map(repr, MERGE_RULES))}.')
