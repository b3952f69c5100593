"""Fully connected CRF with Gaussian pairwise terms: makes probabilities agree with the colours of the image.

Krähenbühl and Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials", NIPS 2011.
"""

from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS
from pydensecrf.densecrf import DenseCRF2D

from plugins.refine.most_likely import most_likely

# Below the step 1/65535 of a map quantised to 16 bits: there only exact zeros are clipped.
LEAST_PROBABILITY = 1e-5

IMPLEMENTATIONS = ('pydensecrf', 'shared_lattice', 'torch_lattice')

Spread = float | tuple[float, ...]


def dense_crf(
    probs: np.ndarray,
    image: np.ndarray,
    *,
    iterations: int = 5,
    gaussian_sxy: Spread = 3,
    gaussian_compat: float = 3,
    bilateral_sxy: Spread = 80,
    bilateral_srgb: Spread = 13,
    bilateral_compat: float = 10,
) -> np.ndarray:
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
    check_inputs(probs, image, iterations)
    n_classes, height, width = probs.shape
    crf = DenseCRF2D(width, height, n_classes)
    unary = -np.log(np.clip(probs, LEAST_PROBABILITY, 1).astype(np.float32))
    crf.setUnaryEnergy(np.ascontiguousarray(unary.reshape(n_classes, -1)))
    if gaussian_compat:
        crf.addPairwiseGaussian(sxy=gaussian_sxy, compat=gaussian_compat)
    if bilateral_compat:
        writeable = np.require(image, requirements='CW')  # pydensecrf does not write, but takes no other arrays
        crf.addPairwiseBilateral(sxy=bilateral_sxy, srgb=bilateral_srgb, rgbim=writeable, compat=bilateral_compat)
    return np.array(crf.inference(iterations), dtype=np.float32, order='C').reshape(probs.shape)


def check_inputs(probs: np.ndarray, image: np.ndarray, iterations: int) -> None:
    """ValueError where :func:`dense_crf` says so."""
    if probs.ndim != 3 or len(probs) < 2:
        raise ValueError(
            f'dense_crf: probs must be (C, H, W) with C >= 2, but its shape is {probs.shape}; '
            'stack [1 - p, p] for a map of one channel.'
        )
    if image.dtype != np.uint8 or image.shape != (*probs.shape[1:], 3):
        raise ValueError(
            f'dense_crf: image must be uint8 {(*probs.shape[1:], 3)} to match probs {probs.shape}, '
            f'but it is {image.dtype} {image.shape}.'
        )
    if iterations < 1:
        raise ValueError(f'dense_crf: iterations={iterations} must be at least 1.')
    if np.isnan(probs).any():
        raise ValueError('dense_crf: probs contains NaN; the model that predicted it has probably diverged.')


@TRANSFORMS.register_module()
class DenseCRF(BaseTransform):
    """Replace ``probs`` by the marginals of a dense CRF, and ``labels`` by their argmax.

    Three implementations compute the same. How equal they are is what ``tests/plugins/refine`` checks, with 1 to 10
    iterations; its tests of a GPU run where there is one:

    - 'pydensecrf' is the reference, and refines one map after the other.
    - 'shared_lattice' (:func:`plugins.refine.dense_crf_many.dense_crf_many`) gives pydensecrf's bits on Linux on
      x86-64, elsewhere the same within rounding. It is faster, the more so for several maps of one image.
    - 'torch_lattice' (:func:`plugins.refine.permutohedral_torch.dense_crf_torch`) gives the same within rounding, which
      mean field may amplify a hundred times where neither class wins: marginals to 1e-5, and labels where the two most
      likely are more than 2e-5 apart. It is made for a GPU; on a CPU it is slower than 'shared_lattice'.

    To compare them on every image of a run of your own, write a technique file for each, with the same arguments but
    for the implementation, and a grid with ``dict(type='explicit', pairs=[(['my_fast_crf'], ['my_crf'])])``. The report
    calls the first *not effective* when every count of every image is equal in every seed; when not, it gives the
    difference and its interval. One that needs a GPU says ``device = 'cuda'`` in its file.

    Arguments: see :func:`dense_crf`; and

    Args:
        implementation: 'pydensecrf', 'shared_lattice' or 'torch_lattice'.
        threads: Threads of 'shared_lattice'; the result does not depend on them. pydensecrf has one, torch its own.
        device: Where 'torch_lattice' computes: 'cpu' or 'cuda', the process's own GPU.

    Raises:
        ValueError: on arguments that do not go together, and on a GPU that torch does not have.
    """

    takes = 'probabilities'
    gives = 'probabilities'
    needs_image = True

    def __init__(
        self,
        iterations: int = 5,
        gaussian_sxy: Spread = 3,
        gaussian_compat: float = 3,
        bilateral_sxy: Spread = 80,
        bilateral_srgb: Spread = 13,
        bilateral_compat: float = 10,
        implementation: str = 'pydensecrf',
        threads: int = 1,
        device: str = 'cpu',
    ) -> None:
        if implementation not in IMPLEMENTATIONS:
            raise ValueError(f'DenseCRF: implementation={implementation!r} must be one of {IMPLEMENTATIONS}.')
        if threads != 1 and implementation != 'shared_lattice':
            raise ValueError(
                f"DenseCRF: threads={threads} needs implementation='shared_lattice', but it is "
                f'{implementation!r}; leave it out.'
            )
        if device != 'cpu' and implementation != 'torch_lattice':
            raise ValueError(
                f"DenseCRF: device={device!r} needs implementation='torch_lattice', but it is "
                f'{implementation!r}, which computes on the CPU.'
            )
        _check_device(device)
        self.implementation = implementation
        self.threads = threads
        self.device = device
        self.arguments = dict(
            iterations=iterations,
            gaussian_sxy=gaussian_sxy,
            gaussian_compat=gaussian_compat,
            bilateral_sxy=bilateral_sxy,
            bilateral_srgb=bilateral_srgb,
            bilateral_compat=bilateral_compat,
        )

    def transform(self, results: dict) -> dict:
        """Refine ``results['probs']`` (C, H, W) with ``results['img']`` (H, W, 3)."""
        return self.transform_many([results])[0]

    def transform_many(self, several: Sequence[dict]) -> list[dict]:
        """:meth:`transform` of each, bit for bit, for several maps of one image: they share its lattice.

        Raises:
            ValueError: when the images differ.
        """
        for results in several[1:]:
            if not np.array_equal(results['img'], several[0]['img']):
                raise ValueError('DenseCRF.transform_many: the maps must be of one image, but the images differ.')
        refined = self._refined([results['probs'] for results in several], several[0]['img']) if several else []
        return [{**results, 'probs': probs, 'labels': most_likely(probs)} for results, probs in zip(several, refined)]

    def _refined(self, maps: list[np.ndarray], image: np.ndarray) -> list[np.ndarray]:
        """Marginals of each map; what an implementation needs (numba) is imported where it is used."""
        if self.implementation == 'shared_lattice':
            from plugins.refine.dense_crf_many import dense_crf_many

            return dense_crf_many(maps, image, threads=self.threads, **self.arguments)
        if self.implementation == 'torch_lattice':
            from plugins.refine.permutohedral_torch import dense_crf_torch

            return dense_crf_torch(maps, image, device=self.device, **self.arguments)
        return [dense_crf(probs, image, **self.arguments) for probs in maps]


def _check_device(device: str) -> None:
    """ValueError unless torch can compute there: found when a transform is built, not after a training."""
    if device not in ('cpu', 'cuda'):
        raise ValueError(f"DenseCRF: device={device!r} must be 'cpu' or 'cuda'.")
    if device == 'cuda' and not torch.cuda.is_available():
        raise ValueError(
            f'DenseCRF: device={device!r}, but this process has no GPU that torch {torch.__version__} can '
            f'use (none is there or visible to it, or torch is a build without CUDA); use '
            f"implementation='shared_lattice' without a device."
        )
