"""Round bright lesions in the simulated people: a few small lesions of several sizes, or more lesions of one size.

The two variants pose different problems. *imbalanced* has 3 to 7 lesions per image with radii of 3 to 7 pixels, and
about 60 background pixels per lesion pixel. *fixed_scale* has 6 to 10 lesions per image, all of radius 8, and about 17
background pixels per lesion pixel. People, scanners and splits are those of
:mod:`plugins.datasets.icbm152_people_slices`. Grey and white matter belong to the background.

A lesion is the disk ``dy^2 + dx^2 <= radius^2`` around a pixel. It lies within the head, at least ``GAP`` pixels from
other lesions. Its intensity before gain, bias field, blur and noise is ``INTENSITY``, as with contrast agent.
"""

# H×W pixels of a slice
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import cv2
import numpy as np

from plugins.datasets.icbm152_folder import Written, ensure_folder
from plugins.datasets.icbm152_people_slices import SEED, Spread, heads, scan
from plugins.datasets.icbm152_people_slices import parameters as parameters_of_people

CLASSES = ('background', 'lesion')
# The brightest tissue has 1, in all contrasts. Chosen from the baseline alone (imbalanced, seed 0, 250 steps): with 1.1
# it learns no lesion; with 1.3 it scores 92 % Dice of lesions, which leaves little to gain; with 1.2 it scores 90 %.
INTENSITY = 1.2
GAP = 2  # pixels between two lesions, so that each is one component
VERSION = 2  # raise it if the same parameters give other pixels


@dataclass(frozen=True)
class Planting:
    """The number and the radii of the lesions of an image, drawn uniformly from integers.

    Attributes:
        fewest: Smallest number of lesions.
        most: Largest number of lesions. An image without space for them gets fewer.
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


def plant(head: np.ndarray, planting: Planting, rng: np.random.Generator) -> np.ndarray:
    """Draw the lesions of an image.

    Args:
        head: The area for lesions, bool (H, W). Lesions lie completely inside it.
        planting: The number and the radii of the lesions.
        rng: Random generator for number, radii and positions.

    Returns:
        The pixels of all lesions, bool (H, W).
    """
    lesions = np.zeros(head.shape, bool)
    for _ in range(rng.integers(planting.fewest, planting.most, endpoint=True)):
        radius = int(rng.integers(planting.smallest, planting.largest, endpoint=True))
        free = head & (_distance(~lesions) > GAP)
        # All pixels of a disk are free exactly if the nearest occupied pixel is farther away than its radius.
        centres = np.argwhere(_distance(free) > radius)
        if len(centres):
            lesions |= disk(head.shape, centres[rng.integers(len(centres))], radius)
    return lesions


def _distance(mask: np.ndarray) -> np.ndarray:
    """The exact distance from each pixel of the mask to the nearest pixel outside it or outside the image."""
    padded = np.pad(mask, 1).astype(np.uint8)
    return cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]


def render(variant: str, seed: int = SEED) -> Iterator[Written]:
    """Yield (path below ``img_dir`` and ``ann_dir``, image (H, W) uint8, labels (H, W) uint8) of each person.

    Lesions have the random stream [seed, number, 2], head and scanner those of the data set without lesions. So the
    images of both variants and of that data set differ in the lesions alone, and in what blur carries out of them.
    """
    for person, head, of_scanner in heads(seed, Spread()):
        lesions = plant(head[0] < 0.5, VARIANTS[variant], np.random.default_rng([seed, person.number, 2]))
        image = scan(np.stack([*np.where(lesions, 0, head), lesions]), of_scanner, Spread(), [INTENSITY])
        yield person.path, image, lesions.astype(np.uint8)


def parameters(variant: str, seed: int) -> dict:
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
        people=parameters_of_people(seed, Spread()),
    )


def ensure_lesion_slices(root: str | os.PathLike, variant: str, seed: int = SEED) -> None:
    """Write the data set to ``root``; if it exists, check that it is complete and has the same parameters.

    Args:
        root: The folder; see :func:`plugins.datasets.icbm152_folder.ensure_folder`.
        variant: A key of ``VARIANTS``.
        seed: Seed of people, scanners and lesions.

    Raises:
        ValueError: The variant is unknown, or ``root`` holds other files, lacks some, or was made with other
            parameters.
    """
    ensure_folder(root, parameters(variant, seed), lambda: render(variant, seed))
