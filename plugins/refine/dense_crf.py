"""Fully connected CRF with Gaussian pairwise terms: it makes probabilities agree with the colours of the image.

Krähenbühl and Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials", NIPS 2011.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS
from pydensecrf.densecrf import DenseCRF2D

from plugins.arguments import check_whole
from plugins.refine.crf_inputs import LEAST_PROBABILITY, Spread, check_inputs, check_kernels
from plugins.refine.most_likely import most_likely

IMPLEMENTATIONS = ('pydensecrf', 'shared_lattice', 'torch_lattice')


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

    where s is the position and c the colour of a pixel. Both kernels are normalised symmetrically and approximated on
    pydensecrf's permutohedral lattice. A kernel of weight 0 is left out. The default kernels are those of pydensecrf's
    examples.

    Args:
        probs: Probabilities, float (C, H, W) with C >= 2. :class:`DenseCRF` takes at most 256 classes, because its
            labels have 8 bits. Values are clipped to [1e-5, 1], because the unary term is ``-log p``. The bound 1e-5 is
            less than the step 1/65535 of a map quantised to 16 bits: of such a map only exact zeros change.
        image: uint8 RGB (H, W, 3).
        iterations: Mean-field iterations, at least 1.
        gaussian_sxy: Spread of the smoothness kernel in pixels; a number or (x, y).
        gaussian_compat: Weight of the smoothness kernel.
        bilateral_sxy: Spread of the appearance kernel in pixels; a number or (x, y).
        bilateral_srgb: Spread of the appearance kernel in grey levels; a number or (r, g, b).
        bilateral_compat: Weight of the appearance kernel.

    Returns:
        Probabilities, float32 C-contiguous (C, H, W); they sum to 1 over C.

    Raises:
        ValueError: The shapes or the image's dtype are others, ``probs`` contains NaN, or ``iterations`` is below 1.
    """
    check_inputs(probs, image, iterations)
    check_kernels(iterations, gaussian_sxy, gaussian_compat, bilateral_sxy, bilateral_srgb, bilateral_compat)
    n_classes, height, width = probs.shape
    crf = DenseCRF2D(width, height, n_classes)
    unary = -np.log(np.clip(probs, LEAST_PROBABILITY, 1).astype(np.float32))
    crf.setUnaryEnergy(np.ascontiguousarray(unary.reshape(n_classes, -1)))
    if gaussian_compat:
        crf.addPairwiseGaussian(sxy=gaussian_sxy, compat=gaussian_compat)
    if bilateral_compat:
        # pydensecrf refuses read-only arrays, but does not write to them.
        writeable = np.require(image, requirements=['C', 'W'])
        crf.addPairwiseBilateral(sxy=bilateral_sxy, srgb=bilateral_srgb, rgbim=writeable, compat=bilateral_compat)
    return np.array(crf.inference(iterations), dtype=np.float32, order='C').reshape(probs.shape)


@TRANSFORMS.register_module()
class DenseCRF(BaseTransform):
    """Replace ``probs`` by the marginals of a dense CRF, and ``labels`` by their argmax.

    Three implementations compute the same marginals. ``tests/plugins/refine`` checks how equal they are, for 1 to 10
    iterations; its GPU tests run on machines with a GPU:

    - 'pydensecrf' is the reference. It refines one map after the other.
    - 'shared_lattice' (:func:`plugins.refine.dense_crf_many.dense_crf_many`) gives pydensecrf's bits on Linux on
      x86-64, and on other platforms the same to rounding. It is faster, most of all for several maps of one image.
    - 'torch_lattice' (:func:`plugins.refine.dense_crf_torch.dense_crf_torch`) gives the same to rounding, which mean
      field may amplify a hundred times at pixels where no class dominates. Marginals agree to 1e-5, and labels agree
      wherever the two most likely classes differ by more than 2e-5. It is made for a GPU; on a CPU it is slower than
      'shared_lattice'.

    To compare implementations on the images of another experiment, write one technique file per implementation, with
    equal arguments otherwise, and a grid with ``dict(type='explicit', pairs=[(['my_fast_crf'], ['my_crf'])])``. If
    every count of every image is equal in every seed, the report calls the first *not effective*. If not, it gives
    the difference with its interval. A technique file that needs a GPU says ``device = 'cuda'``.

    Args:
        iterations: Mean-field iterations, at least 1.
        gaussian_sxy: Spread of the smoothness kernel in pixels; a number or (x, y).
        gaussian_compat: Weight of the smoothness kernel.
        bilateral_sxy: Spread of the appearance kernel in pixels; a number or (x, y).
        bilateral_srgb: Spread of the appearance kernel in grey levels; a number or (r, g, b).
        bilateral_compat: Weight of the appearance kernel.
        implementation: 'pydensecrf', 'shared_lattice' or 'torch_lattice'.
        threads: Threads of 'shared_lattice'; the result does not depend on them. The other implementations take no
            other value than 1: pydensecrf is single-threaded, and torch has a setting for its threads.
        device: The device of 'torch_lattice': 'cpu' or 'cuda', which is the GPU of the process.

    Raises:
        ValueError: Arguments contradict each other, or torch has no GPU although ``device`` is 'cuda'.
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
        check_whole('DenseCRF: threads', threads, least=1)
        check_kernels(iterations, gaussian_sxy, gaussian_compat, bilateral_sxy, bilateral_srgb, bilateral_compat)
        self.implementation = implementation
        self.threads = threads
        self.device = device
        self.arguments: dict[str, Any] = dict(
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
        """Refine several maps of one image, which share its lattice, each as :meth:`transform` does, bit for bit.

        Raises:
            ValueError: The images differ.
        """
        for results in several[1:]:
            if not np.array_equal(results['img'], several[0]['img']):
                raise ValueError('DenseCRF.transform_many: the maps must be of one image, but the images differ.')
        refined = self._refined([results['probs'] for results in several], several[0]['img']) if several else []
        return [{**results, 'probs': probs, 'labels': most_likely(probs)} for results, probs in zip(several, refined)]

    def _refined(self, maps: list[np.ndarray], image: np.ndarray) -> list[np.ndarray]:
        """Marginals of each map. Implementations are imported on use: only 'shared_lattice' needs numba to compile."""
        if self.implementation == 'shared_lattice':
            from plugins.refine.dense_crf_many import dense_crf_many

            return dense_crf_many(maps, image, threads=self.threads, **self.arguments)
        if self.implementation == 'torch_lattice':
            from plugins.refine.dense_crf_torch import dense_crf_torch

            return dense_crf_torch(maps, image, device=self.device, **self.arguments)
        return [dense_crf(probs, image, **self.arguments) for probs in maps]


def _check_device(device: str) -> None:
    """Refuse a device that torch cannot use, so that a run stops before the training and not after it."""
    if device not in ('cpu', 'cuda'):
        raise ValueError(f"DenseCRF: device={device!r} must be 'cpu' or 'cuda'.")
    if device == 'cuda' and not torch.cuda.is_available():
        raise ValueError(
            f'DenseCRF: device={device!r}, but this process has no GPU that torch {torch.__version__} can '
            f'use (none is there or visible to it, or torch is a build without CUDA); use '
            f"implementation='shared_lattice' without a device."
        )
