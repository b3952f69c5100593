"""What mmsegmentation asks of a loss module beyond its value: a weight and a name."""

from typing import Optional, Sequence

import torch
from torch import nn

from plugins.losses.inputs import check_class_weights


class WeightedLoss(nn.Module):
    """Base of the loss modules: ``loss_weight`` scales the value, ``loss_name`` names it in the log.

    Args:
        loss_weight: factor of the loss.
        loss_name: key in the training log; mmengine sums only keys that hold 'loss' into the total, hence the prefix.
        class_weight: one weight per class, see :meth:`keep_per_class`.

    Raises:
        ValueError: if the name lacks the prefix, for the loss would be logged but never trained on; or if class weights
            are negative or all 0.
    """

    def __init__(self, loss_weight: float, loss_name: str, class_weight: Optional[Sequence[float]] = None) -> None:
        super().__init__()
        if not loss_name.startswith('loss_'):
            raise ValueError(f'loss_name={loss_name!r} would be logged but not trained on: call it loss_{loss_name}')
        self.loss_weight = loss_weight
        self._loss_name = loss_name
        self.keep_per_class('class_weight', class_weight)

    def keep_per_class(self, name: str, values: Optional[Sequence[float]]) -> None:
        """Set an attribute to one number per class, or None, on the module's device and outside its state dict.

        Raises:
            ValueError: if a number is negative, or all are 0.
        """
        if values is not None:
            check_class_weights(values)
            values = torch.as_tensor(values, dtype=torch.float32)
        self.register_buffer(name, values, persistent=False)

    @property
    def loss_name(self) -> str:
        """Key of this loss in the training log."""
        return self._loss_name
