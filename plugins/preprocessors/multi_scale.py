"""Multi-scale training: every training batch is resized to a size drawn for it."""

# N images, C channels, H×W pixels
import math
import random
from typing import Optional, Sequence, Union

import torch
import torch.nn.functional as F
from mmseg.models import SegDataPreProcessor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

Size = Union[int, Sequence[int]]
STRIDE = 32  # of most backbones
LABEL_MAPS = ('gt_sem_seg', 'gt_edge_map', 'gt_depth_map')


def drawn_size(sizes: Sequence[Size], seed: int, batch: int) -> Size:
    """The size of training batch number ``batch``: uniform over ``sizes``, a function of its arguments alone."""
    # text seeds are hashed with SHA-512: neighbouring batches get unrelated draws, the same on every machine
    return random.Random(f'{seed}/{batch}').choice(sizes)


def target_shape(size: Size, shape: tuple[int, int], divisor: int = 1) -> tuple[int, int]:
    """(H, W) in pixels that a map of ``shape`` is resized to.

    A pair is the result itself. A number is the shorter side; the longer keeps the aspect, rounded to the nearest
    multiple of ``divisor``.
    """
    if not isinstance(size, int):
        return tuple(size)
    longer = max(shape) / min(shape) * size
    longer = max(round(longer / divisor) * divisor, size)
    return (size, longer) if shape[0] <= shape[1] else (longer, size)


@MODELS.register_module()
class MultiScaleSegDataPreProcessor(SegDataPreProcessor):
    """mmsegmentation's SegDataPreProcessor that ends, in training, by resizing the batch to a drawn size.

    Inputs are resized bilinearly (align_corners=False), label maps to the nearest pixel. Outside of training nothing
    changes. The n-th batch's size depends on the seed and n only: no global random state is read or moved, so the
    other draws of a run are those it would have without multi-scale training. Batches are counted from the object's
    creation; a resumed training starts counting anew. All ranks of a distributed run draw the same size if they share
    the seed.

    Networks that halve and join their maps (U-Net) take only multiples of their stride. Sizes that are no multiples of
    a stride that the config declares, as ``size_divisor`` or as ``test_cfg['size_divisor']``, are refused, rather than
    let a training fail when the first such size is drawn; where none is declared, sizes are taken as they are. The
    longer side that follows from a number is rounded to a multiple of ``size_divisor``, or without it of the largest
    power of two up to 32 that divides the number, so that a network that takes the one side takes the other.

    ``acted`` counts the training batches that got another size than they had; it is None before the first one.

    Args:
        sizes: sizes to draw from, each (H, W) in pixels, or a number for the shorter side (the aspect is kept).
        seed: of the draws; None takes ``torch.initial_seed()`` at the first training batch, which is the run's seed
            once mmengine has seeded torch.
        **kwargs: arguments of SegDataPreProcessor, which refuses unknown ones.

    Raises:
        ValueError: if ``sizes`` is empty, or holds anything but positive whole numbers or pairs of them, or one that
            a declared stride does not divide.
    """

    acted: Optional[int] = None

    def __init__(self, sizes: Sequence[Size], seed: Optional[int] = None, **kwargs) -> None:
        super().__init__(**kwargs)
        _check_sizes(sizes, self.size_divisor, 'size_divisor')
        # For a refusal only: what belongs to testing must not change a training.
        _check_sizes(sizes, (self.test_cfg or {}).get('size_divisor'), "test_cfg['size_divisor']")
        self.sizes = list(sizes)
        self.seed = seed
        self._batches = 0

    def forward(self, data: dict, training: bool = False) -> dict:
        """Normalise, pad and stack as the parent does; resize when training."""
        data = super().forward(data, training)
        if not training:
            return data
        if self.seed is None:
            self.seed = torch.initial_seed()
        size = drawn_size(self.sizes, self.seed, self._batches)
        self._batches += 1
        self.acted = self.acted or 0
        return self._resized(data, size)

    def _resized(self, data: dict, size: Size) -> dict:
        old = tuple(data['inputs'].shape[-2:])
        divisor = self.size_divisor or (math.gcd(size, STRIDE) if isinstance(size, int) else 1)
        new = target_shape(size, old, divisor)
        if new == old:
            return data
        self.acted += 1
        for sample in data['data_samples']:
            _resize_sample(sample, old, new)
        inputs = F.interpolate(data['inputs'], new, mode='bilinear', align_corners=False)
        return dict(data, inputs=inputs)


def _check_sizes(sizes: Sequence[Size], divisor: Optional[int], declared_as: str) -> None:
    if isinstance(sizes, int) or len(sizes) == 0:
        raise ValueError(f'sizes={sizes!r}: give a list of sizes to draw from, such as [96, 128, (128, 160)]')
    for size in sizes:
        sides = tuple(size) if isinstance(size, (list, tuple)) and len(size) == 2 else (size,)
        if not all(isinstance(side, int) and side > 0 for side in sides):
            raise ValueError(f'size {size!r} in sizes: give (H, W) or one number, in whole pixels')
        if any(side % (divisor or 1) for side in sides):
            raise ValueError(
                f'size {size!r} in sizes is not a multiple of {declared_as}={divisor}, the stride that '
                f'the config declares for the network; give multiples of {divisor}'
            )


def _resize_sample(sample: SegDataSample, old: tuple[int, int], new: tuple[int, int]) -> None:
    """Resize the label maps of a sample in place, and with them what it says about its shape."""
    for name in LABEL_MAPS:
        if name in sample:
            labels = getattr(sample, name).data
            del getattr(sample, name).data  # PixelData refuses data of another shape than it holds
            getattr(sample, name).data = _nearest(labels, new)
    height, width = (round(side * n / o) for side, n, o in zip(sample.img_shape, new, old))
    sample.set_metainfo(
        dict(
            img_shape=torch.Size((height, width)),
            pad_shape=torch.Size(new),
            padding_size=(0, new[1] - width, 0, new[0] - height),
        )
    )


def _nearest(labels: Tensor, shape: tuple[int, int]) -> Tensor:
    """Labels (..., H, W) at the pixel under each new pixel's centre, where the bilinear images are sampled as well."""
    rows, columns = (
        ((torch.arange(n, device=labels.device, dtype=torch.float64) + 0.5) * o / n).long()
        for n, o in zip(shape, labels.shape[-2:])
    )
    return labels[..., rows[:, None], columns]
