"""Convert the nuclei of the 2018 Data Science Bowl (BBBC038v1) to mmsegmentation's folder layout.

    python -m plugins.tools.prepare_dsb2018 --source stage1_train --out data/dsb2018

The source is set BBBC038v1 of the Broad Bioimage Benchmark Collection, CC0 (Caicedo et al. 2019, "Nucleus segmentation
across imaging experiments: the 2018 Data Science Bowl", Nature Methods 16). Download ``stage1_train.zip`` there and
unpack it. It holds one folder per image, with ``<id>/images/<id>.png`` and one mask per nucleus in
``<id>/masks/*.png``.

The command writes ``img_dir``, ``ann_dir`` (0 background, 1 nucleus) and ``ann_dir_border`` (0 background, 1 inside,
2 border), each with ``train``, ``val`` and ``test``.
"""

# H×W pixels; an instance map holds 0 for background and 1, 2, … for the nuclei
import argparse
import os
from pathlib import Path

import cv2
import numpy as np

from plugins.datasets.new_folder import new_folder

MODALITIES = ('fluo', 'gray_bright', 'stained')
TEST_SHARE, VAL_SHARE = 0.25, 0.15
MAX_WIDTH = 700  # wider images are halved
COLOURED = 5  # an image is stained if the mean spread of its colour channels (0 … 255) exceeds this


def modality(image: np.ndarray) -> str:
    """Guess the modality of an image from its pixels.

    Args:
        image: (H, W, 3) uint8.

    Returns:
        'stained' if the channels differ; otherwise 'gray_bright' if most pixels are bright, and 'fluo' if not.
    """
    spread = cv2.subtract(image.max(axis=2), image.min(axis=2))
    if spread.mean() > COLOURED:
        return 'stained'
    return 'gray_bright' if np.median(image) >= 128 else 'fluo'


def inner_boundary(instances: np.ndarray) -> np.ndarray:
    """Mark the nucleus pixels with a 4-neighbour outside their nucleus; the edge of the image is no boundary.

    Args:
        instances: Instance map (H, W).

    Returns:
        Whether each pixel is marked, bool (H, W).
    """
    padded = np.pad(instances, 1, mode='edge')
    around = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    differs = np.any([neighbour != instances for neighbour in around], axis=0)
    return differs & (instances > 0)


def assign_splits(ids: dict[str, list[str]], seed: int = 0) -> dict[str, str]:
    """Divide the images of each modality at random: 25 % for test, 15 % for val, the rest for train.

    Args:
        ids: Modality → ids of its images, in any order.
        seed: Seed of the split. Each modality has its own random stream.

    Returns:
        Id → 'train', 'val' or 'test'.
    """
    splits = {}
    for kind, members in ids.items():
        rng = np.random.default_rng([seed, MODALITIES.index(kind)])
        shuffled = rng.permutation(sorted(members)).tolist()
        n_test, n_val = round(TEST_SHARE * len(shuffled)), round(VAL_SHARE * len(shuffled))
        for rank, member in enumerate(shuffled):
            splits[member] = 'test' if rank < n_test else 'val' if rank < n_test + n_val else 'train'
    return splits


def read_sample(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read one image and all its nuclei; halve the size of wide images.

    Args:
        folder: The folder ``<id>`` with ``images/<id>.png`` and ``masks/*.png``.

    Returns:
        The image (H, W, 3) uint8 BGR, and the instance map (H, W) uint16. If nuclei overlap, the later file wins.

    Raises:
        FileNotFoundError: The image or the folder of masks is missing, or that folder is empty.
        ValueError: A file cannot be read, or the sizes of a mask and of the image differ.
    """
    image = _read(folder / 'images' / f'{folder.name}.png', cv2.IMREAD_COLOR)
    mask_files = sorted((folder / 'masks').glob('*.png'))
    if not mask_files:
        raise FileNotFoundError(
            f'{folder / "masks"} is missing or holds no PNG file: unpack stage1_train.zip anew '
            '(the test archives have no masks)'
        )
    instances = np.zeros(image.shape[:2], np.uint16)
    for number, path in enumerate(mask_files, 1):
        mask = _read(path, cv2.IMREAD_GRAYSCALE)
        if mask.shape != instances.shape:
            raise ValueError(
                f'{path} is {mask.shape[0]}×{mask.shape[1]}, its image {instances.shape[0]}×'  # type: ignore[misc]
                f'{instances.shape[1]}: unpack stage1_train.zip anew'  # type: ignore[misc]
            )
        instances[mask > 0] = number
    return _halve(image, instances) if image.shape[1] > MAX_WIDTH else (image, instances)


def prepare(source: str | os.PathLike, out: str | os.PathLike, seed: int = 0) -> dict[str, int]:
    """Write the whole data set; ``out`` appears complete or not at all.

    Args:
        source: The unpacked ``stage1_train``.
        out: Folder to create.
        seed: Seed of the split.

    Returns:
        The number of images in train, val and test.

    Raises:
        FileNotFoundError: ``source`` or a file in it is missing.
        FileExistsError: ``out`` already holds files.
        ValueError: A file of ``source`` is damaged.
    """
    source, out = Path(source), Path(out)
    folders = sorted(path for path in source.iterdir() if path.is_dir()) if source.is_dir() else []
    if not folders:
        raise FileNotFoundError(
            f'{source} is not a folder of image folders: name the unpacked stage1_train of BBBC038v1 with --source'
        )
    if out.is_dir() and any(out.iterdir()):
        raise FileExistsError(f'{out} exists and is not empty: delete it, or name another folder with --out')
    # Two passes: the split needs the modality of all images, whose pixels together take gigabytes.
    ids: dict[str, list[str]] = {kind: [] for kind in MODALITIES}
    kinds = {}
    for folder in folders:
        kinds[folder] = modality(_read(folder / 'images' / f'{folder.name}.png', cv2.IMREAD_COLOR))
        ids[kinds[folder]].append(folder.name)
    splits = assign_splits(ids, seed)
    with new_folder(out) as target:
        for folder in folders:
            image, instances = read_sample(folder)
            image = image if kinds[folder] == 'stained' else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
            nucleus = (instances > 0).astype(np.uint8)
            for kind, pixels in (
                ('img_dir', image),
                ('ann_dir', nucleus),
                ('ann_dir_border', nucleus + inner_boundary(instances)),
            ):
                _write(target / kind / splits[folder.name] / f'{kinds[folder]}_{folder.name[:10]}.png', pixels)
    return {split: list(splits.values()).count(split) for split in ('train', 'val', 'test')}


def _read(path: Path, flag: int) -> np.ndarray:
    if not path.is_file():
        raise FileNotFoundError(f'{path} is missing: unpack stage1_train.zip anew')
    pixels = cv2.imread(str(path), flag)
    if pixels is None:
        raise ValueError(f'{path} cannot be read as an image: unpack stage1_train.zip anew')
    return pixels


def _halve(image: np.ndarray, instances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    height, width = instances.shape
    size = ((width + 1) // 2, (height + 1) // 2)
    return (
        cv2.resize(image, size, interpolation=cv2.INTER_AREA),
        cv2.resize(instances, size, interpolation=cv2.INTER_NEAREST),
    )


def _write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        raise ValueError(
            f'two images would both be called {path.name}: their ids start with the same ten characters; '
            'rename one of their folders'
        )
    if not cv2.imwrite(str(path), pixels):
        raise ValueError(f'{path} could not be written: is the disk full?')


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exit with status 2 and a message if the input is wrong."""
    parser = argparse.ArgumentParser(prog='python -m plugins.tools.prepare_dsb2018', description=__doc__.split('\n')[0])
    parser.add_argument('--source', required=True, help='folder of the unpacked stage1_train')
    parser.add_argument('--out', default='data/dsb2018', help='folder to create (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the random split (default: %(default)s)')
    options = parser.parse_args(arguments)
    try:
        counts = prepare(options.source, options.out, options.seed)
    except (FileNotFoundError, FileExistsError, ValueError) as error:
        parser.exit(2, f'{error}\n')
    print(f'{options.out}: ' + ', '.join(f'{count} {split}' for split, count in counts.items()))


if __name__ == '__main__':
    main()
