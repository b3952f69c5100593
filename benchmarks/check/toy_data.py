"""The data set of checks: a few small pictures of ellipses, drawn when needed, so that a check needs no download."""

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.stages.maps import SCALE

# H×W pixels, C classes
SIZE_PX = 64
NUMBERS = dict(train=8, val=2, test=4)
CLASSES = ('background', 'red', 'green')
PALETTE = [[0, 0, 0], [213, 94, 0], [0, 158, 115]]
_GREY, _NOISE = 110, 30
_TINTS = ((0, 0, 0), (110, -60, -60), (-60, 110, -60))
_HALO = 1.15


def draw_pictures(root: Path, size_px: int = SIZE_PX, num_classes: int = len(CLASSES)) -> None:
    """Write ``img/<split>/<n>.png`` and ``ann/<split>/<n>.png``: two ellipses on noise, a halo of one of them void.

    Args:
        root: A folder that does not exist yet.
        size_px: Height and width.
        num_classes: With two classes, both ellipses belong to the second. Classes above three never occur.
    """
    rng = np.random.default_rng(20)
    for split, number in NUMBERS.items():
        for kind in ('img', 'ann'):
            (root / kind / split).mkdir(parents=True)
        for n in range(number):
            image, labels = _picture(rng, size_px)
            labels[labels != 255] = labels[labels != 255].clip(max=num_classes - 1)
            Image.fromarray(image).save(root / 'img' / split / f'{n}.png')
            Image.fromarray(labels).save(root / 'ann' / split / f'{n}.png')


def _picture(rng: np.random.Generator, size_px: int) -> tuple[np.ndarray, np.ndarray]:
    """An RGB image uint8 (H, W, 3) and its labels uint8 (H, W), 255 in a halo around the second ellipse."""
    rows, columns = np.mgrid[:size_px, :size_px]
    labels = np.zeros((size_px, size_px), np.uint8)
    for label, side in ((1, 0.0), (2, 0.5)):
        across, along = size_px * rng.uniform(0.2, 0.24), size_px * rng.uniform(0.36, 0.48)
        row = rng.uniform(along, size_px - along)
        column = rng.uniform(side * size_px + across, (side + 0.5) * size_px - across)
        distance = np.hypot((rows - row) / along, (columns - column) / across)
        labels[distance < 1] = label
        if label == 2:
            labels[(distance >= 1) & (distance < _HALO)] = 255
    image = rng.normal(_GREY, _NOISE, (size_px, size_px, 3))
    for label, tint in enumerate(_TINTS):
        image[labels == label] += tint
    return image.clip(0, 255).astype(np.uint8), labels


def dataset(root: Path, split: str, pipeline: list[dict], classes: tuple[str, ...] = CLASSES) -> dict:
    """The config of a split, for mmseg's own data set class; classes above three never occur in it."""
    palette = (PALETTE * len(classes))[: len(classes)]
    return dict(
        type='BaseSegDataset',
        data_root=str(root),
        img_suffix='.png',
        seg_map_suffix='.png',
        pipeline=pipeline,
        metainfo=dict(classes=classes, palette=palette, background=0),
        data_prefix=dict(img_path=f'img/{split}', seg_map_path=f'ann/{split}'),
    )


def speckled_maps(root: Path, num_classes: int) -> list[tuple[str, np.ndarray]]:
    """Plausible predictions with much to refine: each test image's truth with holes and speckles, blurred by noise.

    Args:
        root: The folder of the pictures.
        num_classes: C, at least 3.

    Returns:
        For each image its path and its quantised map, uint16 (C, H, W), like the merged map of a prediction.
    """
    rng = np.random.default_rng(21)
    maps = []
    for path in sorted((root / 'ann' / 'test').iterdir()):
        labels = np.asarray(Image.open(path)).copy()
        labels[labels == 255] = 0
        flipped = rng.random(labels.shape) < 0.06
        labels[flipped] = rng.integers(0, len(CLASSES), flipped.sum())
        scores = rng.uniform(0, 1, (num_classes, *labels.shape))
        np.put_along_axis(scores, labels[None], rng.uniform(1.2, 3, labels.shape)[None], 0)
        maps.append((str(root / 'img' / 'test' / path.name), _quantised(scores)))
    return maps


def _quantised(scores: np.ndarray) -> np.ndarray:
    p = np.exp(2 * scores)
    return np.rint(p / p.sum(0) * SCALE).astype(np.uint16)
