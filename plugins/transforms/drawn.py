"""mmseg's RandomFlip and PhotoMetricDistortion in two steps: draw random numbers, and apply them to an image.

The first step draws the same random numbers in the same order as the transform. The second step works on tensors on any
device. Both together give the same sample as the transform, and leave NumPy's generator in the same state.
"""

# H×W pixels
from dataclasses import dataclass

import numpy as np
import torch
from mmseg.datasets.transforms import PhotoMetricDistortion, RandomFlip
from torch import Tensor

from plugins.transforms.hsv import HUES, to_bgr, to_hsv

AXES = dict(horizontal=(-1,), vertical=(-2,), diagonal=(-2, -1))


@dataclass(frozen=True)
class DrawnFlip:
    """A drawn flip, or no flip.

    Args:
        direction: 'horizontal', 'vertical', 'diagonal' (both), or None for no flip.
        fields: Names in the pipeline of the label maps that are flipped with the image ('gt_seg_map').
        swapped_labels: Pairs of labels that a flip exchanges ('left arm' and 'right arm').
    """

    direction: str | None
    fields: tuple[str, ...]
    swapped_labels: tuple[tuple[int, int], ...]

    def __bool__(self) -> bool:
        """Whether the image changes."""
        return self.direction is not None

    def image(self, image: Tensor) -> Tensor:
        """The flipped image (C, H, W)."""
        return image.flip(AXES[self.direction]) if self else image  # type: ignore[index]

    def labels(self, labels: Tensor, field: str) -> Tensor:
        """The flipped label map (1, H, W); unchanged if ``field`` is not flipped with the image."""
        if not self or field not in self.fields:
            return labels
        flipped = before = labels.flip(AXES[self.direction])  # type: ignore[index]
        for one, other in self.swapped_labels:
            flipped = torch.where(before == one, other, torch.where(before == other, one, flipped))
        return flipped


@dataclass(frozen=True)
class DrawnDistortion:
    """Drawn changes of brightness, contrast, saturation and hue, in their order.

    Args:
        steps: Pairs of a kind and its amount: ``'brightness'`` (summand, grey levels), ``'contrast'`` (factor),
            ``'saturation'`` (factor) or ``'hue'`` (summand, units of two degrees).
    """

    steps: tuple[tuple[str, float], ...]

    def __bool__(self) -> bool:
        """Whether the image changes."""
        return bool(self.steps)

    def image(self, image: Tensor) -> Tensor:
        """The distorted image, BGR uint8 (3, H, W). Each step ends with integers, truncated as in mmseg."""
        for kind, amount in self.steps:
            if kind == 'brightness':
                image = _cut(image.float() + amount)
            elif kind == 'contrast':
                image = _cut(image.float() * amount)
            else:
                hue, saturation, value = to_hsv(image)
                if kind == 'saturation':
                    saturation = _cut(saturation.float() * amount).int()
                else:
                    hue = (hue + amount) % HUES
                image = to_bgr(hue, saturation, value)
        return image

    def labels(self, labels: Tensor, field: str) -> Tensor:
        """The label map, unchanged."""
        return labels


def draw_flip(transform: RandomFlip, results: dict) -> DrawnFlip:
    """Draw the flip that ``transform`` would apply to ``results``; add its meta information, but do not flip."""
    nothing = transform(dict(img=np.zeros((1, 1, 3), np.uint8)))
    results.update(flip=nothing['flip'], flip_direction=nothing['flip_direction'])
    fields = tuple(field for field in results.get('seg_fields', []) if results.get(field) is not None)
    return DrawnFlip(nothing['flip_direction'], fields, tuple(map(tuple, transform.swap_seg_labels or ())))


def draw_distortion(transform: PhotoMetricDistortion, results: dict) -> DrawnDistortion:
    """Draw the distortion that ``transform`` would apply to ``results``, which are not changed.

    Raises:
        ValueError: The image is not uint8 with three channels.
    """
    image = results['img']
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            f'PhotoMetricDistortion on the device needs uint8 images (H, W, 3), and got {image.dtype} '
            f'{image.shape}; load them so, or leave the transform in the pipeline'
        )
    steps = []

    def perhaps(kind: str, draw, *bounds: float) -> None:
        if np.random.randint(2):
            steps.append((kind, draw(*bounds)))

    contrast = 'contrast', np.random.uniform, transform.contrast_lower, transform.contrast_upper
    perhaps('brightness', np.random.uniform, -transform.brightness_delta, transform.brightness_delta)
    contrast_first = np.random.randint(2) == 1
    if contrast_first:
        perhaps(*contrast)
    perhaps('saturation', np.random.uniform, transform.saturation_lower, transform.saturation_upper)
    perhaps('hue', np.random.randint, -transform.hue_delta, transform.hue_delta)
    if not contrast_first:
        perhaps(*contrast)
    return DrawnDistortion(tuple(steps))


def _cut(image: Tensor) -> Tensor:
    return image.clamp(0, 255).to(torch.uint8)
