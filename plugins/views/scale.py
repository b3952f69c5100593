"""The resized view, for multi-scale inference.

What a scale means under ``test_cfg.mode``:

- ``'whole'``: the model sees the whole image at ``scale`` times its size.
- ``'slide'``: the window keeps its size in pixels (``crop_size``) and so does the stride; the image under it is scaled.
  At ``scale=0.5`` a window sees twice as much of the scene on each axis, and there are about a quarter as many windows.

How the scaled image is padded to a size that the model takes is written in ``plugins/views/padding.py``.
"""

from mmseg.registry import TRANSFORMS
from torch import Tensor
from torch.nn.functional import interpolate


@TRANSFORMS.register_module()
class ScaleView:
    """Resize the image bilinearly (``align_corners=False``), and the maps back.

    Its inverse is exact in size only: resampling loses detail.

    Args:
        scale: factor on both axes; each side becomes ``max(1, round(side * scale))``.

    Raises:
        ValueError: when ``scale`` is not positive.
    """

    def __init__(self, scale: float) -> None:
        if not scale > 0:
            raise ValueError(f'ScaleView: scale={scale!r} must be a positive number.')
        self.scale = scale

    def forward(self, image: Tensor) -> Tensor:
        """Resize ``image`` (C, H, W) to (C, h, w); integer images become float32."""
        size = tuple(max(1, round(side * self.scale)) for side in image.shape[-2:])
        return _resize(image if image.is_floating_point() else image.float(), size)

    def inverse(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Resize ``maps`` (K, h, w) to (K, H, W); ``size`` is (H, W)."""
        return _resize(maps, size)


def _resize(planes: Tensor, size: tuple[int, int]) -> Tensor:
    return interpolate(planes[None], size=size, mode='bilinear', align_corners=False)[0]
