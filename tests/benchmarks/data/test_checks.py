import os
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.data.checks import check_split
from benchmarks.errors import BadInput


def _refusal(split, num_classes=2):
    with pytest.raises(BadInput) as caught:
        check_split(split, num_classes)
    return str(caught.value)


def test_a_good_split_passes(make_split):
    split = make_split(labels=(0, 1, 255))
    check_split(split, 2)
    assert 'label 1' in _refusal(split, num_classes=1)


def test_an_empty_split_names_its_folder(tmp_path, make_split):
    text = _refusal(make_split(n=0))
    assert f'train data: no image found in {tmp_path}/data/img' in text and 'img_suffix' in text


def test_images_without_masks_are_counted_and_the_first_named(tmp_path, make_split):
    split = make_split()
    for i in range(4):
        (tmp_path / 'data' / 'ann' / f'{i}.png').unlink()
    text = _refusal(replace(split, masks=[*split.masks[:4], '']))
    assert text.startswith('train data: 5 image(s) without their mask')
    assert 'img/0.png' in text and 'img/2.png' in text and 'img/3.png' not in text and 'and 2 more' in text
    assert 'seg_map_suffix' in text


@pytest.mark.parametrize('name, refused', [('test', True), ('train', False)])
def test_an_image_that_is_tested_twice_is_refused(name, refused, make_split):
    split = make_split(name=name)
    twice = replace(split, **{field: getattr(split, field) * 2 for field in ('images', 'masks', 'names', 'groups')})
    repeated = replace(split, samples=15)
    check_split(replace(split, samples=5), 2)
    if refused:
        text = _refusal(twice)
        assert text.startswith('test data: 5 image(s) stand in the data set more than once') and 'img/0.png' in text
        assert 'ConcatDataset' in text
        assert '15 samples of 5 images' in _refusal(repeated) and 'RepeatDataset' in _refusal(repeated)
    else:
        check_split(twice, 2)
        check_split(repeated, 2)


def test_a_missing_image_is_named(tmp_path, make_split):
    split = make_split()
    (tmp_path / 'data' / 'img' / '1.png').unlink()
    assert 'do not exist' in _refusal(split) and 'img/1.png' in _refusal(split)


@pytest.mark.parametrize('name, shown', [(b'a\xff.png', 'a\\udcff.png'), (b'a\rb.png', 'a\\rb.png')])
def test_an_image_whose_name_is_no_text_is_refused_and_shown_as_far_as_it_can_be(tmp_path, make_split, name, shown):
    split = make_split()
    name = str(tmp_path / 'data' / 'img' / os.fsdecode(name))
    os.rename(split.images[1], name)
    text = _refusal(replace(split, images=[split.images[0], name, *split.images[2:]]))
    assert 'train data: 1 image(s) whose names are no UTF-8' in text and f"img/{shown}'. Rename them" in text
    text.encode()


def test_an_image_that_claims_to_be_huge_is_refused_without_being_decoded(tmp_path, make_split):
    def chunk(kind, content):
        body = kind + content
        return struct.pack('>I', len(content)) + body + struct.pack('>I', zlib.crc32(body))

    split = make_split(name='test')
    header = chunk(b'IHDR', struct.pack('>IIBBBBB', 60_000, 60_000, 8, 0, 0, 0, 0))
    content = b'\x89PNG\r\n\x1a\n' + header + chunk(b'IDAT', zlib.compress(bytes(999))) + chunk(b'IEND', b'')
    for path in (split.images[3], split.masks[4]):
        Path(path).write_bytes(content)
    images, masks = _refusal(split).splitlines()
    assert 'img/3.png cannot be read (Image size (3600000000 pixels) exceeds' in images and 'ann/4.png' in masks


def test_unreadable_files_are_named(tmp_path, make_split):
    split = make_split()
    (tmp_path / 'data' / 'img' / '2.png').write_bytes(b'')
    (tmp_path / 'data' / 'ann' / '3.png').write_bytes(b'nonsense')
    lines = _refusal(split).splitlines()
    assert len(lines) == 2
    assert '1 image(s) cannot be used' in lines[0] and 'img/2.png' in lines[0]
    assert '1 mask(s) cannot be used' in lines[1] and 'ann/3.png' in lines[1]


def test_a_mask_of_another_size_is_named_with_both_sizes(tmp_path, make_split):
    split = make_split()
    Image.fromarray(np.zeros((8, 6), np.uint8)).save(tmp_path / 'data' / 'ann' / '4.png')
    text = _refusal(split)
    assert 'ann/4.png (8×6, image 6×8)' in text and 'another size' in text


@pytest.mark.parametrize(
    'labels, fields, num_classes, bad',
    [
        ((0, 1, 2), {}, 2, '2'),
        ((0, 1, 300), {}, 2, '300'),
        ((0, 1, 9), dict(ignore_index=9), 2, None),
        ((0, 1, 255), dict(ignore_index=9), 2, '255'),
        ((0, 1, 2, 255), dict(reduce_zero_label=True), 2, None),
        ((0, 1, 3), dict(reduce_zero_label=True), 2, '3'),
        ((0, 254), dict(reduce_zero_label=True), 2, '254'),
        ((0, 1, 2, 255), dict(label_map={0: 255, 1: 0, 2: 1}), 2, None),
        ((0, 1, 2, 3), dict(label_map={0: 255, 1: 0, 2: 1}), 2, '3'),
        ((0, 1, 2, 3), dict(label_map={0: 255, 1: 1, 2: 0}, reduce_zero_label=True), 2, None),
        ((0, 1, 2, 4), dict(label_map={0: 255, 1: 1, 2: 0}, reduce_zero_label=True), 2, '4'),
    ],
)
def test_labels_without_a_class(labels, fields, num_classes, bad, make_split):
    split = make_split(labels=labels, **fields)
    if bad is None:
        check_split(split, num_classes)
    else:
        text = _refusal(split, num_classes)
        assert f'ann/0.png (label {bad}; {num_classes} classes' in text
        assert ('after reduce_zero_label' in text) == split.reduce_zero_label


@pytest.mark.parametrize('label', [0, 1, 2, 3, 4, 100, 254, 255])
@pytest.mark.parametrize('label_map', [None, {0: 255, 1: 1, 2: 0}], ids=['as they are', 'mapped'])
@pytest.mark.parametrize('reduce_zero_label', [False, True], ids=['kept', 'reduced'])
def test_labels_are_valid_exactly_when_mmseg_loads_classes_or_void(reduce_zero_label, label_map, label, make_split):
    import mmseg.datasets.transforms  # noqa: F401
    from mmseg.registry import TRANSFORMS

    split = make_split(labels=(label,), n=1, reduce_zero_label=reduce_zero_label, label_map=label_map)
    results = dict(seg_map_path=split.masks[0], reduce_zero_label=reduce_zero_label, label_map=label_map, seg_fields=[])
    loaded = TRANSFORMS.build(dict(type='LoadAnnotations'))(results)['gt_seg_map'][0, 0]
    if loaded in (0, 1, 255):
        check_split(split, 2)
    else:
        assert f'label {label};' in _refusal(split)


@pytest.mark.parametrize(
    'labels, fields, cure',
    [
        ((0, 128), {}, 'probably {128: 1}'),
        ((0, 1, 65535), {}, 'loaded with 8 bits, so 65535 would become 255'),
        ((0, 65535), {}, 'probably {65535: 1}'),
        ((1, 2), {}, 'The labels are 1 … 2: if 0 is void, set reduce_zero_label=True'),
        ((0, 1, 2), {}, 'otherwise num_classes is 3'),
        ((0, 1, 254), {}, 'If 254 is void, set ignore_index=254'),
        ((0, 1, 3), dict(reduce_zero_label=True), 'labels after reduce_zero_label'),
        ((0, 1, 5, 9, 30), {}, "Set the model's num_classes"),
    ],
)
def test_the_cure_is_for_the_labels_in_place(make_split, labels, fields, cure):
    assert cure in _refusal(make_split(labels=labels, **fields)).splitlines()[1]


def test_masks_with_a_palette_are_refused_where_the_backend_makes_colours_of_them(make_split):
    split = make_split()
    for path in split.masks[:2]:
        image = Image.open(path)
        image.putpalette([0, 0, 0, 200, 0, 0])
        image.save(path)
    check_split(split, 2)
    text = _refusal(replace(split, mask_backend='cv2'))
    assert "2 mask(s) with a palette, which imdecode_backend='cv2' of LoadAnnotations" in text
    assert 'ann/0.png, ' in text and "default, 'pillow', reads the indices" in text


def test_a_cut_off_mask_is_to_be_replaced_and_not_to_be_converted(make_split):
    split = make_split()
    path = Path(split.masks[2])
    path.write_bytes(path.read_bytes()[:60])
    text = _refusal(split)
    assert 'ann/2.png cannot be read' in text and 'replace them' in text and 'one-channel' not in text


def test_labels_that_jpeg_made_are_told_as_such(make_split, tmp_path):
    split = make_split()
    masks = [str(tmp_path / f'{number}.jpg') for number in range(len(split.masks))]
    for path in masks:
        pixels = np.kron(np.array([[0, 1], [255, 0]], np.uint8), np.ones((3, 4), np.uint8))
        Image.fromarray(pixels).save(path, quality=30)
    text = _refusal(replace(split, masks=masks))
    assert 'Write the masks as PNG' in text and 'num_classes' not in text
