"""The mirrored view: exact, ``inverse(forward(x)) == x``."""

from mmseg.registry import TRANSFORMS
from torch import Tensor

AXES = {'horizontal': -1, 'vertical': -2}


@TRANSFORMS.register_module()
class FlipView:
    """Mirror the image: 'horizontal' swaps left and right, 'vertical' swaps top and bottom.

    Args:
        direction: 'horizontal' or 'vertical'. Both at once is a ``ComposedView`` of the two.

    Raises:
        ValueError: when ``direction`` is anything else.
    """

    def __init__(self, direction: str) -> None:
        if direction not in AXES:
            raise ValueError(f'FlipView: direction={direction!r} is unknown; use one of {", ".join(map(repr, AXES))}.')
        self.axis = AXES[direction]

    def forward(self, image: Tensor) -> Tensor:
        """Mirror ``image`` (C, H, W)."""
        return image.flip(self.axis)

    def inverse(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Mirror ``maps`` (K, H, W) back; ``size`` is (H, W)."""
        return maps.flip(self.axis)
