"""The resized view, for multi-scale inference.

The meaning of a scale under ``test_cfg.mode``:

- ``'whole'``: the input of the model is the whole image at ``scale`` times its size.
- ``'slide'``: the image is scaled, but the window (``crop_size``) and the stride keep their sizes in pixels. At
  ``scale=0.5`` a window covers twice the width and height of the scene, and there are about a quarter as many windows.

``plugins/views/padding.py`` describes the padding of the scaled image.
"""

from mmseg.registry import TRANSFORMS
from torch import Tensor
from torch.nn.functional import interpolate

from plugins.arguments import check_number


@TRANSFORMS.register_module()
class ScaleView:
    """Resize the image bilinearly (``align_corners=False``), and resize the maps back.

    The inverse restores the size but not the detail that resampling loses.

    Args:
        scale: Factor on both axes; each side becomes ``max(1, round(side * scale))``.

    Raises:
        ValueError: ``scale`` is not positive.
    """

    def __init__(self, scale: float) -> None:
        check_number('ScaleView: scale', scale, above=0)
        self.scale = scale

    def forward(self, image: Tensor) -> Tensor:
        """Resize ``image`` (C, H, W) to (C, h, w); integer images become float32."""
        size = tuple(max(1, round(side * self.scale)) for side in image.shape[-2:])
        return _resize(image if image.is_floating_point() else image.float(), size)  # type: ignore[arg-type]

    def inverse(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Resize ``maps`` (K, h, w) to (K, H, W); ``size`` is (H, W)."""
        return _resize(maps, size)


def _resize(planes: Tensor, size: tuple[int, int]) -> Tensor:
    return interpolate(planes[None], size=size, mode='bilinear', align_corners=False)[0]
