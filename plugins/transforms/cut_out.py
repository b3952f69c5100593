"""Cut-out: hide a square of a training image."""

# H×W pixels
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS

from plugins.arguments import check_number, check_whole


@TRANSFORMS.register_module()
class SquareCutOut(BaseTransform):
    """Fill a square with the mean colour of the image; its centre is a random pixel.

    The square is clipped at the border of the image. The mean colour is closest to the paper's fill, zero after
    normalisation. mmseg's ``RandomCutOut`` draws the *corner* of a hole, so that it hides pixels at the top left less
    often.

    DeVries & Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, 2017.

    Required keys: ``img`` (H, W, C), and the masks named in ``seg_fields``. Both are replaced.

    Args:
        prob: Probability that an image gets a hole.
        side: Side of the square, as a share of the shorter side of the image.
        seg_fill: Label of hidden pixels. The head's ``ignore_index`` makes them void, so that they do not count in the
            loss. None keeps the labels, as the paper does for a classifier; the network then learns to predict them
            from their surroundings.

    Raises:
        ValueError: ``prob`` lies outside [0, 1], or ``side`` outside (0, 1].
    """

    def __init__(self, prob: float = 0.5, side: float = 0.4, seg_fill: int | None = 255) -> None:
        check_number('prob', prob)
        check_number('side', side)
        if seg_fill is not None:
            check_whole('seg_fill', seg_fill, 0, 255)
        if not 0 <= prob <= 1:
            raise ValueError(f'prob={prob} is no probability; give a number from 0 to 1')
        if not 0 < side <= 1:
            raise ValueError(f'side={side} is no part of the image; give a number above 0, up to 1')
        self.prob, self.side, self.seg_fill = prob, side, seg_fill

    @cache_randomness
    def _centre(self, shape: tuple[int, int]) -> tuple[int, int] | None:
        if np.random.rand() >= self.prob:
            return None
        return np.random.randint(shape[0]), np.random.randint(shape[1])

    def transform(self, results: dict) -> dict:
        """Hide a square of one sample."""
        shape = results['img'].shape[:2]
        centre = self._centre(shape)
        if centre is None:
            return results
        extent = max(1, round(self.side * min(shape)))
        hole = tuple(slice(max(middle - extent // 2, 0), middle - extent // 2 + extent) for middle in centre)
        image = results['img'].copy()
        image[hole] = np.round(image.mean(axis=(0, 1))).astype(image.dtype)
        results['img'] = image
        for key in results.get('seg_fields', []) if self.seg_fill is not None else []:
            results[key] = results[key].copy()
            results[key][hole] = self.seg_fill
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob}, side={self.side}, seg_fill={self.seg_fill})'
