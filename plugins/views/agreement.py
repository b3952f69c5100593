"""Where the views of an image agree on the label of a pixel."""
# K channels of the logits, H×W pixels of the original image

from collections.abc import Mapping
from typing import Optional

import torch
from torch import Tensor


class ViewLabels:
    """Keeps the labels that each view of one image gives alone: the most likely class, or 1 above a threshold if K = 1.

    Args:
        threshold: The probability above which a pixel has label 1 if K = 1.
    """

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = threshold
        self._labels: dict[int, Tensor] = {}

    def see(self, view: object, logits: Tensor) -> None:
        """Take the logits (K, H, W) of a view."""
        labels = logits.argmax(0).to(torch.int16) if len(logits) > 1 else logits[0].sigmoid() > self.threshold
        self._labels[id(view)] = labels

    def agreement(self, views: Mapping) -> Optional[Tensor]:
        """Where all of these views give the same label, bool (H, W); None for a single view."""
        first, *others = [self._labels[id(view)] for view in views.values()]
        return torch.stack([labels == first for labels in others]).all(0) if others else None
