"""Hard example mining of images: the higher an image's running loss, the more often it is drawn."""

import itertools
from collections.abc import Iterator

import numpy as np
from mmseg.registry import DATA_SAMPLERS

from plugins.datasets.paired import Draw, PairedSampler, stream


def image_probabilities(losses: np.ndarray, mix: float) -> np.ndarray:
    r"""Probability of drawing each image.

    .. math:: p_i = \frac{1 - \mathit{mix}}{N} + \mathit{mix}\, \frac{L_i}{\sum_j L_j}

    An image without a known loss (NaN) counts with the mean of the known ones. While none is known, or all are 0, every
    image is as likely.

    Source: importance sampling as in Katharopoulos & Fleuret, "Not All Samples Are Created Equal: Deep Learning with
    Importance Sampling", ICML 2018, here with the loss as importance instead of their bound of the gradient's norm, and
    without their correction of the gradient: to see hard images more often is what is wanted.

    Args:
        losses: (N,) non-negative, NaN where unknown.
        mix: in [0, 1]; 0 is uniform, 1 proportional to the losses.

    Returns:
        (N,) float64 of sum 1.
    """
    known = ~np.isnan(losses)
    mean = losses[known].mean() if known.any() else 0.0
    if mean == 0:
        return np.full(len(losses), 1 / len(losses))
    share = np.where(known, losses, mean) / mean / len(losses)
    return (1 - mix) / len(losses) + mix * share / share.sum()


@DATA_SAMPLERS.register_module()
class HardImageSampler(PairedSampler):
    """Draw images with :func:`image_probabilities` of their running losses.

    The first pass over the data is :class:`~plugins.datasets.paired.PairedSampler`'s: each image once, so that each
    gets a loss of its own. From then on sample number n of the run is drawn by a random number that depends on (seed, n)
    alone, from the losses that are known when it is drawn: with loader workers, those of some batches before.
    The losses come from HardImageMiningHook (:mod:`plugins.mining.hard_image_hook`); without it nothing but the first
    pass's uniform draws would ever happen, and :attr:`acted` stays 0.

    .. code:: python

        train_dataloader = dict(sampler=dict(type='HardImageSampler', mix=0.5))
        custom_hooks = [dict(type='HardImageMiningHook')]

    Args:
        dataset: The data set to draw from.
        seed: Seed of the run; mmengine's runner passes its own.
        mix: See :func:`image_probabilities`.
        momentum: An image's running loss is ``momentum * old + (1 - momentum) * new``; 0 keeps the newest.
        infinite: Draw without end (``IterBasedTrainLoop``), or as many as there are images per iteration
            (``EpochBasedTrainLoop``).

    Attributes:
        losses: (N,) running loss of each image; NaN while unknown.
        acted: How many samples were drawn with probabilities that were not uniform.

    Raises:
        ValueError: for a mix outside of [0, 1] or a momentum outside of [0, 1).
    """

    def __init__(self, dataset, seed: int, mix: float = 0.5, momentum: float = 0.5, infinite: bool = True) -> None:
        super().__init__(dataset, seed, infinite=infinite)
        if not 0 <= mix <= 1:
            raise ValueError(f'mix={mix}: the share of the losses in the probabilities lies in [0, 1]')
        if not 0 <= momentum < 1:
            raise ValueError(f'momentum={momentum}: the share of the old loss in the running one lies in [0, 1)')
        self.mix, self.momentum = mix, momentum
        self.losses = np.full(len(dataset), np.nan)
        self.acted = 0
        self._first_pass = self._order(0)
        self._cumulated: np.ndarray | None = None  # of the probabilities, while no new loss comes in
        self._uniform = True

    def update(self, index: int, loss: float) -> None:
        """Take a new loss of an image into its running one.

        Args:
            index: Of the image.
            loss: Its loss; one that is not finite (no valid pixel, or diverged) tells nothing and is left out.

        Raises:
            ValueError: for a negative loss.
        """
        if loss < 0:
            raise ValueError(f'loss {loss} of image {index}: probabilities come from losses that are not negative')
        if not np.isfinite(loss):
            return
        old = self.losses[index]
        self.losses[index] = loss if np.isnan(old) else self.momentum * old + (1 - self.momentum) * loss
        self._cumulated = None

    def restore(self, losses: np.ndarray) -> None:
        """Set all running losses, (N,), as :attr:`losses` had them.

        Raises:
            ValueError: for another number of images.
        """
        if len(losses) != len(self.losses):
            raise ValueError(
                f'the checkpoint has losses of {len(losses)} images, the data set has '
                f'{len(self.losses)}: resume with the data that the run began with'
            )
        self.losses = np.array(losses, dtype=np.float64)
        self._cumulated = None

    def __iter__(self) -> Iterator[Draw]:
        start = self.rank + self.skipped * self.world_size
        if self.infinite:
            positions = itertools.count(start, self.world_size)
        else:
            positions = range(self.epoch * self.epoch_size + start, (self.epoch + 1) * self.epoch_size, self.world_size)
        for position in positions:  # one by one, so that each draw sees the losses of its time
            yield Draw(self._index(position), position, self.seed)

    def _index(self, position: int) -> int:
        if position < len(self._first_pass):
            return self._first_pass[position]
        if self._cumulated is None:
            probabilities = image_probabilities(self.losses, self.mix)
            self._uniform = bool(np.ptp(probabilities) < 1e-12)
            self._cumulated = np.cumsum(probabilities)
        self.acted += not self._uniform
        random = np.random.default_rng(stream(self.seed, 'hard image', position)).random()
        index = int(np.searchsorted(self._cumulated, random * self._cumulated[-1], side='right'))
        return min(index, len(self.losses) - 1)  # a product with the number next to 1 rounds up to the last sum
