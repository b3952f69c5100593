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

Box = tuple[slice, slice]
LABEL_MAPS = ('gt_sem_seg', 'gt_edge_map', 'gt_depth_map')


def drawn_box(shape: tuple[int, int], concentration: float, rng: np.random.Generator) -> Box:
    """A rectangle of the image's aspect that covers a part λ of it, as far as it lies inside.

    ``λ ~ Beta(concentration, concentration)``; its centre is uniform over the image, and it is cut at the border.

    Args:
        shape: (H, W).
        concentration: 1 draws λ uniformly; the larger, the nearer to a half.
        rng: Draws.

    Returns:
        Slices of rows and columns; at least one pixel.
    """
    part = rng.beta(concentration, concentration)
    sides = []
    for length in shape:
        extent = max(1, round(length * part**0.5))
        start = int(rng.integers(length)) - extent // 2
        sides.append(slice(max(start, 0), min(start + extent, length)))
    return sides[0], sides[1]


def pasted(target: Tensor, source: Tensor, box: Box) -> Tensor:
    """``target`` (..., H, W) with what ``source`` has in the box. Neither is changed."""
    mixed = target.clone()
    mixed[..., box[0], box[1]] = source[..., box[0], box[1]]
    return mixed


@HOOKS.register_module()
class CutMixHook(Hook):
    """Paste a rectangle of another image of the same batch, pixels and labels, into training images.

    Which images, which partners and which rectangles depends on the run's seed and the step alone: no global random
    state is read or moved. A pair of different sizes is left as it is, as is a batch of one. What is void in the
    partner is void where it is pasted.

    Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features, ICCV 2019;
    French et al., Semi-supervised semantic segmentation needs strong, varied perturbations, BMVC 2020.

    Args:
        prob: Probability that an image receives a rectangle.
        concentration: Of the Beta distribution from which a rectangle's part of the image is drawn; 1 is uniform.

    Attributes:
        acted: Images that received a rectangle; None where nothing trains.

    Raises:
        ValueError: On a probability outside [0, 1], or a concentration that is not positive.
    """

    def __init__(self, prob: float = 0.5, concentration: float = 1.0) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'prob={prob} is no probability; give a number from 0 to 1')
        if concentration <= 0:
            raise ValueError(f'concentration={concentration}: give a positive number')
        self.prob, self.concentration = prob, concentration
        self.acted: int | None = None

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict = None) -> None:
        """Mix the batch: ``inputs``, images (C, H, W), and the label maps of ``data_samples``."""
        self.acted = self.acted or 0
        images, samples = list(data_batch['inputs']), data_batch['data_samples']
        # the start of each image: nobody receives what somebody else has received
        maps = [{name: sample.get(name).data for name in LABEL_MAPS if name in sample} for sample in samples]
        rng = np.random.default_rng([runner.seed, runner.iter])
        for n, partner in self._pairs(images, rng):
            box = drawn_box(tuple(images[n].shape[-2:]), self.concentration, rng)
            data_batch['inputs'] = _with(data_batch['inputs'], n, pasted(images[n], images[partner], box))
            for name in maps[n]:
                samples[n].set_data({name: PixelData(data=pasted(maps[n][name], maps[partner][name], box))})
            self.acted += 1

    def _pairs(self, images: Sequence[Tensor], rng: np.random.Generator) -> list[tuple[int, int]]:
        """Who receives, and from whom: everyone gives once, around a circle in random order."""
        circle = rng.permutation(len(images)).tolist()
        chosen = rng.random(len(images)) < self.prob
        pairs = [(n, partner) for n, partner in zip(circle, circle[1:] + circle[:1]) if chosen[n] and n != partner]
        return [(n, partner) for n, partner in pairs if images[n].shape == images[partner].shape]


def _with(images: list[Tensor] | Tensor, n: int, image: Tensor) -> list[Tensor] | Tensor:
    """The batch, a list or one tensor, with another n-th image."""
    if isinstance(images, Tensor):
        return torch.stack([*images[:n], image, *images[n + 1 :]])
    return [*images[:n], image, *images[n + 1 :]]
