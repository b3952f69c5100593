"""Multi-scale training: each training batch is resized to a random size."""

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

from plugins.arguments import check_whole

Size = Union[int, Sequence[int]]
STRIDE = 32  # the stride of most backbones
LABEL_MAPS = ('gt_sem_seg', 'gt_edge_map', 'gt_depth_map')


def drawn_size(sizes: Sequence[Size], seed: int, batch: int) -> Size:
    """The size of training batch number ``batch``, uniform over ``sizes``; it depends on the arguments alone."""
    # Python hashes text seeds with SHA-512: the draws of successive batches are unrelated, and equal on all machines.
    return random.Random(f'{seed}/{batch}').choice(sizes)


def target_shape(size: Size, shape: tuple[int, int], divisor: int = 1) -> tuple[int, int]:
    """The size (H, W) in pixels to which a map of ``shape`` is resized.

    Args:
        size: The size (H, W), or a number for the shorter side. The longer side then keeps the aspect ratio, rounded to
            the nearest multiple of ``divisor``.
        shape: The old size (H, W).
        divisor: The longer side is a multiple of this.
    """
    if not isinstance(size, int):
        return tuple(size)  # type: ignore[return-value]
    longer = max(shape) / min(shape) * size
    longer = max(round(longer / divisor) * divisor, size)
    return (size, longer) if shape[0] <= shape[1] else (longer, size)


@MODELS.register_module()
class MultiScaleSegDataPreProcessor(SegDataPreProcessor):
    """mmsegmentation's SegDataPreProcessor that also resizes each training batch to a random size.

    Inputs are resized bilinearly (align_corners=False), label maps to the nearest pixel. Test batches are not resized.
    The size of batch n depends on the seed and n alone. No global random state is used, so all other random numbers of
    a run are the same as without multi-scale training. Batches are counted from the creation of the object; a resumed
    training counts from 0 again. All ranks of a distributed run draw the same size if they have the same seed.

    Networks that halve and concatenate their maps (U-Net) only accept multiples of their stride. If the config declares
    a stride, as ``size_divisor`` or as ``test_cfg['size_divisor']``, sizes that are no multiples of it are refused, so
    that a training cannot fail later at such a size. Without a declared stride, all sizes are accepted. The longer side
    for a number is rounded to a multiple of ``size_divisor``; without it, to a multiple of the largest power of two, up
    to 32, that divides the number. A network that accepts the shorter side then also accepts the longer side.

    Args:
        sizes: Sizes to draw from: (H, W) in pixels, or a number for the shorter side, which keeps the aspect ratio.
        seed: Seed of the draws. None takes ``torch.initial_seed()`` at the first training batch, which is the seed of
            the run, because mmengine has seeded torch by then.
        **kwargs: Arguments of SegDataPreProcessor, which refuses unknown ones.

    Attributes:
        acted: The number of training batches whose size was changed; None before the first training batch.

    Raises:
        ValueError: ``sizes`` is empty, has an entry other than a positive integer or a pair of them, or has a size that
            is no multiple of a declared stride.
    """

    acted: Optional[int] = None

    def __init__(self, sizes: Sequence[Size], seed: Optional[int] = None, **kwargs) -> None:
        super().__init__(**kwargs)
        _check_sizes(sizes, self.size_divisor, 'size_divisor')
        # Only checked: a setting of the test must not change the training.
        _check_sizes(sizes, (self.test_cfg or {}).get('size_divisor'), "test_cfg['size_divisor']")
        if seed is not None:
            check_whole('seed', seed, least=0)
        self.sizes = list(sizes)
        self.seed = seed
        self._batches = 0

    def forward(self, data: dict, training: bool = False) -> dict:
        """Normalise, pad and stack as SegDataPreProcessor does; resize training batches."""
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
        self.acted += 1  # type: ignore[operator]
        for sample in data['data_samples']:
            _resize_sample(sample, old, new)
        inputs = F.interpolate(data['inputs'], new, mode='bilinear', align_corners=False)
        return dict(data, inputs=inputs)


def _check_sizes(sizes: Sequence[Size], divisor: Optional[int], declared_as: str) -> None:
    if isinstance(sizes, int) or len(sizes) == 0:
        raise ValueError(f'sizes={sizes!r}: give a list of sizes to draw from, such as [96, 128, (128, 160)]')
    for size in sizes:
        sides = tuple(size) if isinstance(size, (list, tuple)) and len(size) == 2 else (size,)
        if not all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in sides):
            raise ValueError(f'size {size!r} in sizes: give (H, W) or one number, in whole pixels')
        if any(side % (divisor or 1) for side in sides):
            raise ValueError(
                f'size {size!r} in sizes is not a multiple of {declared_as}={divisor}, the stride that '
                f'the config declares for the network; give multiples of {divisor}'
            )


def _resize_sample(sample: SegDataSample, old: tuple[int, int], new: tuple[int, int]) -> None:
    """Resize the label maps of a sample in place, and update the sizes in its meta information."""
    for name in LABEL_MAPS:
        if name in sample:
            labels = getattr(sample, name).data
            del getattr(sample, name).data  # PixelData refuses to replace data by another shape
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
    """Labels (..., H, W) resized to the nearest pixel, sampled at the same points as the bilinear images."""
    rows, columns = (
        ((torch.arange(n, device=labels.device, dtype=torch.float64) + 0.5) * o / n).long()
        for n, o in zip(shape, labels.shape[-2:])
    )
    return labels[..., rows[:, None], columns]
