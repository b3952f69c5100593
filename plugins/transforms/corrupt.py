"""Corruptions of an image file: noise, blur, low contrast and JPEG, each at three strengths.

========  ==================  ===================  ==================  ==============
strength  gaussian_noise      gaussian_blur        contrast            jpeg
          sigma of 1          sigma in pixels      factor              quality
========  ==================  ===================  ==================  ==============
1         0.08                1                    0.4                 25
2         0.18                3                    0.2                 15
3         0.38                6                    0.05                7
========  ==================  ===================  ==================  ==============

These are severities 1, 3 and 5 of ImageNet-C (Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to
Common Corruptions and Perturbations", ICLR 2019, and its extra corruption "gaussian blur"). With x in [0, 1]:

- **gaussian_noise**: ``clip(x + sigma n)``, with n standard normal for each pixel and channel;
- **gaussian_blur**: convolution with a Gaussian that is cut at 4 sigma; border pixels are repeated outwards;
- **contrast**: ``clip((x - m) f + m)``, with m the mean of the channel over the image;
- **jpeg**: encoding and decoding by OpenCV, with colours at half resolution.

A grey image with three equal channels is corrupted as a grey image, so its channels stay equal.
"""

import hashlib
from collections.abc import Callable

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS


def corrupt(image: np.ndarray, *, kind: str, strength: int) -> np.ndarray:
    """Corrupt an image; the same image is always corrupted in the same way.

    The random numbers depend on image, kind and strength alone. The order of images, the number of workers and the
    global generators have no influence, and all models are tested on the same pixels.

    Args:
        image: uint8, (H, W) or (H, W, C); three channels are BGR.
        kind: 'gaussian_noise', 'gaussian_blur', 'contrast' or 'jpeg'.
        strength: 1, 2 or 3; the docstring of the module gives the values.

    Returns:
        A new image of the same shape, uint8.

    Raises:
        ValueError: ``kind`` or ``strength`` is unknown, or the image is not uint8 of one of these shapes.
    """
    _check_arguments(kind, strength)
    if image.dtype != np.uint8 or image.ndim not in (2, 3):
        raise ValueError(
            f'CorruptImage: the image must be uint8 (H, W) or (H, W, C), but it is {image.dtype} '
            f'{image.shape}; put CorruptImage directly after the transform that loads the file.'
        )
    operation, values = KINDS[kind]
    is_grey_in_colour = image.ndim == 3 and (image == image[..., :1]).all()
    planes = np.ascontiguousarray(image[..., 0] if is_grey_in_colour else image)
    changed = operation(planes, values[strength - 1], _generator(planes, kind, strength))
    return np.repeat(changed[..., None], image.shape[-1], axis=-1) if is_grey_in_colour else changed


def _generator(image: np.ndarray, kind: str, strength: int) -> np.random.Generator:
    digest = hashlib.sha256(f'{kind} {strength} {image.shape} '.encode() + image.tobytes()).digest()
    return np.random.default_rng(int.from_bytes(digest, 'little'))


def _noise(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    return _to_bytes(image + 255 * sigma * rng.standard_normal(image.shape))


def _blur(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    size = 2 * round(4 * sigma) + 1
    return cv2.GaussianBlur(image, (size, size), sigma, borderType=cv2.BORDER_REPLICATE)


def _contrast(image: np.ndarray, factor: float, rng: np.random.Generator) -> np.ndarray:
    mean = image.mean(axis=(0, 1), keepdims=True)
    return _to_bytes((image - mean) * factor + mean)


def _jpeg(image: np.ndarray, quality: int, rng: np.random.Generator) -> np.ndarray:
    if image.ndim == 3 and image.shape[-1] not in (1, 3):
        raise ValueError(f'CorruptImage: JPEG has one or three channels, but the image has {image.shape[-1]}.')
    half_colours = cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
    encoded = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality, *half_colours])[1]
    return cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED).reshape(image.shape)  # type: ignore[union-attr]


def _to_bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


Operation = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
KINDS: dict[str, tuple[Operation, tuple[float, float, float]]] = dict(
    gaussian_noise=(_noise, (0.08, 0.18, 0.38)),
    gaussian_blur=(_blur, (1, 3, 6)),
    contrast=(_contrast, (0.4, 0.2, 0.05)),
    jpeg=(_jpeg, (25, 15, 7)),  # type: ignore[dict-item]
)
STRENGTHS = (1, 2, 3)


def _check_arguments(kind: str, strength: int) -> None:
    if kind not in KINDS:
        raise ValueError(f'CorruptImage: kind={kind!r} is unknown; use one of {list(KINDS)}.')
    if isinstance(strength, bool) or strength not in STRENGTHS:
        raise ValueError(f'CorruptImage: strength={strength!r} is unknown; use one of {STRENGTHS}.')


@TRANSFORMS.register_module()
class CorruptImage(BaseTransform):
    """Corrupt ``results['img']`` as if the image file were corrupted.

    Its place in a test pipeline is directly after ``LoadImageFromFile``.

    Args:
        kind: As in :func:`corrupt`.
        strength: As in :func:`corrupt`.

    Raises:
        ValueError: ``kind`` or ``strength`` is unknown.
    """

    # Refinements read the image file at test time; with this attribute they get the corrupted image.
    changes_image_file = True

    def __init__(self, kind: str, strength: int) -> None:
        _check_arguments(kind, strength)
        self.kind, self.strength = kind, strength

    def transform(self, results: dict) -> dict:
        """Corrupt ``results['img']``, uint8 (H, W) or (H, W, C)."""
        results['img'] = corrupt(results['img'], kind=self.kind, strength=self.strength)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(kind={self.kind!r}, strength={self.strength})'
