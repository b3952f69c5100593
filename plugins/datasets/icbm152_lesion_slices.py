"""Round bright lesions in the ICBM152 slices: a few small lesions of several sizes, or more lesions of one size.

The two variants pose different problems. *imbalanced* has 3 to 7 lesions per slice with radii of 3 to 7 pixels, and
about 60 background pixels per lesion pixel. *fixed_scale* has 6 to 10 lesions per slice, all of radius 8, and about 17
background pixels per lesion pixel. Slices, slabs, splits, bias field and noise are those of
:mod:`plugins.datasets.icbm152_slices`. Grey and white matter belong to the background.

A lesion is the disk ``dy^2 + dx^2 <= radius^2`` around a pixel. It lies within the brain, at least ``GAP`` pixels from
other lesions. Its intensity before bias field and noise is ``INTENSITY``, as in tissue with contrast agent.
"""

# H×W pixels of a slice
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import cv2
import numpy as np

from plugins.datasets.icbm152_folder import Written, ensure_folder
from plugins.datasets.icbm152_slices import BIAS_AMPLITUDE, NOISE_SIGMA, SEED, acquire, coronal, load_template, slices

CLASSES = ('background', 'lesion')
INTENSITY = 1.2  # white matter has 0.84 and grey matter 0.65: 0.9 and 1.3 sigma of noise less
GAP = 2  # pixels between two lesions, so that each is one component
VERSION = 1  # raise it if the same parameters give other pixels


@dataclass(frozen=True)
class Planting:
    """The number and the radii of the lesions of a slice, drawn uniformly from integers.

    Attributes:
        fewest: Smallest number of lesions.
        most: Largest number of lesions. A slice without space for them gets fewer.
        smallest: Smallest radius in pixels.
        largest: Largest radius in pixels.
    """

    fewest: int
    most: int
    smallest: int
    largest: int


VARIANTS = dict(
    imbalanced=Planting(fewest=3, most=7, smallest=3, largest=7),
    fixed_scale=Planting(fewest=6, most=10, smallest=8, largest=8),
)


def disk(shape: tuple[int, int], centre: tuple[int, int], radius: int) -> np.ndarray:
    """The pixels within ``radius`` of ``centre``, bool (H, W)."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2


def plant(brain: np.ndarray, planting: Planting, rng: np.random.Generator) -> np.ndarray:
    """Draw the lesions of a slice.

    Args:
        brain: The area for lesions, bool (H, W). Lesions lie completely inside it.
        planting: The number and the radii of the lesions.
        rng: Random generator for number, radii and positions.

    Returns:
        The pixels of all lesions, bool (H, W).
    """
    lesions = np.zeros(brain.shape, bool)
    for _ in range(rng.integers(planting.fewest, planting.most, endpoint=True)):
        radius = int(rng.integers(planting.smallest, planting.largest, endpoint=True))
        free = brain & (_distance(~lesions) > GAP)
        # All pixels of a disk are free exactly if the nearest occupied pixel is farther away than its radius.
        centres = np.argwhere(_distance(free) > radius)
        if len(centres):
            lesions |= disk(brain.shape, centres[rng.integers(len(centres))], radius)
    return lesions


def _distance(mask: np.ndarray) -> np.ndarray:
    """The exact distance from each pixel of the mask to the nearest pixel outside it or outside the image."""
    padded = np.pad(mask, 1).astype(np.uint8)
    return cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]


def render(
    variant: str, noise_sigma: float = NOISE_SIGMA, bias_amplitude: float = BIAS_AMPLITUDE, seed: int = SEED
) -> Iterator[Written]:
    """Yield (path below ``img_dir`` and ``ann_dir``, image (H, W) uint8, labels (H, W) uint8) of each slice.

    Each slice has its own random streams: [seed, y, 1] for the lesions, [seed, y] for bias field and noise. The images
    of both variants and of the data set without lesions therefore differ in the lesions alone.
    """
    t1, tissue = load_template()
    for item in slices():
        brain = coronal(tissue, item.y) > 0
        lesions = plant(brain, VARIANTS[variant], np.random.default_rng([seed, item.y, 1]))
        planted = np.where(lesions, 255 * INTENSITY, coronal(t1, item.y))
        image = acquire(
            planted, np.random.default_rng([seed, item.y]), noise_sigma=noise_sigma, bias_amplitude=bias_amplitude
        )
        yield item.path, image, lesions.astype(np.uint8)


def parameters(variant: str, noise_sigma: float, bias_amplitude: float, seed: int) -> dict:
    """All parameters on which the pixels depend, for the checksum file.

    Raises:
        ValueError: The variant is unknown.
    """
    if variant not in VARIANTS:
        raise ValueError(f'the variant {variant!r} of the lesion data set is unknown; use one of {list(VARIANTS)}')
    return dict(
        version=VERSION,
        variant=variant,
        planting=asdict(VARIANTS[variant]),
        intensity=INTENSITY,
        gap=GAP,
        noise_sigma=float(noise_sigma),
        bias_amplitude=float(bias_amplitude),
        seed=int(seed),
        slices=[asdict(item) for item in slices()],
    )


def ensure_lesion_slices(
    root: str | os.PathLike,
    variant: str,
    noise_sigma: float = NOISE_SIGMA,
    bias_amplitude: float = BIAS_AMPLITUDE,
    seed: int = SEED,
) -> None:
    """Write the data set to ``root``; if it exists, check that it is complete and has the same parameters.

    Args:
        root: The folder; see :func:`plugins.datasets.icbm152_folder.ensure_folder`.
        variant: A key of ``VARIANTS``.
        noise_sigma: Standard deviation of the noise, as a fraction of the intensity of white matter.
        bias_amplitude: Largest absolute logarithm of the bias field.
        seed: Seed of lesions, noise and bias field.

    Raises:
        ValueError: The variant is unknown, or ``root`` holds other files, lacks some, or was made with other
            parameters.
    """
    ensure_folder(
        root,
        parameters(variant, noise_sigma, bias_amplitude, seed),
        lambda: render(variant, noise_sigma, bias_amplitude, seed),
    )
