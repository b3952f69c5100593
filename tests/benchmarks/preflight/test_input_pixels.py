"""The pixels that enter a network are measured behind all transforms and the preprocessor."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.preflight.input_pixels import DRAWS, FIRST_DRAWS, Inputs, _mean, input_pixels

NORMAL = dict(mean=[0.0, 0.0, 0.0], std=[1.0, 1.0, 1.0], seg_pad_val=255)


@pytest.fixture
def pixels(tmp_path):
    """Measures a pipeline and a preprocessor on three images of 40×60 pixels."""
    for folder, shape in (('images', (40, 60, 3)), ('masks', (40, 60))):
        (tmp_path / folder).mkdir()
        for number in range(3):
            Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / folder / f'{number}.png')

    def measure(steps, **preprocessor):
        load, pack = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')], [dict(type='PackSegInputs')]
        dataset = dict(
            type='BaseSegDataset',
            data_root=str(tmp_path),
            data_prefix=dict(img_path='images', seg_map_path='masks'),
            metainfo=dict(classes=('a', 'b')),
            img_suffix='.png',
            pipeline=[*load, *steps, *pack],
        )
        return input_pixels(Inputs(dataset, dict(type='SegDataPreProcessor') | NORMAL | preprocessor, 3))

    return measure


def test_a_crop_a_scale_and_padding_count(pixels):
    assert pixels([], size_divisor=1) == 40 * 60
    assert pixels([dict(type='RandomCrop', crop_size=(16, 24))], size=(16, 24)) == 16 * 24
    assert pixels([dict(type='Resize', scale_factor=2.0)], size_divisor=1) == 80 * 120
    assert pixels([], size=(64, 64)) == 64 * 64


def test_a_size_that_the_preprocessor_draws_counts(pixels):
    import plugins.preprocessors.multi_scale  # noqa: F401

    mean = pixels([], type='MultiScaleSegDataPreProcessor', size=(64, 64), sizes=[(32, 32), (64, 64)])
    assert mean == pytest.approx((32 * 32 + 64 * 64) / 2, rel=0.15)


def test_images_that_cannot_be_loaded_say_nothing(pixels):
    assert pixels([dict(type='Resize', scale=None)]) is None


def test_sizes_that_stay_are_measured_a_few_times():
    seen = []
    assert _mean(lambda draw: seen.append(draw) or 9) == 9 and len(seen) == FIRST_DRAWS
    assert _mean(lambda draw: draw % 2) == 0.5 and DRAWS % 2 == 0
