"""Scores within strata of objects and pixels, and thirds of the images by what a stack says of them.

A *unit* is one class in one image with objects of a size, whose score is their Dice; or the pixels of one image in a
bin, whose score is the share labelled right. Gains over units are taken as in :mod:`benchmarks.analysis.strata`.

The pixels in a bin have to be the same for both stacks of a comparison. Sizes of objects and distances to a boundary
belong to the truth. Confidence and agreement of views belong to a stack: a pixel of which one stack is unsure is one
that this stack often gets wrong, and others less often. So they divide *images* into thirds, by the whole image. Taken
from the training whose gain is measured, a third would hold the images that this training has got wrong by chance.
Where the two stacks have different trainings the thirds therefore come from the *other* seeds, as difficulty does. Two
stacks of one training share its chances, and the thirds are those of that very training.
"""
# S seeds, N images, F foreground classes, T strata, B bins

from collections.abc import Sequence

import numpy as np

from benchmarks.analysis.strata import THIRDS, Stratum
from benchmarks.analysis.strata_counts import CellStrata
from benchmarks.data.strata import CONFIDENCE, CONFIDENT, VIEWS

# The first bin of each stratum.
BOUNDARY_CUTS = (0, 2, 4)
CONFIDENT_CUTS = (0, 2, 4, 6)
_FIRST_SURE = 5  # the first bin of which a stack is sure
BOUNDARY_NAMES = ('pixels under 2 px from a boundary', 'pixels 2 to 8 px from one', 'pixels 8 px and more from one')
CONFIDENT_NAMES = tuple(
    f'pixels with a confidence {between}'
    for between in (
        f'under {100 * CONFIDENCE[1]:.0f} %',
        f'of {100 * CONFIDENCE[1]:.0f} to {100 * CONFIDENCE[3]:.0f} %',
        f'of {100 * CONFIDENCE[3]:.0f} to {100 * CONFIDENCE[5]:.0f} %',
        f'of {100 * CONFIDENCE[5]:.0f} % and more',
    )
)
SURE_NAMES = (
    'the third of the images with the least confidence',
    'the middle third',
    'the third with the most confidence',
)
VIEWS_NAMES = (
    'the third of the images on which the views disagree most',
    'the middle third',
    'the third on which they disagree least',
)


def object_cuts(cell: CellStrata, foreground: np.ndarray) -> list[int]:
    """The first size bin of each of up to three strata, with about as many units in each."""
    units = (cell.objects[:, foreground, :, 1] > 0).sum(axis=(0, 1))
    share = np.cumsum(units) / max(units.sum(), 1)
    cuts = {0, *(int(np.argmax(share >= third)) + 1 for third in THIRDS)}
    return [cut for cut in sorted(cuts) if units[cut:].any()]


def object_names(cuts: Sequence[int]) -> list[str]:
    """The strata in words.

    Example:
        >>> object_names([0, 6, 10])
        ['objects under 64 px', 'objects of 64 to 1,023 px', 'objects of 1,024 px and more']
    """
    names = []
    for first, end in zip(cuts, [*cuts[1:], None]):
        low, high = 2**first, None if end is None else 2**end
        if high is None:
            names.append(f'objects of {low:,} px and more')
        else:
            names.append(f'objects of {low:,} to {high - 1:,} px' if first else f'objects under {high:,} px')
    return names


def object_scores(cell: CellStrata, foreground: np.ndarray, cuts: Sequence[int]) -> np.ndarray:
    """The Dice of the objects of each stratum and class, percent, (N, F·T); NaN without such an object in the image."""
    parts = np.add.reduceat(cell.objects[:, foreground], cuts, axis=2)
    _, pixels, right, extra = np.moveaxis(parts.reshape(len(parts), -1, parts.shape[-1]), -1, 0)
    return np.where(pixels > 0, 200.0 * right / np.maximum(pixels + right + extra, 1), np.nan)


def pixel_scores(cell: CellStrata, by: str, cuts: Sequence[int]) -> np.ndarray:
    """The share of the pixels of each stratum that are labelled right, percent, (N, T); NaN without a pixel."""
    pixels, right = np.moveaxis(np.add.reduceat(cell.pixels[by], cuts, axis=1), -1, 0)
    return np.where(pixels > 0, 100 * right / np.maximum(pixels, 1), np.nan)


def strata_of(scores: np.ndarray, names: Sequence[str]) -> list[Stratum]:
    """The strata of units whose last axis runs through the strata of each class: masks (N, U)."""
    place = np.arange(scores.shape[1]) % len(names)
    return [Stratum(name, ~np.isnan(scores) & (place == number)) for number, name in enumerate(names)]


def unsure(cell: CellStrata) -> np.ndarray:
    """The share of each image's pixels with a confidence under 90 %, (N,)."""
    pixels = cell.pixels[CONFIDENT][..., 0]
    return pixels[:, :_FIRST_SURE].sum(axis=1) / np.maximum(pixels.sum(axis=1), 1)


def disagreement(cell: CellStrata) -> np.ndarray:
    """The share of each image's pixels to which its views give different labels, (N,)."""
    pixels = cell.pixels[VIEWS][..., 0]
    return pixels[:, 0] / np.maximum(pixels.sum(axis=1), 1)


def thirds_of_images(values: np.ndarray, units: np.ndarray, names: Sequence[str], *, own: bool) -> list[Stratum]:
    """Thirds of the images by a number, those with the largest number first; masks (R, N, F).

    Args:
        values: The number of each image in each seed, (R, N).
        units: bool (N, F), the units of an image; one without a unit is in no third.
        names: The three names.
        own: Whether a seed's thirds come from its own numbers, and not from the mean of its other seeds.

    Returns:
        None of them where a seed has no other seed, and needs one; without thirds that are empty because of ties.
    """
    if not own and len(values) < 2:
        return []
    shown = units.any(axis=1)
    place = np.zeros(values.shape, int)
    for seed in range(len(values)):
        number = values[seed] if own else np.delete(values, seed, axis=0).mean(axis=0)
        place[seed] = np.searchsorted(np.quantile(-number[shown], THIRDS), -number, side='left')
    strata = [Stratum(name, (place == third)[..., None] & units) for third, name in enumerate(names)]
    return [stratum for stratum in strata if stratum.mask.any()]
