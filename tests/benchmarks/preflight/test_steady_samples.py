"""Test pipelines: what draws at random or moves the truth is refused, and what converts or corrupts is not."""

import numpy as np
import pytest
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS
from PIL import Image

import plugins.transforms.corrupt  # noqa: F401
from benchmarks.errors import BadInput
from benchmarks.preflight.builds import check_test_sample
from benchmarks.preflight.legality import Registries

LOAD, ANNOTATIONS, PACK = dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')


@TRANSFORMS.register_module()
class GrainOfAnyDraw(BaseTransform):
    """Another noise each time, declared as another image file."""

    changes_image_file = True

    def transform(self, results):
        results['img'] = results['img'] ^ np.random.default_rng().integers(0, 9, results['img'].shape, np.uint8)
        return results


@TRANSFORMS.register_module()
class UndeclaredGrain(GrainOfAnyDraw):
    changes_image_file = False


@TRANSFORMS.register_module()
class RimBecomesVoid(BaseTransform):
    """Darkens what lies outside a field of view, and makes it void."""

    def transform(self, results):
        results['img'][:2], results['gt_seg_map'][:2] = 0, 255
        return results


@TRANSFORMS.register_module()
class BorderBecomesAClass(BaseTransform):
    """Labels by place, from the truth alone."""

    def transform(self, results):
        truth = results['gt_seg_map']
        truth[1:] = np.where(truth[1:] != truth[:-1], 2, truth[1:])
        return results


class _MovesAllFields(BaseTransform):
    def transform(self, results):
        for key in ('img', *results.get('seg_fields', [])):
            results[key] = np.ascontiguousarray(self.moved(results[key]))
        return results


@TRANSFORMS.register_module()
class TurnBy(_MovesAllFields):
    def __init__(self, quarters):
        self.quarters = quarters

    def moved(self, pixels):
        return np.rot90(pixels, self.quarters)


@TRANSFORMS.register_module()
class PadBy(_MovesAllFields):
    def __init__(self, pixels):
        self.pixels = pixels

    def moved(self, pixels):
        return np.pad(pixels, [(0, self.pixels)] * 2 + [(0, 0)] * (pixels.ndim - 2))


@pytest.fixture
def check(tmp_path):
    """``check(step, …)``: checks a test pipeline with these steps behind LoadAnnotations."""
    Registries()
    rng = np.random.default_rng(0)
    # The first mask is uniform, so that no turn of it shows.
    masks = [np.zeros((12, 16), np.uint8), *rng.integers(0, 2, (3, 12, 16), np.uint8)]
    for number, mask in enumerate(masks):
        for kind, pixels in (('img', rng.integers(0, 256, (12, 16, 3), np.uint8)), ('ann', mask)):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / kind / f'{number}.png')

    def run(*steps, before=()):
        dataset = dict(
            type='BaseSegDataset',
            data_root=str(tmp_path),
            data_prefix=dict(img_path='img', seg_map_path='ann'),
            img_suffix='.png',
            metainfo=dict(classes=('a', 'b', 'c')),
            pipeline=[LOAD, *before, ANNOTATIONS, *steps, PACK],
        )
        check_test_sample(dict(test_dataloader=dict(dataset=dataset)), 'it')

    return run


@pytest.mark.parametrize(
    'step, fault',
    [
        (dict(type='RandomFlip', prob=1.0), "step 2 'RandomFlip', which moves the truth together with the image"),
        (dict(type='RandomFlip', prob=0.5), "step 2 'RandomFlip', which draws at random"),
        (dict(type='RandomFlip', prob=0.1, direction='vertical'), 'which draws at random'),
        (dict(type='RandomRotate', prob=1.0, degree=20, seg_pad_val=255), 'which draws at random'),
        (dict(type='RandomCutOut', prob=1.0, n_holes=1, cutout_shape=(4, 4), seg_fill_in=255), 'draws at random'),
        (dict(type='PhotoMetricDistortion'), "'PhotoMetricDistortion', which draws at random"),
        (dict(type='UndeclaredGrain'), "'UndeclaredGrain', which draws at random"),
    ],
)
def test_steps_that_draw_at_random_or_move_the_truth_are_named(check, step, fault):
    with pytest.raises(BadInput, match=f"it: the pipeline of 'test_dataloader.dataset' has the .*{fault}"):
        check(step)


def test_a_random_step_before_the_masks_are_loaded_is_named_too(check):
    with pytest.raises(BadInput, match="step 1 'RandomRotate', which draws at random"):
        check(before=[dict(type='RandomRotate', prob=1.0, degree=20)])


@pytest.mark.parametrize(
    'step, moves',
    [
        (dict(type='Resize', scale=(32, 20), keep_ratio=False), False),
        (dict(type='Resize', scale=(9, 7), keep_ratio=False), False),
        (dict(type='ResizeToMultiple', size_divisor=8), False),
        (dict(type='RandomFlip', prob=1.0), False),
        (dict(type='RandomFlip', prob=1.0, direction='vertical'), False),
        (dict(type='PadBy', pixels=4), True),
        (dict(type='Pad', size_divisor=16), True),
        (dict(type='CenterCrop', crop_size=(8, 8)), True),
        (dict(type='TurnBy', quarters=2), True),
    ],
)
def test_before_the_masks_are_loaded_an_image_may_be_resized_and_flipped_but_not_moved(check, step, moves):
    if not moves:
        return check(before=[step])
    with pytest.raises(BadInput, match=f"step 1 '{step['type']}', which cuts, pads or turns the image"):
        check(before=[step])


@pytest.mark.parametrize(
    'step',
    [
        dict(type='CorruptImage', kind='gaussian_noise', strength=2),
        dict(type='GrainOfAnyDraw'),
        dict(type='CLAHE'),
        dict(type='RandomFlip', prob=0.0),
        dict(type='RimBecomesVoid'),
        dict(type='BorderBecomesAClass'),
    ],
)
def test_noise_colours_conversions_and_void_are_legal(check, step):
    check(step)


def test_both_steps_of_two_are_named(check):
    with pytest.raises(BadInput) as refused:
        check(dict(type='RandomFlip', prob=1.0), dict(type='PhotoMetricDistortion'))
    assert len(refused.value.args) == 2
