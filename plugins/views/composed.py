"""A view composed of several views, for example a scaled and flipped image."""

import torch
from mmseg.registry import TRANSFORMS
from torch import Tensor


@TRANSFORMS.register_module()
class ComposedView:
    """Apply views one after the other; the inverse undoes them in reverse order.

    ``inverse(forward(x)) == x`` holds exactly if it holds for each part, as for flips and rotations.

    Args:
        views: Configs of the parts in the order of application, for example
            ``[dict(type='ScaleView', scale=0.5), dict(type='FlipView', direction='horizontal')]``.

    Raises:
        ValueError: ``views`` is empty.
    """

    def __init__(self, views: list[dict]) -> None:
        if not views:
            raise ValueError('ComposedView: views is empty; list at least one view, or use IdentityView.')
        self.views = [TRANSFORMS.build(view) for view in views]
        self._sizes: dict[tuple[int, int], list[tuple[int, int]]] = {}

    def forward(self, image: Tensor) -> Tensor:
        """Apply all parts to ``image`` (C, H, W)."""
        for view in self.views:
            image = view.forward(image)
        return image

    def inverse(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Undo all parts on ``maps`` (K, h, w), in reverse order; the result is (K, H, W) for ``size`` (H, W)."""
        for view, size_before in zip(reversed(self.views), reversed(self._sizes_before(size))):
            maps = view.inverse(maps, size_before)
        return maps

    def _sizes_before(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        """The (height, width) of the input of each part for an image of ``size``."""
        if size not in self._sizes:
            # A meta tensor has a shape but no pixels; its forward pass gives the sizes at no cost.
            probe, sizes = torch.empty(1, *size, device='meta'), []
            for view in self.views:
                sizes.append(tuple(probe.shape[-2:]))
                probe = view.forward(probe)
            self._sizes[size] = sizes  # type: ignore[assignment]
        return self._sizes[size]
