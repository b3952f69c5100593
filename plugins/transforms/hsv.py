"""Hue, saturation and value of 8-bit images on any device, computed as by the installed OpenCV."""

# H×W pixels
import functools

import mmcv
import numpy as np
import torch
from torch import Tensor

BITS = 12  # bits of the fixed-point fractions in OpenCV's conversion of bytes to HSV
HUES = 180  # one hue is two degrees


def to_hsv(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue (0 … 179), saturation and value (0 … 255), each int32 (H, W), of a BGR image, uint8 (3, H, W).

    The integer arithmetic is that of OpenCV; the results are equal for each of the 2²⁴ colours.
    """
    blue, green, red = image.int()
    value = torch.maximum(torch.maximum(blue, green), red)
    chroma = value - torch.minimum(torch.minimum(blue, green), red)
    per_value, per_chroma = _fractions(image.device)
    saturation = _rounded(chroma * per_value[value])
    sixths = torch.where(
        value == red, green - blue, torch.where(value == green, blue - red + 2 * chroma, red - green + 4 * chroma)
    )
    return _rounded(sixths * per_chroma[chroma]) % HUES, saturation, value


def to_bgr(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """The BGR image, uint8 (3, H, W), of the maps of :func:`to_hsv`.

    Colours come from a table of OpenCV's results (35 MB, created once for each device). In some versions of OpenCV, the
    vector code truncates, but the code for the last pixels of a row (about the width modulo 32) rounds. The table holds
    the results of the vector code, so these last pixels may differ from OpenCV's by one grey level.
    """
    return _bgr_of_every_hsv(hue.device)[(hue * 256 + saturation) * 256 + value].movedim(-1, 0)


def _rounded(fixed_point: Tensor) -> Tensor:
    return (fixed_point + (1 << BITS - 1)) >> BITS


@functools.cache
def _fractions(device: torch.device) -> tuple[Tensor, Tensor]:
    """Tables of 255 / v and 30 / v for v = 0 … 255 as fixed-point numbers; 0 for v = 0."""
    tables = []
    for numerator in (255, HUES / 6):
        table = torch.zeros(256, dtype=torch.float64)
        table[1:] = (numerator * (1 << BITS) / torch.arange(1, 256, dtype=torch.float64)).round()
        tables.append(table.int().to(device))
    return tables[0], tables[1]


@functools.cache
def _bgr_of_every_hsv(device: torch.device) -> Tensor:
    """The BGR colour of each hue, saturation and value, uint8 (180 · 256 · 256, 3); the value varies fastest."""
    colours = np.empty((HUES, 256, 256, 3), np.uint8)
    colours[..., 0] = np.arange(HUES, dtype=np.uint8)[:, None, None]
    colours[..., 1] = np.arange(256, dtype=np.uint8)[:, None]
    colours[..., 2] = np.arange(256, dtype=np.uint8)
    return torch.from_numpy(mmcv.hsv2bgr(colours.reshape(-1, 256, 3)).reshape(-1, 3)).to(device)
