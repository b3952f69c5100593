"""MR slices of many simulated people and scanners, drawn from the ICBM152 template; written once as PNG files.

Every image is another person and another scanner. Its slice of the template is posed and deformed smoothly; its tissues
get a contrast and a texture of their own; a gain curve, a bias field, blur and noise follow. This is the generative
model of SynthSeg (Billot et al. 2023, "SynthSeg: Segmentation of brain MRI scans of any contrast and resolution without
retraining", Medical Image Analysis 86). What limits a network is how well it carries over to people and scanners that
it has not seen, as on real data; and each image is a group of its own.
"""
# H×W = SIZE×SIZE pixels of a slice; four tissues: air, fluid, grey and white matter

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from plugins.datasets.icbm152_folder import Written, ensure_folder
from plugins.datasets.icbm152_slices import CLASSES, SIZE, bias_field, coronal, load_volumes, slices

__all__ = ['CLASSES', 'SEED', 'Person', 'Spread', 'ensure_people', 'heads', 'parameters', 'people', 'render', 'scan']

IMAGES = dict(train=64, val=16, test=96)
SEED = 0
VERSION = 1  # raise it if the same parameters give other pixels

WARP_ORDER = 4  # half periods of the deformation across the image, at most
GRAIN_PX = 1.0  # standard deviation of the blur that makes texture of noise
FULL_SCALE = 1.6  # the intensity stored as 255: the brightest tissue under the strongest bias field still fits

Range = tuple[float, float]


@dataclass(frozen=True)
class Spread:
    """How far people and scanners differ: each value of an image is drawn uniformly from its range.

    Attributes:
        rotation_deg: Rotation of the head.
        log_scale: Logarithm of the size, along each axis.
        shift_px: Shift along each axis.
        warp_px: Largest displacement of the smooth deformation.
        t2_share: Share of images in which fluid is brightest and white matter darkest.
        step: Difference of the intensities of two tissues that follow each other; the brightest has 1, air has 0.
        texture: Standard deviation of the intensity within a tissue.
        log_gain: Logarithm of the exponent of the gain curve.
        bias: Largest absolute logarithm of the bias field.
        blur_px: Standard deviation of the blur.
        noise: Standard deviation of each of the two noise channels.
    """

    rotation_deg: Range = (-15, 15)
    log_scale: Range = (-0.15, 0.15)
    shift_px: Range = (-8, 8)
    warp_px: Range = (2, 6)
    t2_share: float = 0.3
    step: Range = (0.1, 0.35)
    texture: Range = (0.02, 0.08)
    log_gain: Range = (-0.4, 0.4)
    bias: Range = (0.1, 0.5)
    blur_px: Range = (0.3, 1.2)
    noise: Range = (0.02, 0.1)


@dataclass(frozen=True)
class Person:
    """An image: its split, its number among all images, and the y of its slice in voxels (= mm)."""

    split: str
    number: int
    y: int

    @property
    def path(self) -> str:
        """The split and the file name, ``train/person007_y072.png``."""
        return f'{self.split}/person{self.number:03d}_y{self.y:03d}.png'


def people(seed: int) -> list[Person]:
    """All images. Their slices are drawn from the slabs of their split, so that no two splits share a slab."""
    found: list[Person] = []
    for place, (split, count) in enumerate(IMAGES.items()):
        of_split = [item.y for item in slices() if item.split == split]
        drawn = np.random.default_rng([seed, place]).choice(of_split, count)
        found += [Person(split, len(found) + number, int(y)) for number, y in enumerate(drawn)]
    return found


def tissues(volumes: tuple[np.ndarray, np.ndarray, np.ndarray], y: int) -> np.ndarray:
    """Probabilities of the four tissues in a slice, (4, H, W); fluid is what is neither grey nor white in the brain."""
    t1, grey, white = (coronal(volume, y) for volume in volumes)
    g, w = grey / 255, white / 255
    fluid = np.where(t1 > 0, np.clip(1 - g - w, 0, None), 0)
    return np.stack([1 - fluid - g - w, fluid, g, w])


def places(rng: np.random.Generator, spread: Spread) -> np.ndarray:
    """For each pixel the row and column of the template that it shows, (2, H, W): a pose and a smooth deformation."""
    angle = np.deg2rad(rng.uniform(*spread.rotation_deg))
    scale = np.exp(rng.uniform(*spread.log_scale, 2))[:, None, None]
    shift = rng.uniform(*spread.shift_px, 2)[:, None, None]
    warp = rng.uniform(*spread.warp_px) * np.stack([_smooth(rng) for _ in range(2)])
    middle = (SIZE - 1) / 2
    row, column = np.indices((SIZE, SIZE)) - middle
    cos, sin = np.cos(angle), np.sin(angle)
    turned = np.stack([cos * row - sin * column, sin * row + cos * column])
    return turned / scale + middle + shift + warp


def _smooth(rng: np.random.Generator) -> np.ndarray:
    """A random sum of cosines with up to :data:`WARP_ORDER` half periods across the image; max |f| = 1, (H, W)."""
    waves = np.cos(np.pi * np.arange(WARP_ORDER + 1)[:, None] * np.linspace(0, 1, SIZE))
    drawn = waves.T @ rng.standard_normal((WARP_ORDER + 1, WARP_ORDER + 1)) @ waves
    return drawn / np.abs(drawn).max()


def sample(maps: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Maps (C, H, W) at places (2, H, W), bilinear; a place outside shows the nearest pixel of the border."""
    at = np.clip(at, 0, SIZE - 1)
    r, c = low = np.minimum(at.astype(int), SIZE - 2)
    dr, dc = at - low
    above = maps[:, r, c] * (1 - dc) + maps[:, r, c + 1] * dc
    below = maps[:, r + 1, c] * (1 - dc) + maps[:, r + 1, c + 1] * dc
    return above * (1 - dr) + below * dr


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of an image (H, W), cut off at three standard deviations; its border is repeated."""
    if sigma == 0:
        return image
    reach = int(3 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    for _ in range(2):
        padded = np.pad(image, ((reach, reach), (0, 0)), mode='edge')
        image = sum(weight * padded[k : k + SIZE] for k, weight in enumerate(weights)).T
    return image


def intensities(rng: np.random.Generator, spread: Spread) -> np.ndarray:
    """The intensities of air, fluid, grey and white matter, (4,)."""
    first, second = rng.uniform(*spread.step, 2)
    falling = [1.0, 1.0 - first, 1.0 - first - second]
    is_t2 = rng.uniform() < spread.t2_share
    return np.array([0.0, *(falling if is_t2 else falling[::-1])])


def scan(
    probabilities: np.ndarray, rng: np.random.Generator, spread: Spread, further: Sequence[float] = ()
) -> np.ndarray:
    """What a scanner shows of a head: contrast, texture, gain, bias field, blur and Rician noise.

    ``|G_blur * (b * (sum_k p_k (m_k + t_k))^gain) + n1 + i n2|`` with intensities m, textures t, bias field b and
    normal n1 and n2; air has no texture.

    Args:
        probabilities: Of the four tissues and of further ones, (4 + F, H, W).
        rng: Random generator of the scanner; further tissues draw nothing from it.
        spread: How far scanners differ.
        further: The intensities of further tissues, which have no texture, (F,).

    Returns:
        (H, W) uint8; 255 is intensity ``FULL_SCALE`` and above.
    """
    levels, texture = np.append(intensities(rng, spread), further), rng.uniform(*spread.texture)
    gain, bias = np.exp(rng.uniform(*spread.log_gain)), rng.uniform(*spread.bias)
    blur, noise = rng.uniform(*spread.blur_px), rng.uniform(*spread.noise)
    flat = np.zeros((SIZE, SIZE))
    grain = np.stack([flat, *(_grain(rng) for _ in range(3)), *(flat for _ in further)])
    signal = (probabilities * (levels[:, None, None] + texture * grain)).sum(0)
    signal = blurred(signal.clip(0, None) ** gain * bias_field(rng, bias), blur)
    channels = rng.standard_normal((2, SIZE, SIZE)) * noise
    magnitude = np.sqrt((signal + channels[0]) ** 2 + channels[1] ** 2)
    # Rounded twice, so that a pixel does not depend on the last bit of the platform's cos, exp and sqrt.
    return np.clip(np.rint(np.round(magnitude * (255 / FULL_SCALE), 3)), 0, 255).astype(np.uint8)


def _grain(rng: np.random.Generator) -> np.ndarray:
    """Noise that is correlated over a few pixels, with a standard deviation of 1, (H, W)."""
    grain = blurred(rng.standard_normal((SIZE, SIZE)), GRAIN_PX)
    return grain / grain.std()


def render(seed: int = SEED, spread: Spread = Spread()) -> Iterator[Written]:
    """Yield (path below ``img_dir`` and ``ann_dir``, image (H, W) uint8, labels (H, W) uint8) of each person."""
    for person, head, of_scanner in heads(seed, spread):
        yield person.path, scan(head, of_scanner, spread), labels_of(head)


def heads(seed: int, spread: Spread) -> Iterator[tuple[Person, np.ndarray, np.random.Generator]]:
    """Each person, the probabilities of the four tissues (4, H, W), and the random generator of the scanner.

    Head and scanner have random streams of their own, of the seeds [seed, number, 0] and [seed, number, 1].
    """
    volumes = load_volumes()
    for person in people(seed):
        of_head, of_scanner = (np.random.default_rng([seed, person.number, part]) for part in (0, 1))
        yield person, sample(tissues(volumes, person.y), places(of_head, spread)), of_scanner


def labels_of(probabilities: np.ndarray) -> np.ndarray:
    """The most probable class of each pixel (H, W) uint8, the lower one on ties; air and fluid are background."""
    air, fluid, grey, white = probabilities
    # Rounded, so that a label does not depend on the last bit either.
    return np.argmax(np.round([air + fluid, grey, white], 4), axis=0).astype(np.uint8)


def parameters(seed: int, spread: Spread) -> dict:
    """All parameters on which the pixels depend, for the checksum file."""
    ranges = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(spread).items()}
    return dict(version=VERSION, seed=int(seed), spread=ranges, slices=[asdict(person) for person in people(seed)])


def ensure_people(root: str | os.PathLike, seed: int = SEED, spread: Spread = Spread()) -> None:
    """Write the data set to ``root``; if it exists, check that it is complete and has the same parameters.

    Args:
        root: The folder; see :func:`plugins.datasets.icbm152_folder.ensure_folder`.
        seed: Seed of people and scanners.
        spread: How far they differ.

    Raises:
        ValueError: ``root`` holds other files, lacks some, or was made with other parameters.
    """
    ensure_folder(root, parameters(seed, spread), lambda: render(seed, spread))
