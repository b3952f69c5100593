"""The view that leaves the image alone; alone it makes inference equal to plain mmsegmentation."""

from mmseg.registry import TRANSFORMS
from torch import Tensor


@TRANSFORMS.register_module()
class IdentityView:
    """Show the model the image as it is."""

    def forward(self, image: Tensor) -> Tensor:
        """Return ``image`` (C, H, W) itself."""
        return image

    def inverse(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Return ``maps`` (K, H, W) itself; ``size`` is (H, W)."""
        return maps
