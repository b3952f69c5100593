"""The command that segments a folder: what it writes, the images that it refuses, and the input that it refuses."""

import hashlib
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from PIL import Image

from plugins.tools.segment_folder import NotUsable, _suffixes, image_steps, main, read_exported, segment

CONFIG = """
default_scope = 'mmseg'
model = dict(
    type='EncoderDecoder', data_preprocessor=dict(type='SegDataPreProcessor', mean=[110.0] * 3, std=[60.0] * 3,
    size_divisor=4, test_cfg=dict(size_divisor=4)), backbone=dict(type='UNet', base_channels=4, num_stages=2,
    strides=(1, 1), enc_num_convs=(1, 1), dec_num_convs=(1,), downsamples=(True,), enc_dilations=(1, 1),
    dec_dilations=(1,)), decode_head=dict(type='FCNHead', in_channels=4, in_index=1, channels=4, num_convs=1,
    num_classes=3), test_cfg=dict(mode='whole'))
custom_imports = dict(imports=['plugins.hooks.inference', 'plugins.views.flip', 'plugins.refine.fill_holes'])
custom_hooks = [dict(type='InferenceHook')]
inference = dict(
    views=dict(plain=dict(type='IdentityView'), h=dict(type='FlipView', direction='horizontal')),
    refine=dict(holes=dict(type='FillHoles', order=1, max_size=64)))
test_dataloader = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False), dataset=dict(
    type='RepeatDataset', times=1, dataset=dict(type='BaseSegDataset', data_root='gone', img_suffix='.dat', pipeline=[
        dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')])))
test_cfg = dict(type='TestLoop')
test_evaluator = dict(type='IoUMetric')
"""
META = dict(classes=('ground', 'cell', 'wall'), palette=[[9, 9, 9], [255, 0, 0], [0, 0, 255]], background=0)


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """A stack with random weights; don't write to it."""
    folder = tmp_path_factory.mktemp('exported')
    (folder / 'config.py').write_text(CONFIG)
    torch.manual_seed(1)
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(Config.fromfile(folder / 'config.py').model)
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=META)), folder / 'checkpoint.pth')
    digest = hashlib.sha256((folder / 'checkpoint.pth').read_bytes()).hexdigest()
    (folder / 'manifest.json').write_text(json.dumps({'files': {'checkpoint.pth': {'sha256': digest}}}))
    return folder


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    """Five images of several sizes and formats in two folders, three broken ones, and a note; don't write to it."""
    folder, rng = tmp_path_factory.mktemp('images'), np.random.default_rng(0)
    (folder / 'more').mkdir()
    for name, size in (('a.png', (20, 24)), ('b.JPG', (16, 40)), ('more/c.tif', (12, 12)), ('more/a.bmp', (9, 31))):
        Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(folder / name)
    Image.fromarray(rng.integers(0, 256, (20, 20), np.uint8)).save(folder / 'grey.png')
    whole = (folder / 'a.png').read_bytes()
    (folder / 'cut.png').write_bytes(whole[: len(whole) // 2])
    (folder / 'empty.png').touch()
    (folder / 'words.tif').write_text('no image')
    (folder / 'note.txt').write_text('no image')
    (folder / '.hidden.png').write_bytes(whole)
    return folder


@pytest.fixture(scope='module')
def segmented(exported, images, tmp_path_factory):
    """What the command has written and said."""
    out, lines = tmp_path_factory.mktemp('segmented') / 'out', []
    refused = segment(exported, images, out, probabilities=True, overlays=True, tell=lines.append)
    return out, refused, lines


GOOD = dict(a=(20, 24), b=(16, 40), grey=(20, 20)) | {'more/a': (9, 31), 'more/c': (12, 12)}


def written(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob('*') if path.is_file())


@pytest.mark.parametrize('kind, suffix', [('labels', 'png'), ('probabilities', 'npz'), ('overlays', 'png')])
def test_each_good_image_has_its_files_and_no_other_is_left(segmented, kind, suffix):
    out, _, _ = segmented
    assert written(out / kind) == sorted(f'{name}.{suffix}' for name in GOOD)


def test_labels_are_of_the_size_of_the_image_in_eight_bits_and_one_channel(segmented):
    out, _, _ = segmented
    for name, size in GOOD.items():
        image = Image.open(out / 'labels' / f'{name}.png')
        assert image.mode == 'L' and np.asarray(image).shape == size and np.asarray(image).max() < 3


def test_probabilities_are_those_of_all_views_before_refinements(segmented):
    out, _, _ = segmented
    for name, size in GOOD.items():
        q = np.load(out / 'probabilities' / f'{name}.npz')['q']
        assert q.dtype == np.uint16 and q.shape == (3, *size)
        assert np.abs(q.sum(axis=0, dtype=int) - 65535).max() <= 2
        labels = np.asarray(Image.open(out / 'labels' / f'{name}.png'))
        assert (labels == q.argmax(axis=0)).mean() > 0.5  # all but the holes that were filled


def test_overlays_leave_the_background_as_it_was(segmented, images):
    out, _, _ = segmented
    image, overlay = (
        np.asarray(Image.open(path).convert('RGB')) for path in (images / 'a.png', out / 'overlays/a.png')
    )
    labels = np.asarray(Image.open(out / 'labels' / 'a.png'))
    assert (overlay[labels == 0] == image[labels == 0]).all()
    expected = (image.astype(int) + np.array(META['palette'])[labels]) // 2
    assert (overlay[labels > 0] == expected[labels > 0]).all() and (labels > 0).any()


def test_bad_images_are_named_and_the_others_go_on(segmented, images):
    _, refused, lines = segmented
    assert refused == [str(images / name) for name in ('cut.png', 'empty.png', 'words.tif')]
    assert all(any(line.startswith(f'{path}: not segmented: ') for line in lines) for path in refused)
    assert "left out, because the suffix is no image's: note.txt" in lines


def test_the_exit_status_tells(exported, images, tmp_path, capsys):
    few = tmp_path / 'few'
    few.mkdir()
    shutil.copy(images / 'a.png', few)
    main([str(exported), str(few), '--out', str(tmp_path / 'out')])
    assert written(tmp_path / 'out') == ['labels/a.png'] and 'out/labels' in capsys.readouterr().out
    shutil.copy(images / 'cut.png', few)
    with pytest.raises(SystemExit) as ended:
        main([str(exported), str(few), '--out', str(tmp_path / 'out')])
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert f'{few / "cut.png"}: not segmented' in said and 'not segmented: 1 of the images' in said


def copied(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / 'copy')


def test_a_damaged_or_unsafe_checkpoint_is_refused(exported, images, tmp_path):
    copy = copied(exported, tmp_path)
    (copy / 'checkpoint.pth').write_bytes((copy / 'checkpoint.pth').read_bytes()[:-10])
    with pytest.raises(NotUsable, match='is not the file that was exported'):
        segment(copy, images, tmp_path / 'out')
    (copy / 'manifest.json').unlink()
    with pytest.raises(NotUsable, match='no exported checkpoint of weights alone'):
        read_exported(copy)
    torch.save(dict(state_dict={}, meta=dict(dataset_meta=META), more=subprocess.Popen), copy / 'checkpoint.pth')
    with pytest.raises(NotUsable, match='Popen'):
        read_exported(copy)
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    'arguments, said',
    [
        (('{images}', '{images}', '--out', '{new}'), 'has no config.py'),
        (('{exported}', '{new}', '--out', '{new}'), 'is no folder'),
        (('{exported}', '{exported}', '--out', '{new}'), 'holds no images'),
        (('{exported}', '{images}', '--out', '{images}/more/out'), 'lies in the folder of images'),
        (('{exported}', '{images}', '--out', '{images}'), 'lies in the folder of images'),
    ],
)
def test_wrong_input_ends_with_status_2_and_a_message(exported, images, tmp_path, capsys, arguments, said):
    places = dict(exported=exported, images=images, new=tmp_path / 'new')
    with pytest.raises(SystemExit) as ended:
        main([argument.format(**places) for argument in arguments])
    assert ended.value.code == 2 and said in capsys.readouterr().err and not (tmp_path / 'new').exists()


def test_two_images_of_one_name_are_refused(exported, images, tmp_path):
    twins = tmp_path / 'twins'
    twins.mkdir()
    for name in ('a.png', 'a.jpg'):
        shutil.copy(images / 'a.png', twins / name)
    with pytest.raises(NotUsable, match='a.jpg and .*a.png would have labels of one name'):
        segment(exported, twins, tmp_path / 'out')


def test_suffixes_of_the_test_data_count_as_images(exported, images, tmp_path):
    own = tmp_path / 'own'
    own.mkdir()
    shutil.copy(images / 'a.png', own / 'scan.1.dat')
    assert segment(exported, own, tmp_path / 'out') == [] and written(tmp_path / 'out') == ['labels/scan.1.png']


def test_suffixes_of_merged_data_sets_count_as_images(tmp_path):
    merged = "dict(type='MergedSplits', sources=[dict(img_suffix='.dat'), dict(img_suffix=('.raw', '.dat'))])"
    (tmp_path / 'config.py').write_text(f'test_dataloader = dict(dataset=dict(times=1, dataset={merged}))')
    assert _suffixes(tmp_path) == {'.dat', '.raw'}


def test_modules_that_were_exported_with_the_stack_are_imported(exported, images, tmp_path):
    copy = copied(exported, tmp_path)
    text = CONFIG.replace("'plugins.views.flip'", "'plugins.views.flip', 'module_of_an_export'")
    (copy / 'config.py').write_text(text)
    with pytest.raises(NotUsable, match='module_of_an_export'):
        read_exported(copy)
    (copy / 'modules').mkdir()
    (copy / 'modules' / 'module_of_an_export.py').touch()
    read_exported(copy)
    assert 'module_of_an_export' in sys.modules
    sys.path.remove(str(copy / 'modules'))


def test_steps_that_load_masks_are_left_out():
    steps = [
        dict(type=name) for name in ('LoadImageFromFile', 'LoadAnnotations', 'Resize', 'LoadMyMask', 'PackSegInputs')
    ]
    kept = image_steps(dict(datasets=[dict(dataset=dict(pipeline=steps))]))
    assert [step['type'] for step in kept] == ['LoadImageFromFile', 'Resize', 'PackSegInputs']
    with pytest.raises(NotUsable, match='no pipeline'):
        image_steps(dict(type='Own'))
