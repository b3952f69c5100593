"""Fully connected CRF with Gaussian pairwise terms: makes probabilities agree with the colours of the image.

Krähenbühl and Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials", NIPS 2011.
"""
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS
from pydensecrf.densecrf import DenseCRF2D

from plugins.refine.most_likely import most_likely

# Below the step 1/65535 of a map quantised to 16 bits: there only exact zeros are clipped.
LEAST_PROBABILITY = 1e-5

Spread = float | tuple[float, ...]


def dense_crf(probs: np.ndarray,
              image: np.ndarray,
              *,
              iterations: int = 5,
              gaussian_sxy: Spread = 3,
              gaussian_compat: float = 3,
              bilateral_sxy: Spread = 80,
              bilateral_srgb: Spread = 13,
              bilateral_compat: float = 10) -> np.ndarray:
    r"""Mean-field marginals of a dense CRF.

    The energy of a labelling x is ``sum_i -log p_i(x_i) + sum_{i<j} [x_i != x_j] k(i, j)`` with

    ``k = gaussian_compat * exp(-|s_i - s_j|^2 / (2 gaussian_sxy^2))
    + bilateral_compat * exp(-|s_i - s_j|^2 / (2 bilateral_sxy^2) - |c_i - c_j|^2 / (2 bilateral_srgb^2))``,

    s the position and c the colour of a pixel; both kernels are normalised symmetrically, and evaluated on pydensecrf's
    permutohedral lattice, an approximation. A kernel of weight 0 is left out. The defaults of the kernels are those of
    pydensecrf's examples.

    Args:
        probs: float (C, H, W), C >= 2 (pydensecrf sets no upper limit; :class:`DenseCRF` gives 8-bit labels, so 256
            classes at most). Values are clipped to [1e-5, 1] since the unary term is ``-log p``; 1e-5 is less
            than the step 1/65535 of a map quantised to 16 bits, where only exact zeros change.
        image: uint8 RGB (H, W, 3).
        iterations: mean-field iterations, at least 1.
        gaussian_sxy: spread of the smoothness kernel in pixels; a number or (x, y).
        gaussian_compat: weight of the smoothness kernel.
        bilateral_sxy: spread of the appearance kernel in pixels; a number or (x, y).
        bilateral_srgb: spread of the appearance kernel in grey levels; a number or (r, g, b).
        bilateral_compat: weight of the appearance kernel.

    Returns:
        Probabilities, float32 C-contiguous (C, H, W), summing to 1 over C.

    Raises:
        ValueError: on shapes or dtypes other than the above, NaN, or fewer than one iteration.
    """
    _check(probs, image, iterations)
    n_classes, height, width = probs.shape
    crf = DenseCRF2D(width, height, n_classes)
    unary = -np.log(np.clip(probs, LEAST_PROBABILITY, 1).astype(np.float32))
    crf.setUnaryEnergy(np.ascontiguousarray(unary.reshape(n_classes, -1)))
    if gaussian_compat:
        crf.addPairwiseGaussian(sxy=gaussian_sxy, compat=gaussian_compat)
    if bilateral_compat:
        crf.addPairwiseBilateral(sxy=bilateral_sxy, srgb=bilateral_srgb, rgbim=np.ascontiguousarray(image),
                                 compat=bilateral_compat)
    return np.array(crf.inference(iterations), dtype=np.float32, order='C').reshape(probs.shape)


def _check(probs: np.ndarray, image: np.ndarray, iterations: int) -> None:
    if probs.ndim != 3 or len(probs) < 2:
        raise ValueError(f'dense_crf: probs must be (C, H, W) with C >= 2, but its shape is {probs.shape}; '
                         'stack [1 - p, p] for a map of one channel.')
    if image.dtype != np.uint8 or image.shape != (*probs.shape[1:], 3):
        raise ValueError(f'dense_crf: image must be uint8 {(*probs.shape[1:], 3)} to match probs {probs.shape}, '
                         f'but it is {image.dtype} {image.shape}.')
    if iterations < 1:
        raise ValueError(f'dense_crf: iterations={iterations} must be at least 1.')
    if np.isnan(probs).any():
        raise ValueError('dense_crf: probs contains NaN; the model that predicted it has probably diverged.')


@TRANSFORMS.register_module()
class DenseCRF(BaseTransform):
    """Replace ``probs`` by the marginals of a dense CRF, and ``labels`` by their argmax.

    Arguments: see :func:`dense_crf`.
    """

    takes = 'probabilities'
    gives = 'probabilities'
    needs_image = True

    def __init__(self,
                 iterations: int = 5,
                 gaussian_sxy: Spread = 3,
                 gaussian_compat: float = 3,
                 bilateral_sxy: Spread = 80,
                 bilateral_srgb: Spread = 13,
                 bilateral_compat: float = 10) -> None:
        self.arguments = dict(iterations=iterations, gaussian_sxy=gaussian_sxy, gaussian_compat=gaussian_compat,
                              bilateral_sxy=bilateral_sxy, bilateral_srgb=bilateral_srgb,
                              bilateral_compat=bilateral_compat)

    def transform(self, results: dict) -> dict:
        """Refine ``results['probs']`` (C, H, W) with ``results['img']`` (H, W, 3)."""
        probs = dense_crf(results['probs'], results['img'], **self.arguments)
        return {**results, 'probs': probs, 'labels': most_likely(probs)}
