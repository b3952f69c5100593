"""Simulated MR slices of the ICBM152 brain with their tissue labels, written once as PNG files.

The wheel of ``nilearn`` contains the ICBM152 2009a nonlinear symmetric template at 1 mm (Fonov et al. 2011, "Unbiased
average age-appropriate atlases for pediatric studies", NeuroImage 54): a skull-stripped T1 volume with its grey- and
white-matter probabilities. Its coronal slices are a small segmentation data set that needs no download. The template is
the average of 152 brains and has almost no noise, so a threshold would segment it. Each slice therefore gets a bias
field and Rician noise, the two artefacts of a real magnitude MR image (Gudbjartsson and Patz 1995, "The Rician
distribution of noisy MRI data", MRM 34).
"""

# X, Y, Z voxels (left-right, back-front, bottom-top); H×W pixels of a slice: H runs top-down along Z, W along X
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from plugins.datasets.icbm152_folder import Written, ensure_folder

CLASSES = ('background', 'grey matter', 'white matter')

NOISE_SIGMA = 0.5  # standard deviation of each noise channel, as a fraction of the intensity of white matter
BIAS_AMPLITUDE = 0.2  # largest absolute logarithm of the bias field: a factor between exp(-0.2) and exp(0.2)
SEED = 0
VERSION = 1  # raise it if the same parameters give other pixels

WHITE_MATTER = 0.84  # mean T1 of the voxels labelled white matter, on the scale 0..1
FULL_SCALE = 2.0  # the intensity stored as 255: bright white matter plus three sigma of noise still fits
BIAS_ORDER = 2  # half periods of the bias field across the image, at most
SIZE = 160  # H and W
FIRST_SLICE = 30  # y of the first slice
# (split, number of slices) along y, from FIRST_SLICE on. Slices of a 'gap' are left out: slices a millimetre apart look
# alike, so a test slice next to a training slice would measure memorisation. The first and the last slab show the ends
# of the brain, and are for training.
_PERIOD = (
    ('train', 8),
    ('gap', 2),
    ('test', 7),
    ('gap', 2),
    ('val', 2),
    ('gap', 2),
    ('train', 8),
    ('gap', 2),
    ('test', 7),
    ('gap', 2),
)
LAYOUT = _PERIOD * 4 + (('train', 8),)


@dataclass(frozen=True)
class Slice:
    """The place of a coronal slice: its split, its slab of adjacent slices, and its y in voxels (= mm)."""

    split: str
    slab: int
    y: int

    @property
    def name(self) -> str:
        """The file name, ``slab03_y072.png``; slices of the same slab are not independent."""
        return f'slab{self.slab:02d}_y{self.y:03d}.png'

    @property
    def path(self) -> str:
        """The split and the file name, ``train/slab03_y072.png``."""
        return f'{self.split}/{self.name}'


def slices() -> list[Slice]:
    """All slices of the data set, sorted by y. Slabs are numbered across splits, so no two splits share a slab."""
    found, y, slab = [], FIRST_SLICE, 0  # type: ignore[var-annotated]
    for split, length in LAYOUT:
        if split != 'gap':
            found.extend(Slice(split, slab, y + i) for i in range(length))
            slab += 1
        y += length
    return found


def load_volumes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read the template from nilearn's wheel, offline and without importing nilearn, which takes seconds.

    Returns:
        T1 intensities, 0 outside the brain, and 255 times the probabilities of grey and of white matter, each
        (X, Y, Z) uint8.

    Raises:
        ImportError: Nilearn is not installed, or does not contain the files at the expected place.
    """
    import nibabel

    spec = importlib.util.find_spec('nilearn')
    if spec is None:
        raise ImportError('the ICBM152 template comes in the wheel of nilearn: pip install nilearn')
    folder = Path(spec.submodule_search_locations[0]) / 'datasets' / 'data'  # type: ignore[index]
    volumes = []
    for kind in ('t1', 'gm', 'wm'):
        path = folder / f'mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz'
        if not path.is_file():
            raise ImportError(
                f'{path} is missing: this nilearn keeps the ICBM152 template elsewhere; install nilearn 0.14'
            )
        volumes.append(np.asarray(nibabel.load(path).dataobj))  # type: ignore[attr-defined]
    t1, grey, white = volumes
    return t1, grey, white


def load_template() -> tuple[np.ndarray, np.ndarray]:
    """The template with one label per voxel.

    Returns:
        T1 intensities (X, Y, Z) uint8, 0 outside the brain; and tissue labels (X, Y, Z) uint8. The label is the index
        into ``CLASSES`` of the largest of [255 - grey - white, grey, white], the lower index on ties.

    Raises:
        ImportError: As :func:`load_volumes`.
    """
    t1, grey, white = load_volumes()
    rest = 255 - grey.astype(np.int16) - white
    return t1, np.argmax(np.stack([rest, grey, white]), axis=0).astype(np.uint8)


def coronal(volume: np.ndarray, y: int) -> np.ndarray:
    """Cut one slice, with the top of the head upwards, cropped and padded with zeros to ``SIZE`` around the brain.

    Args:
        volume: (X, Y, Z) on the template's grid of 197×233×189 voxels.
        y: The y of the slice.

    Returns:
        (H, W) of the dtype of ``volume``.
    """
    # The brain spans x 25..171 and z 0..156; it fits into 160 pixels around (98, 78).
    left, bottom = 98 - SIZE // 2, 78 - SIZE // 2
    below = max(0, -bottom)
    cut = volume[left : left + SIZE, y, max(0, bottom) : bottom + SIZE]
    cut = np.pad(cut, ((0, 0), (below, SIZE - below - cut.shape[1])))
    return np.ascontiguousarray(cut.T[::-1])


def bias_field(rng: np.random.Generator, amplitude: float, size: int = SIZE) -> np.ndarray:
    """Draw a smooth multiplicative field, like that of a coil with uneven sensitivity.

    ``log b(r, c) = s * sum_{0<=k,l<=2, (k,l)!=(0,0)} a_kl cos(pi k r) cos(pi l c)`` with r, c in [0, 1], a_kl standard
    normal and s such that ``max |log b| = amplitude``.

    Args:
        rng: Random generator for the eight coefficients.
        amplitude: Largest absolute logarithm; 0 gives a field of ones.
        size: H and W.

    Returns:
        (H, W) float64.
    """
    waves = np.cos(np.pi * np.arange(BIAS_ORDER + 1)[:, None] * np.linspace(0, 1, size))
    weights = rng.standard_normal((BIAS_ORDER + 1, BIAS_ORDER + 1))
    weights[0, 0] = 0
    log_field = waves.T @ weights @ waves
    return np.exp(log_field * (amplitude / np.abs(log_field).max()))


def acquire(t1: np.ndarray, rng: np.random.Generator, *, noise_sigma: float, bias_amplitude: float) -> np.ndarray:
    """Simulate a magnitude MR image, ``|b * t1 + n1 + i n2|`` with normal n1 and n2, and quantise it.

    Args:
        t1: Intensities (H, W), uint8 or float; 255 is intensity 1.
        rng: Random generator for field and noise.
        noise_sigma: Standard deviation of n1 and of n2, as a fraction of the intensity of white matter.
        bias_amplitude: See :func:`bias_field`.

    Returns:
        (H, W) uint8; 255 is intensity ``FULL_SCALE`` and above.
    """
    signal = bias_field(rng, bias_amplitude, t1.shape[0]) * (t1 / 255)
    noise = rng.standard_normal((2, *t1.shape)) * (noise_sigma * WHITE_MATTER)
    magnitude = np.sqrt((signal + noise[0]) ** 2 + noise[1] ** 2)
    # Rounded twice, so that a pixel does not depend on the last bit of the platform's cos, exp and sqrt.
    grey = np.round(magnitude * (255 / FULL_SCALE), 3)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def render(
    noise_sigma: float = NOISE_SIGMA, bias_amplitude: float = BIAS_AMPLITUDE, seed: int = SEED
) -> Iterator[Written]:
    """Yield (path below ``img_dir`` and ``ann_dir``, image (H, W) uint8, labels (H, W) uint8) of each slice.

    Each slice has its own random stream with the seed [seed, y], so it does not depend on the layout.
    """
    t1, labels = load_template()
    for item in slices():
        rng = np.random.default_rng([seed, item.y])
        image = acquire(coronal(t1, item.y), rng, noise_sigma=noise_sigma, bias_amplitude=bias_amplitude)
        yield item.path, image, coronal(labels, item.y)


def parameters(noise_sigma: float, bias_amplitude: float, seed: int) -> dict:
    """All parameters on which the pixels depend, for the checksum file."""
    return dict(
        version=VERSION,
        noise_sigma=float(noise_sigma),
        bias_amplitude=float(bias_amplitude),
        seed=int(seed),
        slices=[asdict(item) for item in slices()],
    )


def ensure_slices(
    root: str | os.PathLike, noise_sigma: float = NOISE_SIGMA, bias_amplitude: float = BIAS_AMPLITUDE, seed: int = SEED
) -> None:
    """Write the data set to ``root``; if it exists, check that it is complete and has the same parameters.

    Args:
        root: The folder; see :func:`plugins.datasets.icbm152_folder.ensure_folder`.
        noise_sigma: See :func:`acquire`.
        bias_amplitude: See :func:`bias_field`.
        seed: See :func:`render`.

    Raises:
        ValueError: ``root`` holds other files, lacks some, or was made with other parameters.
    """
    given = noise_sigma, bias_amplitude, seed
    ensure_folder(root, parameters(*given), lambda: render(*given))
