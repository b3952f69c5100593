"""Round bright lesions planted into the ICBM152 slices: few small ones of several sizes, or many of one size.

The variants differ in what techniques claim to help against: *imbalanced* has 3 to 7 lesions of radii 3 to 7, about
60 background pixels for each of theirs; *fixed_scale* has 6 to 10 of radius 8, about 17 to one, and no other scale.
Slices, slabs, splits, bias field and noise are those of :mod:`plugins.datasets.icbm152_slices`; grey and white matter
are background here.

A lesion is the disk ``dy^2 + dx^2 <= radius^2`` about a pixel, lies within the brain, keeps ``GAP`` pixels from the
others, and has the intensity ``INTENSITY`` before bias field and noise, as tissue that takes up contrast agent has.
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
INTENSITY = 1.2  # on the scale where white matter is 0.84 and grey matter 0.65: steps of 0.9 and 1.3 sigma
GAP = 2  # pixels between two lesions, so that each is a component of its own
VERSION = 1  # raise it when the same parameters give other pixels


@dataclass(frozen=True)
class Planting:
    """How many lesions a slice gets, and how large they are; both drawn uniformly from whole numbers.

    Attributes:
        fewest: Smallest number of lesions.
        most: Largest number; a slice without room gets fewer.
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
    """The pixels within ``radius`` of ``centre``: bool (H, W)."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2


def plant(brain: np.ndarray, planting: Planting, rng: np.random.Generator) -> np.ndarray:
    """Chooses places for lesions.

    Args:
        brain: bool (H, W), where lesions may lie; none reaches beyond it.
        planting: How many, and how large.
        rng: Source of number, radii and places.

    Returns:
        bool (H, W), the pixels of all lesions.
    """
    lesions = np.zeros(brain.shape, bool)
    for _ in range(rng.integers(planting.fewest, planting.most, endpoint=True)):
        radius = int(rng.integers(planting.smallest, planting.largest, endpoint=True))
        free = brain & (_distance(~lesions) > GAP)
        # A disk's pixels are free exactly if the nearest pixel that is not lies beyond its radius.
        centres = np.argwhere(_distance(free) > radius)
        if len(centres):
            lesions |= disk(brain.shape, centres[rng.integers(len(centres))], radius)
    return lesions


def _distance(mask: np.ndarray) -> np.ndarray:
    """From each pixel of the mask to the nearest one outside it, the image's border counting as outside; exact."""
    padded = np.pad(mask, 1).astype(np.uint8)
    return cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]


def render(
    variant: str, noise_sigma: float = NOISE_SIGMA, bias_amplitude: float = BIAS_AMPLITUDE, seed: int = SEED
) -> Iterator[Written]:
    """Yields (path below ``img_dir`` and ``ann_dir``, image (H, W) uint8, labels (H, W) uint8) of all slices.

    Every slice has random streams of its own, for the lesions [seed, y, 1], for field and noise [seed, y]: the images
    of both variants, and of the data set without lesions, differ in the lesions alone.
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
    """All that decides the pixels, as kept in the checksum file.

    Raises:
        ValueError: There is no such variant.
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
    """Writes the data set to ``root`` if it is not there, else checks that it is whole and made with these parameters.

    Args:
        root: The folder, see :func:`plugins.datasets.icbm152_folder.ensure_folder`.
        variant: A key of ``VARIANTS``.
        noise_sigma: Noise as a fraction of white matter's intensity.
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
