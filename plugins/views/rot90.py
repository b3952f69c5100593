"""The view rotated by a multiple of 90 degrees. Its inverse is exact, also for non-square images."""

import torch
from mmseg.registry import TRANSFORMS
from torch import Tensor


@TRANSFORMS.register_module()
class Rot90View:
    """Rotate the image counter-clockwise by ``quarter_turns`` × 90 degrees, as ``torch.rot90`` does.

    Args:
        quarter_turns: 1, 2 or 3. An odd number swaps height and width.

    Raises:
        ValueError: ``quarter_turns`` is not 1, 2 or 3.
    """

    def __init__(self, quarter_turns: int) -> None:
        if isinstance(quarter_turns, bool) or quarter_turns not in (1, 2, 3):
            raise ValueError(f'Rot90View: quarter_turns={quarter_turns!r} must be 1, 2 or 3.')
        self.quarter_turns = quarter_turns

    def forward(self, image: Tensor) -> Tensor:
        """Rotate ``image`` (C, H, W); the result is (C, W, H) for an odd number of quarter turns."""
        return torch.rot90(image, self.quarter_turns, dims=(-2, -1))

    def inverse(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Rotate ``maps`` (K, h, w) back to (K, H, W); ``size`` is (H, W)."""
        return torch.rot90(maps, -self.quarter_turns, dims=(-2, -1))
