"""Elastic deformation of training images."""

# H×W pixels
import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS

from plugins.arguments import check_number, check_whole


def displacement(shape: tuple[int, int], vectors: np.ndarray) -> np.ndarray:
    """Interpolate a coarse grid of vectors bicubically to a smooth field.

    Args:
        shape: Size of the image (H, W).
        vectors: Displacements (x, y) in pixels at the centres of G×G equal cells of the image, (G, G, 2).

    Returns:
        The displacement (x, y) of each pixel, float32 (H, W, 2); constant beyond the outermost centres.
    """
    return cv2.resize(vectors.astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)


def warped(image: np.ndarray, field: np.ndarray, interpolation: int, fill: int) -> np.ndarray:
    """``out(x, y) = image((x, y) + field(x, y))``.

    Args:
        image: Image or mask, (H, W) or (H, W, C).
        field: Displacement of each pixel (H, W, 2), in pixels.
        interpolation: ``cv2.INTER_LINEAR`` or ``cv2.INTER_NEAREST``.
        fill: Value outside the image, the same for each channel.

    Returns:
        The warped image, of the shape of ``image``.
    """
    height, width = field.shape[:2]
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return cv2.remap(
        image,
        columns + field[..., 0],
        rows + field[..., 1],
        interpolation,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(fill,) * 4,
    )


@TRANSFORMS.register_module()
class ElasticDeformation(BaseTransform):
    """Deform image and masks by the same smooth random field.

    As in U-Net, vectors are drawn on a coarse grid and interpolated bicubically to a displacement of each pixel. Each
    component of a vector is normal with standard deviation ``strength · min(H, W)``. Images are sampled bilinearly,
    masks at the nearest pixel. Pixels from outside the image become black and void.

    Simard et al., Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis, ICDAR 2003;
    Ronneberger et al., U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015 (3×3 points, 10
    pixels of a tile of 512: a strength of 0.02).

    Required keys: ``img`` (H, W, C), and the masks named in ``seg_fields``. Both are replaced.

    Args:
        prob: Probability that an image is deformed.
        strength: Standard deviation of the components of a vector, as a share of the shorter side of the image.
        points: Number of grid points along each side.
        pad_val: Value of image pixels from outside the image.
        seg_pad_val: Label of mask pixels from outside the image: the head's ``ignore_index``, which losses leave out.

    Raises:
        ValueError: ``prob`` lies outside [0, 1], ``strength`` is negative, ``points`` is below 2, or ``seg_pad_val`` is
            None.
    """

    def __init__(
        self,
        prob: float = 0.5,
        strength: float = 0.02,
        points: int = 3,
        pad_val: int = 0,
        seg_pad_val: int | None = 255,
    ) -> None:
        check_number('prob', prob)
        check_number('strength', strength)
        check_whole('points', points)
        check_number('pad_val', pad_val)
        if not 0 <= prob <= 1:
            raise ValueError(f'prob={prob} is no probability; give a number from 0 to 1')
        if strength < 0 or points < 2:
            raise ValueError(f'strength={strength}, points={points}: give a strength of 0 or more, 2 points or more')
        if seg_pad_val is None:
            raise ValueError(
                'seg_pad_val=None: pixels from outside the image have no label, and a head with ignore_index=None '
                'leaves none out; give the head an ignore_index, or leave the deformation out'
            )
        check_whole('seg_pad_val', seg_pad_val, 0, 255)
        self.prob, self.strength, self.points = prob, strength, points
        self.pad_val, self.seg_pad_val = pad_val, seg_pad_val

    @cache_randomness
    def _vectors(self, side: int) -> np.ndarray | None:
        if np.random.rand() >= self.prob:
            return None
        return np.random.normal(0, self.strength * side, (self.points, self.points, 2))

    def transform(self, results: dict) -> dict:
        """Deform one sample."""
        shape = results['img'].shape[:2]
        vectors = self._vectors(min(shape))
        if vectors is None:
            return results
        field = displacement(shape, vectors)
        results['img'] = warped(results['img'], field, cv2.INTER_LINEAR, self.pad_val)
        for key in results.get('seg_fields', []):
            results[key] = warped(results[key], field, cv2.INTER_NEAREST, self.seg_pad_val)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob}, strength={self.strength}, points={self.points})'
