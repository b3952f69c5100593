"""The base class of loss modules: mmsegmentation requires a weight and a name."""

from typing import Optional, Sequence

import torch
from torch import nn

from plugins.arguments import check_number
from plugins.losses.inputs import check_class_weights


class WeightedLoss(nn.Module):
    """Base class of loss modules: ``loss_weight`` scales the loss, and ``loss_name`` is its key in the log.

    Args:
        loss_weight: Factor of the loss.
        loss_name: Key in the training log, with the prefix 'loss_'; mmengine adds only keys with 'loss' to the total.
        class_weight: One weight for each class, see :meth:`keep_per_class`.

    Raises:
        ValueError: The name lacks the prefix, so that the loss would be logged but not trained on; or class weights are
            negative or all 0.
    """

    def __init__(self, loss_weight: float, loss_name: str, class_weight: Optional[Sequence[float]] = None) -> None:
        super().__init__()
        if not loss_name.startswith('loss_'):
            raise ValueError(f'loss_name={loss_name!r} would be logged but not trained on: call it loss_{loss_name}')
        check_number('loss_weight', loss_weight, least=0)
        self.loss_weight = loss_weight
        self._loss_name = loss_name
        self.keep_per_class('class_weight', class_weight)

    def keep_per_class(self, name: str, values: Optional[Sequence[float]]) -> None:
        """Set an attribute to one number for each class, or to None.

        The numbers move with the module to its device, and are not part of its state dict.

        Args:
            name: Name of the attribute.
            values: One number for each class, or None.

        Raises:
            ValueError: A number is negative, or all numbers are 0.
        """
        if values is not None:
            check_class_weights(values, name)
            values = torch.as_tensor(values, dtype=torch.float32)  # type: ignore[assignment]
        self.register_buffer(name, values, persistent=False)  # type: ignore[arg-type]

    @property
    def loss_name(self) -> str:
        """The key of this loss in the training log."""
        return self._loss_name
