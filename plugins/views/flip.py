"""The mirrored view. Its inverse is exact: ``inverse(forward(x)) == x``."""

from mmseg.registry import TRANSFORMS
from torch import Tensor

AXES = {'horizontal': -1, 'vertical': -2}


@TRANSFORMS.register_module()
class FlipView:
    """Mirror the image: 'horizontal' swaps left and right, 'vertical' swaps top and bottom.

    Args:
        direction: 'horizontal' or 'vertical'. For both at once, compose two views by ``ComposedView``.

    Raises:
        ValueError: ``direction`` is unknown.
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
