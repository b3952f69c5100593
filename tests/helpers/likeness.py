"""Turns folders of PNG images and masks into the likeness of data sets as strangers bring them.

The source has mmsegmentation's layout: ``img_dir/<split>/*.png`` and ``ann_dir/<split>/*.png``, class 0 in the
background. Each function writes a data set of the same layout to another folder, and leaves the source alone.
"""

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

SPLITS = ('train', 'val', 'test')
ENVIRONMENT = 'DSB2018_ROOT'  # a folder as `python -m plugins.tools.prepare_dsb2018` leaves it


def small_nuclei(root: Path, per_split: int = 6, size: tuple[int, int] = (48, 56)) -> Path:
    """Draw bright discs on dark noise, in two classes of brightness; class 1 only, as ``dsb2018`` has it."""
    rng = np.random.default_rng(11)
    rows, columns = np.mgrid[: size[0], : size[1]]
    for split in SPLITS:
        for number in range(per_split):
            mask = np.zeros(size, np.uint8)
            for _ in range(3):
                y, x, radius = rng.integers(8, size[0] - 8), rng.integers(8, size[1] - 8), rng.integers(4, 8)
                mask[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = 1
            image = rng.normal(60, 12, (*size, 3)) + 110 * mask[..., None]
            _write(root / 'img_dir' / split / f'{number:02d}.png', image.clip(0, 255).astype(np.uint8))
            _write(root / 'ann_dir' / split / f'{number:02d}.png', mask)
    return root


def real_nuclei(root: Path, per_split: int = 6) -> Path:
    """Copy the first images of each split of the real data set; skip the test where there is none."""
    source = Path(os.environ.get(ENVIRONMENT, ''))
    if ENVIRONMENT not in os.environ or not (source / 'img_dir').is_dir():
        pytest.skip(f'{ENVIRONMENT} names no folder with the nuclei of the 2018 Data Science Bowl')
    for split in SPLITS:
        for path in sorted((source / 'img_dir' / split).glob('*.png'))[:: max(1, 90 // per_split)][:per_split]:
            _write(root / 'img_dir' / split / path.name, np.asarray(Image.open(path).convert('RGB')))
            _write(root / 'ann_dir' / split / path.name, _mask(source / 'ann_dir' / split / path.name))
    return root


def masks_of_0_and_255(source: Path, root: Path, suffix: str = '.gif') -> Path:
    """Retina images as downloaded: the foreground is 255, in GIF files (or PNG files)."""
    return _likeness(source, root, mask=lambda mask, _: np.where(mask == 1, 255, mask), mask_suffix=suffix)


def tiff_images(source: Path, root: Path) -> Path:
    """Images in TIFF files, masks in PNG files."""
    return _likeness(source, root, image_suffix=lambda number: '.tif')


def seven_channels(source: Path, root: Path) -> Path:
    """Images in TIFF files, of which the second one of each split has seven channels, as satellites take them."""
    root = _likeness(source, root, image_suffix=lambda number: '.tif')
    for split in SPLITS:
        path = sorted((root / 'img_dir' / split).iterdir())[1]
        grey = np.asarray(Image.open(path).convert('L'))
        path.write_bytes(tiff_of(np.stack([grey] * 7, axis=2)))
    return root


def tiff_of(pixels: np.ndarray) -> bytes:
    """An uncompressed TIFF file of uint8 values (H, W, C): a grey channel, and C - 1 of no meaning."""
    height, width, channels = pixels.shape
    data, bits_at = pixels.tobytes(), 8 + pixels.size
    meanings_at = bits_at + 2 * channels
    tags_at = meanings_at + 2 * (channels - 1)
    tags_at += tags_at % 2
    short, long = 3, 4
    tags = [
        (256, short, 1, width),
        (257, short, 1, height),
        (258, short, channels, bits_at),
        (259, short, 1, 1),  # not compressed
        (262, short, 1, 1),  # 0 is black
        (273, long, 1, 8),  # where the pixels begin
        (277, short, 1, channels),
        (278, short, 1, height),
        (279, long, 1, len(data)),
        (284, short, 1, 1),  # the channels of a pixel stand together
        (338, short, channels - 1, meanings_at),
    ]
    head = struct.pack('<2sHI', b'II', 42, tags_at)
    meanings = struct.pack(f'<{channels}H{channels - 1}H', *[8] * channels, *[0] * (channels - 1))
    listed = struct.pack('<H', len(tags)) + b''.join(struct.pack('<HHII', *tag) for tag in tags) + bytes(4)
    return (head + data + meanings).ljust(tags_at, b'\0') + listed


def names_of_all_scripts(source: Path, root: Path) -> Path:
    """Names of files that are no ASCII, and hold spaces."""
    root = _likeness(source, root)
    for folder in ('img_dir', 'ann_dir'):
        for split in SPLITS:
            for path, name in zip(sorted((root / folder / split).iterdir()), ('Grün 1', '日本', 'é', 'мир', 'ا', '🔬')):
                path.rename(path.with_stem(name))
    return root


def mixed_suffixes(source: Path, root: Path, suffixes: tuple[str, ...] = ('.png', '.PNG')) -> Path:
    """Image files whose suffixes take turns; those of PNG masks do too."""
    return _likeness(
        source,
        root,
        image_suffix=lambda number: suffixes[number % len(suffixes)],
        mask_suffix=lambda number: (
            suffixes[number % len(suffixes)] if set(map(str.lower, suffixes)) == {'.png'} else '.png'
        ),
    )


def void_rim(source: Path, root: Path, void: int = 254, width: int = 1) -> Path:
    """Street scenes: a rim of void pixels around each object."""

    def with_rim(mask: np.ndarray, _: int) -> np.ndarray:
        foreground = (mask == 1).astype(np.uint8)
        kernel = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
        return np.where(cv2.dilate(foreground, kernel) > cv2.erode(foreground, kernel), void, mask)

    return _likeness(source, root, mask=with_rim)


def sixteen_bits(source: Path, root: Path, factor: int = 10, offset: int = 400) -> Path:
    """One channel of 16 bits, of which the lower twelve are used: nearly black to a loader of eight."""

    def deep(image: np.ndarray, _: int) -> np.ndarray:
        return (image.mean(axis=2) * factor + offset).astype(np.uint16)

    return _likeness(source, root, image=deep)


def video_frames(source: Path, root: Path, frames: int = 3) -> Path:
    """A video of each image: near-identical frames ``clip02_frame_0001.png`` that follow each other."""
    rng = np.random.default_rng(5)
    for split, number, image, mask in _pairs(source):
        for frame in range(frames):
            name = f'clip{SPLITS.index(split)}{number:02d}_frame_{frame:04d}.png'
            noisy = (image + rng.normal(0, 2, image.shape)).clip(0, 255).astype(np.uint8)
            _write(root / 'img_dir' / split / name, noisy)
            _write(root / 'ann_dir' / split / name, mask)
    return root


def class_that_a_split_lacks(source: Path, root: Path, split: str = 'test') -> Path:
    """Three classes; the objects of the left half are of class 2, except in one split."""

    def in_two_classes(mask: np.ndarray, of_split: str) -> np.ndarray:
        changed = mask.copy()
        if of_split != split:
            changed[:, : mask.shape[1] // 2] *= 2
        return changed

    for of_split, number, image, mask in _pairs(source):
        _write(root / 'img_dir' / of_split / f'{number:02d}.png', image)
        _write(root / 'ann_dir' / of_split / f'{number:02d}.png', in_two_classes(mask, of_split))
    return root


def _likeness(
    source: Path,
    root: Path,
    image: Callable[[np.ndarray, int], np.ndarray] = lambda image, _: image,
    mask: Callable[[np.ndarray, int], np.ndarray] = lambda mask, _: mask,
    image_suffix: Callable[[int], str] = lambda number: '.png',
    mask_suffix: str | Callable[[int], str] = '.png',
) -> Path:
    for split, number, picture, labels in _pairs(source):
        suffix = mask_suffix(number) if callable(mask_suffix) else mask_suffix
        _write(root / 'img_dir' / split / f'{number:02d}{image_suffix(number)}', image(picture, number))
        _write(root / 'ann_dir' / split / f'{number:02d}{suffix}', mask(labels, number).astype(np.uint8))
    return root


def _pairs(source: Path) -> Iterator[tuple[str, int, np.ndarray, np.ndarray]]:
    for split in SPLITS:
        for number, path in enumerate(sorted((source / 'img_dir' / split).glob('*.png'))):
            image = np.asarray(Image.open(path).convert('RGB'))
            yield split, number, image, _mask(source / 'ann_dir' / split / path.name)


def _mask(path: Path) -> np.ndarray:
    return np.array(Image.open(path))


def _write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, optimize=False)  # optimised, a GIF's grey levels become indices of a palette
