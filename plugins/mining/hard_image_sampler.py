"""Hard example mining of images: an image with a higher running loss is drawn more often."""

import itertools
from collections.abc import Iterator

import numpy as np
from mmseg.registry import DATA_SAMPLERS

from plugins.arguments import check_number
from plugins.datasets.paired import Draw, PairedSampler, stream


def image_probabilities(losses: np.ndarray, mix: float) -> np.ndarray:
    r"""The probability of drawing each image.

    .. math:: p_i = \frac{1 - \mathit{mix}}{N} + \mathit{mix}\, \frac{L_i}{\sum_j L_j}

    An image with an unknown loss (NaN) counts with the mean of the known losses. If no loss is known, or all losses are
    0, the probabilities are uniform.

    Source: importance sampling as in Katharopoulos & Fleuret, "Not All Samples Are Created Equal: Deep Learning with
    Importance Sampling", ICML 2018. Here the importance is the loss and not their bound of the gradient norm. Their
    correction of the gradient is left out, because hard images are to have more weight.

    Args:
        losses: Non-negative losses (N,), NaN if unknown.
        mix: Share of the losses, in [0, 1]; 0 is uniform, 1 is proportional to the losses.

    Returns:
        Probabilities (N,) float64; their sum is 1.
    """
    known = ~np.isnan(losses)
    mean = losses[known].mean() if known.any() else 0.0
    if mean == 0:
        return np.full(len(losses), 1 / len(losses))
    share = np.where(known, losses, mean) / mean / len(losses)
    return (1 - mix) / len(losses) + mix * share / share.sum()


@DATA_SAMPLERS.register_module()
class HardImageSampler(PairedSampler):
    """Draw images with the probabilities :func:`image_probabilities` of their running losses.

    The first pass over the data is that of :class:`~plugins.datasets.paired.PairedSampler`: it draws each image once,
    so that each image gets a loss. After it, the random number for sample n of the run depends on (seed, n) alone. The
    probabilities depend on the losses that are known at the time of the draw; loader workers draw some batches ahead.
    The losses come from HardImageMiningHook (:mod:`plugins.mining.hard_image_hook`). Without that hook, all draws are
    uniform and :attr:`acted` stays 0.

    .. code:: python

        train_dataloader = dict(sampler=dict(type='HardImageSampler', mix=0.5))
        custom_hooks = [dict(type='HardImageMiningHook')]

    Args:
        dataset: The data set to draw from.
        seed: Seed of the run; mmengine's runner passes its own.
        mix: Share of the losses in the probabilities; see :func:`image_probabilities`.
        momentum: The running loss of an image is ``momentum * old + (1 - momentum) * new``; 0 keeps the newest loss.
        infinite: True draws without end, for ``IterBasedTrainLoop``. False draws as many samples per pass as there are
            images, for ``EpochBasedTrainLoop``.

    Attributes:
        losses: Running loss of each image (N,); NaN while unknown.
        acted: The number of samples that were drawn with non-uniform probabilities.

    Raises:
        ValueError: ``mix`` lies outside [0, 1], or ``momentum`` outside [0, 1).
    """

    def __init__(self, dataset, seed: int, mix: float = 0.5, momentum: float = 0.5, infinite: bool = True) -> None:
        super().__init__(dataset, seed, infinite=infinite)
        check_number('mix', mix)
        check_number('momentum', momentum)
        if not 0 <= mix <= 1:
            raise ValueError(f'mix={mix}: the share of the losses in the probabilities lies in [0, 1]')
        if not 0 <= momentum < 1:
            raise ValueError(f'momentum={momentum}: the share of the old loss in the running one lies in [0, 1)')
        self.mix, self.momentum = mix, momentum
        self.losses = np.full(len(dataset), np.nan)
        self.acted = 0
        self._first_pass = self._order(0)
        self._cumulated: np.ndarray | None = None  # cumulative probabilities; None after a new loss
        self._uniform = True

    def update(self, index: int, loss: float) -> None:
        """Update the running loss of an image.

        Args:
            index: Index of the image.
            loss: New loss of the image. A loss that is not finite is ignored: the image has no valid pixel, or the
                training has diverged.

        Raises:
            ValueError: The loss is negative.
        """
        if loss < 0:
            raise ValueError(f'loss {loss} of image {index}: probabilities come from losses that are not negative')
        if not np.isfinite(loss):
            return
        old = self.losses[index]
        self.losses[index] = loss if np.isnan(old) else self.momentum * old + (1 - self.momentum) * loss
        self._cumulated = None

    def restore(self, losses: np.ndarray) -> None:
        """Set all running losses.

        Args:
            losses: A former value of :attr:`losses`, (N,).

        Raises:
            ValueError: The number of images differs.
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
            positions = range(self.epoch * self.epoch_size + start, (self.epoch + 1) * self.epoch_size, self.world_size)  # type: ignore[assignment]
        for position in positions:  # one by one, so that each draw uses the current losses
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
        return min(index, len(self.losses) - 1)  # a product with almost 1 may round up to the last sum
