"""A student whose mask loader cannot read the labels of its teacher is refused before the teacher is trained."""

import numpy as np
import pytest
from mmcv.transforms import BaseTransform
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS
from PIL import Image

from benchmarks.errors import BadInput
from benchmarks.preflight.label_files import check_label_files
from plugins.datasets import carved  # noqa: F401 (registers the data sets)


@TRANSFORMS.register_module()
class LoadNumpyAnnotation(BaseTransform):
    """Reads masks of one format."""

    def transform(self, results):
        return {**results, 'gt_seg_map': np.load(results['seg_map_path'])}


@TRANSFORMS.register_module()
class LoadTrueMaskAsHalf(LoadAnnotations):
    """Halves the labels of masks of one format, and leaves PNG files as they are."""

    def transform(self, results):
        if results['seg_map_path'].endswith('.png'):
            return super().transform(results)
        return {**results, 'gt_seg_map': np.load(results['seg_map_path']) // 2}


@TRANSFORMS.register_module()
class From255(BaseTransform):
    """Makes class 1 of label 255."""

    def transform(self, results):
        return {**results, 'gt_seg_map': (results['gt_seg_map'] == 255).astype(np.uint8)}


IMAGE, MASK = dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')


@pytest.fixture
def student(tmp_path):
    """A function that gives the configs of a student with these loading steps, and of its baseline."""
    for n in range(4):
        for kind in ('img', 'ann'):
            (tmp_path / kind).mkdir(exist_ok=True)
        Image.new('RGB', (9, 7)).save(tmp_path / 'img' / f'{n}.png')
        np.save(tmp_path / 'ann' / f'{n}.npy', np.zeros((7, 9), np.uint8))

    def make(*steps, **extra):
        data = dict(
            type='BaseSegDataset',
            data_root=str(tmp_path),
            data_prefix=dict(img_path='img', seg_map_path='ann'),
            img_suffix='.png',
            seg_map_suffix='.npy',
            metainfo=dict(classes=('a', 'b')),
            pipeline=[*steps, dict(type='RandomFlip', prob=0.5), dict(type='PackSegInputs')],
            **extra,
        )
        part = dict(type='PseudoLabelled', fraction=0.5, label_dir='', dataset=data)
        teacher = dict(data='LabelledPart', unlabelled='UnlabelledPart', confidence=0.9)
        config = dict(train_dataloader=dict(dataset=part), teacher=teacher)
        return config, dict(test_dataloader=dict(dataset=data))

    return make


@pytest.mark.parametrize('mask', ['LoadNumpyAnnotation', LoadNumpyAnnotation])
def test_a_loader_that_cannot_read_label_files_is_named_with_its_cure(student, mask):
    with pytest.raises(BadInput) as refused:
        check_label_files(*student(IMAGE, dict(type=mask)), "the stack 's'")
    assert str(refused.value).startswith(
        "the stack 's': 'LoadNumpyAnnotation' in the training pipeline cannot read a teacher's labels (ValueError: "
    )
    assert "label files (.png) hold the indices of classes: let the step leave them as mmseg's" in str(refused.value)


def test_a_step_that_changes_the_labels_of_a_teacher_is_named(student):
    with pytest.raises(BadInput, match=r"'From255' .*makes the labels \[0\] of the classes \[0, 1\]"):
        check_label_files(*student(IMAGE, MASK, dict(type='From255')), 's')


@pytest.mark.parametrize('extra', [{}, dict(reduce_zero_label=True)])
@pytest.mark.parametrize('mask', ['LoadTrueMaskAsHalf', 'LoadAnnotations'])
def test_loaders_that_read_label_files_pass(student, mask, extra):
    config, baseline = student(dict(IMAGE, color_type='unchanged'), dict(type=mask), **extra)
    assert check_label_files(config, baseline, 's') is None


def test_a_network_without_a_teacher_and_plain_loaders_are_not_tried(student):
    config, baseline = student(dict(type='LoadImageFromFile'), dict(type='LoadNumpyAnnotation'))
    del config['teacher'], config['train_dataloader']['dataset']['label_dir']
    assert check_label_files(config, baseline, 's') is None
    assert check_label_files(*student(IMAGE, MASK), 's') is None
