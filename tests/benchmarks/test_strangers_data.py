"""Journeys on data as strangers bring them: what the dry run refuses, and what it says.

The sources are small discs, and real nuclei where ``DSB2018_ROOT`` names them.
"""

import io
from pathlib import Path

import likeness
import pytest

from benchmarks.cli import main

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
BASELINE = """
_base_ = [{models!r}, {runtime!r}, {schedule!r}]
custom_imports = dict(imports=['plugins.datasets.images_and_masks'])
crop = (32, 32)
model = dict(
    backbone=dict(base_channels=4), decode_head=dict(in_channels=4, channels=4, num_classes={classes}),
    data_preprocessor=dict(size=crop))
load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
data = dict(
    type='BaseSegDataset', data_root={root!r}, img_suffix='.png', seg_map_suffix='.png',
    metainfo=dict(classes=('background', 'left', 'right')[:{classes}], background=0))
data.update({data})
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='InfiniteSampler'), dataset=dict(
        **data, data_prefix=dict(img_path='img_dir/train', seg_map_path='ann_dir/train'),
        pipeline=[*load, dict(type='RandomCrop', crop_size=crop), dict(type='PackSegInputs')]))
test_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False), dataset=dict(
        **data, data_prefix=dict(img_path='img_dir/test', seg_map_path='ann_dir/test'),
        pipeline=[*load, dict(type='PackSegInputs')]))
test_evaluator = dict(type='IoUMetric')
train_cfg = dict(max_iters=4)
param_scheduler = [dict(type='PolyLR', eta_min=1e-5, power=0.9, begin=0, end=4, by_epoch=False)]
"""
PARTS = dict(models='models/unet_small.py', runtime='runtime.py', schedule='schedules/schedule_small.py')
VOID_254 = """
model['decode_head'].update(ignore_index=254)
model['data_preprocessor'].update(seg_pad_val=254)
test_evaluator.update(ignore_index=254)
"""
DEEP = 'load[0].update(color_type="unchanged", to_float32=True)\n'


@pytest.fixture(scope='module', params=['small_nuclei', 'real_nuclei'])
def source(request, tmp_path_factory):
    return getattr(likeness, request.param)(tmp_path_factory.mktemp('source'), per_split=6)


@pytest.fixture
def dry_run(source, tmp_path, monkeypatch, capsys):
    """Exit status, standard output and errors of the dry run on a likeness."""
    for name in ('ABLATION_WORK_DIR', 'PYTHONPATH', 'CUDA_VISIBLE_DEVICES', 'PYTORCH_NVML_BASED_CUDA_CHECK'):
        monkeypatch.setenv(name, '')
    monkeypatch.setattr('sys.stdin', io.StringIO())

    def run(turn, data='', then='', classes=2, techniques=('tta_flips',)):
        root = turn(source, tmp_path / 'data')
        parts = {name: str(ROOT / 'configs' / '_base_' / path) for name, path in PARTS.items()}
        text = BASELINE + then
        (tmp_path / 'base.py').write_text(text.format(root=str(root), data=f'dict({data})', classes=classes, **parts))
        design = dict(type='each_alone', techniques=list(techniques))
        (tmp_path / 'journey.py').write_text(f"title = 'Journey'\nbaseline = 'base.py'\ndesigns = [{design!r}]\n")
        status = main([str(tmp_path / 'journey.py'), '--work-dir', str(tmp_path / 'work'), '--dry-run'], ROOT)
        return status, *capsys.readouterr()

    return run


@pytest.mark.parametrize('suffix', ['.gif', '.png'])
def test_masks_of_0_and_255_are_refused_with_both_splits_and_the_label_map(dry_run, suffix):
    status, _, said = dry_run(
        lambda source, root: likeness.masks_of_0_and_255(source, root, suffix), f'seg_map_suffix={suffix!r}'
    )
    assert status == 2
    for split in ('train data', 'test data'):
        assert f"{split}: class 1 'left' occurs in none of the 6 masks" in said
    assert 'label_map={255: 1} of ImagesAndMasks' in said


def test_the_label_map_of_the_refusal_cures_it(dry_run):
    status, out, _ = dry_run(
        lambda source, root: likeness.masks_of_0_and_255(source, root),
        "type='ImagesAndMasks', label_map={255: 1}, seg_map_suffix='.gif'",
    )
    assert status == 0 and '1 left' in out and 'warning' not in out


def test_tiff_images_are_read(dry_run):
    status, out, _ = dry_run(likeness.tiff_images, "img_suffix='.tif'", techniques=('crf', 'cbam'))
    assert status == 0 and 'train: 6 images' in out and 'warning' not in out


def test_an_image_of_seven_channels_is_refused_by_its_name_where_the_loader_cannot_take_it(dry_run):
    status, _, said = dry_run(likeness.seven_channels, "img_suffix='.tif'")
    assert status == 2 and 'img_dir/test/' in said and '.tif' in said and 'Traceback' not in said, said


def test_names_of_all_scripts_are_read(dry_run):
    status, out, said = dry_run(likeness.names_of_all_scripts)
    assert status == 0 and 'train: 6 images' in out and 'test: 6 images' in out and 'warning' not in out, said


def test_files_of_another_suffix_are_missed(dry_run):
    status, out, _ = dry_run(likeness.mixed_suffixes)
    assert status == 0 and 'train: 3 images' in out
    assert out.count('3 image file(s)') == 2 and '01.PNG, 03.PNG, 05.PNG' in out


def test_a_void_label_that_nothing_declares_is_refused(dry_run):
    status, _, said = dry_run(likeness.void_rim)
    assert status == 2 and 'label 254; 2 classes' in said and 'ignore_index=254' in said
    assert 'train data' in said and 'test data' in said


def test_a_void_label_of_254_is_declared_once_for_all(dry_run):
    status, _, said = dry_run(likeness.void_rim, 'ignore_index=254')
    assert status == 2 and 'model.decode_head.ignore_index' in said and 'seg_pad_val' in said


def test_techniques_follow_a_void_label_of_254(dry_run):
    techniques = ('cut_out', 'elastic', 'pseudo_labels', 'ohem', 'focal_dice_boundary')
    status, out, said = dry_run(likeness.void_rim, 'ignore_index=254', VOID_254, techniques=techniques)
    assert (status, said.count('error')) == (0, 0) and 'void' in out


def test_sixteen_bits_that_become_nearly_black_are_pointed_out(dry_run):
    status, out, _ = dry_run(likeness.sixteen_bits)
    assert status == 0 and 'images of 1×16 bits' in out
    assert "color_type='unchanged', to_float32=True" in ' '.join(out.split())


def test_frames_of_a_video_count_as_dependent_once_groups_are_declared(dry_run):
    status, out, _ = dry_run(likeness.video_frames)
    assert status == 0 and 'near-identical' in out and "group='(.*)_frame'" in out


def test_declared_groups_silence_the_note_on_frames(dry_run):
    status, out, _ = dry_run(likeness.video_frames, "type='ImagesAndMasks', group='(.*)_frame'")
    assert status == 0 and 'near-identical' not in out and '6 groups' in out


@pytest.mark.parametrize('split, consequence', [('test', 'mDice and mIoU are undefined'), ('train', 'nothing can be')])
def test_a_class_that_a_split_lacks_is_pointed_out(dry_run, split, consequence):
    status, out, _ = dry_run(lambda source, root: likeness.class_that_a_split_lacks(source, root, split), classes=3)
    assert status == 0 and f"{split} data: class 2 'right' occurs in none of the 6 masks" in out
    assert consequence in out
