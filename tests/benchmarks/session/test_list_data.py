"""The data of a grid: faults of all splits at once, cards, and warnings; in the likenesses of strangers' data."""

import shutil
from types import SimpleNamespace

import likeness
import numpy as np
import pytest
from PIL import Image

from benchmarks.data.findings import findings
from benchmarks.errors import BadInput
from benchmarks.session.data import list_data
from benchmarks.session.data_summary import card_lines, show_data
from benchmarks.stacks.plugin_code import PluginCode


def _dataset(root, name, **changes):
    base = dict(
        type='BaseSegDataset',
        data_root=str(root),
        data_prefix=dict(img_path=f'img_dir/{name}', seg_map_path=f'ann_dir/{name}'),
        metainfo=dict(classes=('background', 'vessel'), palette=[[0, 0, 0], [9, 9, 9]], background=0),
        img_suffix='.png',
        seg_map_suffix='.png',
        pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')],
    )
    return base | changes


@pytest.fixture(scope='module')
def nuclei(tmp_path_factory):
    return likeness.small_nuclei(tmp_path_factory.mktemp('nuclei'))


@pytest.fixture
def listed(tmp_path):
    """The data of a grid of one stack."""

    def listed(root, num_classes=2, train=None, test=None, **changes):
        config = dict(
            custom_imports=dict(imports=[]),
            model=dict(decode_head=dict(num_classes=num_classes)),
            train_dataloader=dict(dataset=_dataset(root, 'train', **changes) | (train or {})),
            test_dataloader=dict(dataset=_dataset(root, 'test', **changes) | (test or {})),
        )
        stacks = SimpleNamespace(paired={(): config}, code=PluginCode(()), layout=SimpleNamespace(stacks=[()]))
        return list_data(stacks, SimpleNamespace(with_protocol=config), tmp_path / 'cache')

    return listed


def _refusal(listed, *args, **changes):
    with pytest.raises(BadInput) as caught:
        listed(*args, **changes)
    return str(caught.value).splitlines()


def test_faults_of_both_splits_are_told_at_once(listed, nuclei, tmp_path):
    likeness.tiff_images(nuclei, tmp_path)
    (tmp_path / 'ann_dir' / 'train' / '00.png').unlink()
    for number in range(4):
        Image.fromarray(np.full((48, 56), 7, np.uint8)).save(tmp_path / 'ann_dir' / 'test' / f'{number:02d}.png')
    lines = _refusal(listed, tmp_path, img_suffix='.tif')
    assert lines[0].startswith('train data: 1 image(s) without their mask')
    assert lines[1].startswith('test data: 4 mask(s) with labels that the model has no class for')
    assert 'If 7 is void, set ignore_index=7' in lines[2]


def test_a_data_set_that_cannot_be_listed_does_not_hide_the_faults_of_the_other(listed, nuclei, tmp_path):
    likeness.masks_of_0_and_255(nuclei, tmp_path, '.png')
    lines = _refusal(listed, tmp_path, train=dict(type='NoSuchDataset'))
    assert 'NoSuchDataset' in lines[0] and lines[-1].startswith("test data: class 1 'vessel' occurs in none")


def test_masks_of_0_and_255_in_gif_files_are_refused_in_both_splits(listed, nuclei, tmp_path):
    likeness.masks_of_0_and_255(nuclei, tmp_path)
    lines = _refusal(listed, tmp_path, seg_map_suffix='.gif')
    assert [line.partition(':')[0] for line in lines] == ['train data', 'test data']
    assert all('label_map={255: 1}' in line for line in lines)


def test_an_error_of_one_split_does_not_hide_the_warning_on_the_same_fault_of_the_other(listed, nuclei, tmp_path):
    likeness.masks_of_0_and_255(nuclei, tmp_path, '.png')
    some = tmp_path / 'ann_dir' / 'train' / '00.png'  # a file that holds class 1 makes the fault a warning
    Image.fromarray(np.asarray(Image.open(some)) // 255).save(some)
    lines = _refusal(listed, tmp_path)
    assert lines[0].startswith("test data: class 1 'vessel' occurs in none")
    assert lines[1].startswith('train data: 5 of 6 masks hold 0 and 255 alone') and 'label_map={255: 1}' in lines[1]


def test_void_of_254_asks_for_an_ignore_index(listed, nuclei, tmp_path):
    likeness.void_rim(nuclei, tmp_path)
    assert any('set ignore_index=254 in the data sets' in line for line in _refusal(listed, tmp_path))
    card = listed(tmp_path, ignore_index=254).train.card
    assert card.void_pixels == card.values[254] > 0


def test_a_class_that_the_test_split_lacks_is_a_warning(listed, nuclei, tmp_path):
    likeness.class_that_a_split_lacks(nuclei, tmp_path)
    metainfo = dict(classes=('background', 'left', 'right'), palette=[[0] * 3, [1] * 3, [2] * 3], background=0)
    data = listed(tmp_path, num_classes=3, metainfo=metainfo)
    (warning,) = data.warnings
    assert warning.startswith("test data: class 2 'right' occurs in none of the 6 masks: mDice and mIoU are undefined")
    assert data.train.card.classes[2].images > 0


def test_frames_left_out_files_and_an_undeclared_background_are_warnings(listed, nuclei, tmp_path):
    likeness.video_frames(nuclei, tmp_path / 'video')
    (warning,) = listed(tmp_path / 'video').warnings
    assert "group='(.*)_frame'" in warning
    likeness.mixed_suffixes(nuclei, tmp_path / 'mixed')
    warnings = listed(tmp_path / 'mixed').warnings
    assert [text.partition(' in ')[0] for text in warnings] == [
        'train data: 3 image file(s)',
        'test data: 3 image file(s)',
    ]
    undeclared = dict(classes=('bg', 'vessel'), palette=[[0] * 3, [1] * 3])
    (warning,) = listed(nuclei, metainfo=undeclared).warnings
    assert 'metainfo=dict(…, background=0)' in warning


@pytest.mark.parametrize(
    'classes, message',
    [
        (('vessel', 'background'), "other classes, in another order: class 0 is 'background' in train and 'vessel' in"),
        (('background', 'vessels'), "other classes: class 1 is 'vessel' in train and 'vessels' in test"),
    ],
)
def test_classes_of_another_order_or_name_are_refused(listed, nuclei, classes, message):
    (line,) = _refusal(listed, nuclei, test=dict(metainfo=dict(classes=classes, background=0)))
    assert line.startswith(f'train and test data declare {message}') and 'the same metainfo.classes' in line


def test_labels_that_are_read_differently_are_a_warning(listed, nuclei):
    swapped = dict(type='ImagesAndMasks', label_map={0: 1, 1: 0})
    reader = dict(type='ImagesAndMasks')
    import plugins.datasets.images_and_masks  # noqa: F401

    (warning,) = listed(nuclei, train=swapped, test=reader).warnings
    assert warning.startswith(
        "train and test data read the masks differently: the value 0 becomes class 1 'vessel' in train and class 0 "
        "'background' in test"
    )
    assert 'train has label_map={0: 1, 1: 0}, reduce_zero_label=False' in warning
    assert listed(nuclei, train=swapped, test=swapped).warnings == ()


def test_the_cards_are_printed_in_a_few_lines(listed, nuclei, capsys):
    data = listed(nuclei)
    show_data(data)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and all(len(line) <= 120 for line in lines)
    assert lines[0] == 'train: 6 images, no groups declared, 48×56, images of 3×8 bits, masks of 1×8 bits'
    assert lines[1].startswith(
        '  pixels of each class, and the images that show it: 0 background 90.1 % in 6, 1 vessel'
    )
    assert lines[2].startswith('test: 6 images')
    assert card_lines('test', data.test.card) == lines[2:]


def test_the_second_look_reads_no_file(listed, nuclei, tmp_path, monkeypatch):
    import os

    from benchmarks.data import file_facts

    for folder, _, files in os.walk(nuclei):
        for path in (folder, *(os.path.join(folder, name) for name in files)):
            os.utime(path, (1_500_000_000, 1_500_000_000))
    first = listed(nuclei)
    for reader in ('read_image', 'read_mask', 'read_thumbnail'):
        monkeypatch.setattr(file_facts, reader, lambda path: pytest.fail(f'{path} was read again'))
    assert listed(nuclei).test.card == first.test.card


def test_files_that_stacks_read_through_pipelines_of_their_own_are_examined_once(nuclei, tmp_path, monkeypatch):
    from benchmarks.session import data as module

    examined = []
    monkeypatch.setattr(module, 'findings', lambda split, *rest: examined.append(split.name) or findings(split, *rest))
    paired = {}
    for stack, step in (((), []), (('flip',), [dict(type='RandomFlip')])):
        train, test = _dataset(nuclei, 'train'), _dataset(nuclei, 'test')
        paired[stack] = dict(
            custom_imports=dict(imports=[]),
            model=dict(decode_head=dict(num_classes=2)),
            train_dataloader=dict(dataset=train | dict(pipeline=[*train['pipeline'][:2], *step, train['pipeline'][2]])),
            test_dataloader=dict(dataset=test),
        )
    stacks = SimpleNamespace(paired=paired, code=PluginCode(()), layout=SimpleNamespace(stacks=[(), ('flip',)]))
    data = list_data(stacks, SimpleNamespace(with_protocol=paired[()]), tmp_path / 'cache')
    assert examined == ['train', 'test'] and len(data.by_config) == 3


def test_what_the_splits_share_is_kept_for_the_report(listed, nuclei, tmp_path):
    assert listed(nuclei).leaks == ()
    shutil.copytree(nuclei, tmp_path / 'leaking')
    train, test = (tmp_path / 'leaking' / 'img_dir' / name for name in ('train', 'test'))
    shutil.copy(train / '00.png', test / '00.png')
    Image.open(train / '01.png').convert('RGB').save(test / '01.png', compress_level=1)
    same, near = listed(tmp_path / 'leaking').leaks
    assert '(test 00 = train 00)' in same and '(test 01 ~ train 01)' in near


def test_a_test_image_that_validation_images_show_in_another_file_is_pointed_out(nuclei, tmp_path):
    """Values are chosen on validation images; this one is no training image."""
    shutil.copytree(nuclei, root := tmp_path / 'data')
    for kind in ('img_dir', 'ann_dir'):
        (root / kind / 'val').mkdir(exist_ok=True)
    first = sorted((root / 'img_dir' / 'test').iterdir())[0]
    shutil.copy(root / 'ann_dir' / 'test' / first.name, root / 'ann_dir' / 'val' / 'again.png')
    Image.open(first).point(lambda value: round(0.7 * value)).save(root / 'img_dir' / 'val' / 'again.png')
    config = dict(
        custom_imports=dict(imports=[]),
        model=dict(decode_head=dict(num_classes=2)),
        train_dataloader=dict(dataset=_dataset(root, 'train')),
        test_dataloader=dict(dataset=_dataset(root, 'test')),
        search=dict(data=_dataset(root, 'val')),
    )
    stacks = SimpleNamespace(paired={(): config}, code=PluginCode(()), layout=SimpleNamespace(stacks=[()]))
    data = list_data(stacks, SimpleNamespace(with_protocol=config), tmp_path / 'cache')
    (leak,) = data.leaks
    assert leak in data.warnings
    assert f'near-identical to a validation image, though not the same file (test {first.stem} ~ val again)' in leak
