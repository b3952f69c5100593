"""Simulated MR slices of the ICBM152 brain with their tissue labels, written once as PNG files.

The wheel of ``nilearn`` carries the ICBM152 2009a nonlinear symmetric template at 1 mm (Fonov et al. 2011, "Unbiased
average age-appropriate atlases for pediatric studies", NeuroImage 54): a skull-stripped T1 volume and the grey- and
white-matter probabilities that belong to it. Coronal slices of it become a small segmentation data set that needs no
download. The template itself is an average of 152 brains and nearly noiseless, which a threshold would segment; each
slice is therefore imaged anew with a bias field and Rician noise, the two artefacts of a real magnitude MR image
(Gudbjartsson and Patz 1995, "The Rician distribution of noisy MRI data", MRM 34).
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

NOISE_SIGMA = 0.5  # standard deviation of each of the two noise channels, as a fraction of white matter's intensity
BIAS_AMPLITUDE = 0.2  # largest absolute logarithm of the bias field: a factor between exp(-0.2) and exp(0.2)
SEED = 0
VERSION = 1  # raise it when the same parameters give other pixels

WHITE_MATTER = 0.84  # mean T1 of the voxels labelled white matter, on the scale 0..1
FULL_SCALE = 2.0  # the intensity stored as 255: bright white matter plus three sigma of noise still fits
BIAS_ORDER = 2  # half periods of the bias field across the image, at most
SIZE = 160  # H and W
FIRST_SLICE = 30  # y of the first slice
# (split, slices) along y, FIRST_SLICE upwards. 'gap' slices are left out: neighbours a millimetre apart look alike, so
# a test slice next to a training slice would measure memory. The first and the last slab, small cuts through the
# brain's ends, are for training.
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
    """Where one coronal slice belongs: its split, its slab of neighbouring slices, and its y in voxels (= mm)."""

    split: str
    slab: int
    y: int

    @property
    def name(self) -> str:
        """File name, ``slab03_y072.png``: what stands before the underscore names slices that are not independent."""
        return f'slab{self.slab:02d}_y{self.y:03d}.png'

    @property
    def path(self) -> str:
        """Split and name, ``train/slab03_y072.png``."""
        return f'{self.split}/{self.name}'


def slices() -> list[Slice]:
    """All slices of the data set in the order of y; the slabs are numbered through, so no two splits share one."""
    found, y, slab = [], FIRST_SLICE, 0
    for split, length in LAYOUT:
        if split != 'gap':
            found.extend(Slice(split, slab, y + i) for i in range(length))
            slab += 1
        y += length
    return found


def load_template() -> tuple[np.ndarray, np.ndarray]:
    """Reads the template from nilearn's wheel; offline, and without importing nilearn, which takes seconds.

    Returns:
        T1 intensities (X, Y, Z) uint8, 0 outside the brain, and tissue labels (X, Y, Z) uint8, the index into
        ``CLASSES`` of the largest of [255 - grey - white, grey, white]; the earlier class wins a tie.

    Raises:
        ImportError: nilearn is not installed, or keeps the files elsewhere.
    """
    import nibabel

    spec = importlib.util.find_spec('nilearn')
    if spec is None:
        raise ImportError('the ICBM152 template comes in the wheel of nilearn: pip install nilearn')
    folder = Path(spec.submodule_search_locations[0]) / 'datasets' / 'data'
    volumes = []
    for kind in ('t1', 'gm', 'wm'):
        path = folder / f'mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz'
        if not path.is_file():
            raise ImportError(
                f'{path} is missing: this nilearn keeps the ICBM152 template elsewhere; install nilearn 0.14'
            )
        volumes.append(np.asarray(nibabel.load(path).dataobj))
    t1, grey, white = volumes
    rest = 255 - grey.astype(np.int16) - white
    return t1, np.argmax(np.stack([rest, grey, white]), axis=0).astype(np.uint8)


def coronal(volume: np.ndarray, y: int) -> np.ndarray:
    """Cuts one slice, head upwards, cropped and padded with zeros to ``SIZE`` about the brain's own centre.

    Args:
        volume: (X, Y, Z), on the template's grid of 197×233×189 voxels.
        y: The slice.

    Returns:
        (H, W) of ``volume``'s type.
    """
    # The brain spans x 25..171 and z 0..156; it fits into 160 pixels about (98, 78).
    left, bottom = 98 - SIZE // 2, 78 - SIZE // 2
    below = max(0, -bottom)
    cut = volume[left : left + SIZE, y, max(0, bottom) : bottom + SIZE]
    cut = np.pad(cut, ((0, 0), (below, SIZE - below - cut.shape[1])))
    return np.ascontiguousarray(cut.T[::-1])


def bias_field(rng: np.random.Generator, amplitude: float, size: int = SIZE) -> np.ndarray:
    """Draws a smooth multiplicative field, as a coil's uneven sensitivity gives.

    ``log b(r, c) = s * sum_{0<=k,l<=2, (k,l)!=(0,0)} a_kl cos(pi k r) cos(pi l c)`` with r, c in [0, 1], a_kl standard
    normal and s such that ``max |log b| = amplitude``.

    Args:
        rng: Source of the eight coefficients.
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
    """Simulates a magnitude MR image: ``|b * t1 + n1 + i n2|`` with n1, n2 normal, and quantises it.

    Args:
        t1: (H, W), uint8 or float; 255 is intensity 1.
        rng: Source of field and noise.
        noise_sigma: Standard deviation of n1 and of n2, as a fraction of white matter's intensity.
        bias_amplitude: See :func:`bias_field`.

    Returns:
        (H, W) uint8; 255 is intensity ``FULL_SCALE`` and above.
    """
    signal = bias_field(rng, bias_amplitude, t1.shape[0]) * (t1 / 255)
    noise = rng.standard_normal((2, *t1.shape)) * (noise_sigma * WHITE_MATTER)
    magnitude = np.sqrt((signal + noise[0]) ** 2 + noise[1] ** 2)
    # Rounding twice keeps the last bit of a platform's cos, exp and sqrt from deciding a pixel.
    grey = np.round(magnitude * (255 / FULL_SCALE), 3)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def render(
    noise_sigma: float = NOISE_SIGMA, bias_amplitude: float = BIAS_AMPLITUDE, seed: int = SEED
) -> Iterator[Written]:
    """Yields (path below ``img_dir`` and ``ann_dir``, image (H, W) uint8, labels (H, W) uint8) of all slices.

    Every slice has a random stream of its own, seeded with [seed, y]: it looks the same whatever the layout around it.
    """
    t1, labels = load_template()
    for item in slices():
        rng = np.random.default_rng([seed, item.y])
        image = acquire(coronal(t1, item.y), rng, noise_sigma=noise_sigma, bias_amplitude=bias_amplitude)
        yield item.path, image, coronal(labels, item.y)


def parameters(noise_sigma: float, bias_amplitude: float, seed: int) -> dict:
    """All that decides the pixels, as kept in the checksum file."""
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
    """Writes the data set to ``root`` if it is not there, else checks that it is whole and made with these parameters.

    Args:
        root: The folder, see :func:`plugins.datasets.icbm152_folder.ensure_folder`.
        noise_sigma: See :func:`acquire`.
        bias_amplitude: See :func:`bias_field`.
        seed: See :func:`render`.

    Raises:
        ValueError: ``root`` holds other files, lacks some, or was made with other parameters.
    """
    given = noise_sigma, bias_amplitude, seed
    ensure_folder(root, parameters(*given), lambda: render(*given))
