"""CutMix for segmentation: a rectangle of another image of the batch, with its labels."""

# H×W pixels
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.registry import HOOKS
from torch import Tensor

from plugins.arguments import check_number

Box = tuple[slice, slice]
LABEL_MAPS = ('gt_sem_seg', 'gt_edge_map', 'gt_depth_map')


def drawn_box(shape: tuple[int, int], concentration: float, rng: np.random.Generator) -> Box:
    """Draw a rectangle with the aspect ratio of the image and a share λ of its area.

    ``λ ~ Beta(concentration, concentration)``. The centre is uniform over the image. The rectangle is clipped at the
    border of the image.

    Args:
        shape: Size of the image (H, W).
        concentration: Parameter of the Beta distribution. 1 makes λ uniform; larger values draw λ towards 0.5.
        rng: Random generator.

    Returns:
        Slices of rows and columns, of at least one pixel each.
    """
    part = rng.beta(concentration, concentration)
    sides = []
    for length in shape:
        extent = max(1, round(length * part**0.5))
        start = int(rng.integers(length)) - extent // 2
        sides.append(slice(max(start, 0), min(start + extent, length)))
    return sides[0], sides[1]


def pasted(target: Tensor, source: Tensor, box: Box) -> Tensor:
    """A copy of ``target`` (..., H, W) with the values of ``source`` in the box."""
    mixed = target.clone()
    mixed[..., box[0], box[1]] = source[..., box[0], box[1]]
    return mixed


@HOOKS.register_module()
class CutMixHook(Hook):
    """Paste a rectangle of another image of the same batch, pixels and labels, into training images.

    The images, their partners and the rectangles depend on the seed of the run and the step alone. No global random
    state is used. Two images of different sizes are not mixed, and a batch of one image stays unchanged. Void pixels of
    the partner stay void where they are pasted.

    Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features, ICCV 2019;
    French et al., Semi-supervised semantic segmentation needs strong, varied perturbations, BMVC 2020.

    Args:
        prob: Probability that an image receives a rectangle.
        concentration: Parameter of the Beta distribution of a rectangle's share of the image; 1 is uniform.

    Attributes:
        acted: The number of images that received a rectangle; None if nothing was trained.

    Raises:
        ValueError: ``prob`` lies outside [0, 1], or ``concentration`` is not positive.
    """

    def __init__(self, prob: float = 0.5, concentration: float = 1.0) -> None:
        check_number('prob', prob)
        check_number('concentration', concentration)
        if not 0 <= prob <= 1:
            raise ValueError(f'prob={prob} is no probability; give a number from 0 to 1')
        if concentration <= 0:
            raise ValueError(f'concentration={concentration}: give a positive number')
        self.prob, self.concentration = prob, concentration
        self.acted: int | None = None

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict = None) -> None:  # type: ignore[assignment]
        """Mix the batch: ``inputs``, images (C, H, W), and the label maps of ``data_samples``."""
        self.acted = self.acted or 0
        images, samples = list(data_batch['inputs']), data_batch['data_samples']
        # The label maps before mixing: an image never receives a rectangle that its partner has received.
        maps = [{name: sample.get(name).data for name in LABEL_MAPS if name in sample} for sample in samples]
        rng = np.random.default_rng([runner.seed, runner.iter])
        for n, partner in self._pairs(images, rng):
            box = drawn_box(tuple(images[n].shape[-2:]), self.concentration, rng)
            data_batch['inputs'] = _with(data_batch['inputs'], n, pasted(images[n], images[partner], box))
            for name in maps[n]:
                samples[n].set_data({name: PixelData(data=pasted(maps[n][name], maps[partner][name], box))})
            self.acted += 1

    def _pairs(self, images: Sequence[Tensor], rng: np.random.Generator) -> list[tuple[int, int]]:
        """Pairs (receiver, giver). The images form a circle in random order; each gives to the image before it."""
        circle = rng.permutation(len(images)).tolist()
        chosen = rng.random(len(images)) < self.prob
        pairs = [(n, partner) for n, partner in zip(circle, circle[1:] + circle[:1]) if chosen[n] and n != partner]
        return [(n, partner) for n, partner in pairs if images[n].shape == images[partner].shape]


def _with(images: list[Tensor] | Tensor, n: int, image: Tensor) -> list[Tensor] | Tensor:
    """A copy of the batch, a list or one tensor, with ``image`` in place ``n``."""
    if isinstance(images, Tensor):
        return torch.stack([*images[:n], image, *images[n + 1 :]])
    return [*images[:n], image, *images[n + 1 :]]
