"""Training samples of a street scene's size in mmseg's pipeline: images decoded once, against decoded each time."""

import tempfile
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS
from sklearn.datasets import load_sample_image

import plugins.datasets.decoded_cache  # noqa: F401 (registers DecodedCache)
from benchmarks.speed.side_by_side import report, side_by_side

IMAGES, CLASSES = 4, 19
WIDTH, HEIGHT = 2048, 1024
LOADING = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
PACKING = [dict(type='PackSegInputs')]
AUGMENTATION = [
    dict(type='RandomResize', scale=(WIDTH, HEIGHT), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(512, 1024), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
]


def main() -> None:
    """Run the comparison."""
    lines = []
    with tempfile.TemporaryDirectory() as name, DefaultScope.overwrite_default_scope('mmseg'):
        _draw(Path(name))
        for what, pipeline in (
            ('load, crop 512×1024', [*LOADING, AUGMENTATION[1], *PACKING]),
            ('load, resize, crop, flip, colours', [*LOADING, *AUGMENTATION, *PACKING]),
        ):
            plain = dict(
                type='BaseSegDataset',
                data_root=name,
                img_suffix='.png',
                seg_map_suffix='.png',
                pipeline=pipeline,
                data_prefix=dict(img_path='img', seg_map_path='ann'),
                metainfo=dict(classes=[str(n) for n in range(CLASSES)], palette=[[0, 0, 0]] * CLASSES),
            )
            reference = DATASETS.build(plain)
            cached = DATASETS.build(dict(type='DecodedCache', dataset=plain))
            for index in range(IMAGES):
                cached[index]
            lines.append(
                side_by_side(
                    f'{IMAGES} samples {HEIGHT}×{WIDTH}: {what}',
                    ("mmseg's pipeline", partial(_epoch, reference)),
                    ('with decoded images kept', partial(_epoch, cached)),
                )
            )
    report('training_samples', lines)


def _epoch(dataset) -> None:
    np.random.seed(0)
    for index in range(IMAGES):
        dataset[index]


def _draw(folder: Path) -> None:
    """Write PNG files with the detail of a photograph, and masks of smooth regions."""
    rng = np.random.default_rng(0)
    photograph = cv2.resize(load_sample_image('china.jpg'), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    for kind in ('img', 'ann'):
        (folder / kind).mkdir()
    for number in range(IMAGES):
        grain = rng.normal(0, 4, photograph.shape)
        mask = cv2.resize(
            rng.integers(0, CLASSES, (16, 32), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST
        )
        cv2.imwrite(str(folder / 'img' / f'{number}.png'), np.clip(photograph + grain, 0, 255).astype(np.uint8))
        cv2.imwrite(str(folder / 'ann' / f'{number}.png'), mask)


if __name__ == '__main__':
    main()
