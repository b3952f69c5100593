"""The view that does not change the image. As the only view, it makes inference equal to plain mmsegmentation."""

from mmseg.registry import TRANSFORMS
from torch import Tensor


@TRANSFORMS.register_module()
class IdentityView:
    """Give the unchanged image to the model."""

    def forward(self, image: Tensor) -> Tensor:
        """Return ``image`` (C, H, W) itself."""
        return image

    def inverse(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Return ``maps`` (K, H, W) itself; ``size`` is (H, W)."""
        return maps
