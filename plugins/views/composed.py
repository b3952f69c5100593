"""Several views in a row as one, e.g. a flipped and scaled image."""

import torch
from mmseg.registry import TRANSFORMS
from torch import Tensor


@TRANSFORMS.register_module()
class ComposedView:
    """Apply views one after the other; the inverse undoes them from last to first.

    Exact where each part is exact: ``inverse(forward(x)) == x`` for flips and rotations.

    Args:
        views: configs of the parts in the order of application, e.g.
            ``[dict(type='ScaleView', scale=0.5), dict(type='FlipView', direction='horizontal')]``.

    Raises:
        ValueError: when ``views`` is empty.
    """

    def __init__(self, views: list[dict]) -> None:
        if not views:
            raise ValueError('ComposedView: views is empty; list at least one view, or use IdentityView.')
        self.views = [TRANSFORMS.build(view) for view in views]
        self._sizes: dict[tuple[int, int], list[tuple[int, int]]] = {}

    def forward(self, image: Tensor) -> Tensor:
        """Send ``image`` (C, H, W) through every part."""
        for view in self.views:
            image = view.forward(image)
        return image

    def inverse(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Send ``maps`` (K, h, w) back through every part to (K, H, W); ``size`` is (H, W)."""
        for view, size_before in zip(reversed(self.views), reversed(self._sizes_before(size))):
            maps = view.inverse(maps, size_before)
        return maps

    def _sizes_before(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        """The (height, width) that each part receives when the image is ``size``."""
        if size not in self._sizes:
            # A meta tensor has a shape and no pixels: the forward pass over it gives every size.
            probe, sizes = torch.empty(1, *size, device='meta'), []
            for view in self.views:
                sizes.append(tuple(probe.shape[-2:]))
                probe = view.forward(probe)
            self._sizes[size] = sizes
        return self._sizes[size]
