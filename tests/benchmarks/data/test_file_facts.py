import hashlib
import os
import time

import numpy as np
import pytest
from PIL import Image

from benchmarks.data import file_facts
from benchmarks.data.file_facts import FileStore, read_image, read_mask
from benchmarks.files import read_json


def _noise(shape, high=256, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, high, shape, dtype)


@pytest.mark.parametrize('name', ['a.png', 'a.jpg', 'a.bmp', 'a.webp', 'a.tif'])
def test_size_and_digest_of_an_image(tmp_path, name):
    path = tmp_path / name
    Image.fromarray(_noise((30, 50, 3))).save(path)
    facts = read_image(str(path))
    assert (facts.height, facts.width, facts.problem) == (30, 50, None)
    assert facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_image_turned_by_its_exif_tag_has_the_loaded_size(tmp_path):
    import cv2

    path = tmp_path / 'a.jpg'
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(_noise((30, 50, 3))).save(path, exif=exif)
    facts = read_image(str(path))
    assert (facts.height, facts.width) == cv2.imread(str(path)).shape[:2] == (50, 30)


@pytest.mark.parametrize('name', ['a.png', 'a.jpg', 'a.bmp', 'a.webp'])
@pytest.mark.parametrize('keep', [0, 20, 0.6])
def test_a_cut_off_image_is_unreadable(tmp_path, name, keep):
    path = tmp_path / name
    Image.fromarray(_noise((60, 80, 3))).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    facts = read_image(str(path))
    assert facts.problem.startswith('cannot be read') and facts.height is None


def test_a_png_with_a_flipped_bit_is_unreadable(tmp_path):
    path = tmp_path / 'a.png'
    Image.fromarray(_noise((60, 80))).save(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    assert 'cannot be read' in read_image(str(path)).problem


def test_formats_that_need_their_own_loader_are_let_be(tmp_path):
    path = tmp_path / 'a.npy'
    np.save(path, _noise((5, 5)))
    for facts in (read_image(str(path)), read_mask(str(path))):
        assert (facts.height, facts.labels, facts.problem) == (None, None, None)


def _as_mmseg_loads(path):
    import mmseg.datasets.transforms  # noqa: F401
    from mmseg.registry import TRANSFORMS

    results = dict(seg_map_path=str(path), reduce_zero_label=False, seg_fields=[])
    return TRANSFORMS.build(dict(type='LoadAnnotations'))(results)['gt_seg_map']


@pytest.mark.parametrize('mode', ['L', 'P', '1'])
def test_labels_are_those_that_mmseg_loads(tmp_path, mode):
    path = tmp_path / 'a.png'
    if mode == '1':
        Image.fromarray(_noise((9, 7), 2).astype(bool)).save(path)
    else:
        image = Image.fromarray(np.array([[0, 3, 3], [7, 255, 0]], np.uint8))
        if mode == 'P':
            image.putpalette(_noise(768).tolist())
        image.save(path)
    with Image.open(path) as image:
        assert image.mode == mode
    facts = read_mask(str(path))
    loaded = _as_mmseg_loads(path)
    assert list(facts.labels) == np.unique(loaded).tolist()
    assert (facts.height, facts.width) == loaded.shape


def test_sixteen_bit_labels_are_seen_whole(tmp_path):
    path = tmp_path / 'a.png'
    Image.fromarray(np.array([[0, 256, 1000]], np.uint16)).save(path)
    assert read_mask(str(path)).labels == (0, 256, 1000)


def test_a_coloured_mask_is_a_problem_that_names_its_colours(tmp_path):
    path = tmp_path / 'a.png'
    Image.fromarray(np.array([[[0, 0, 0], [128, 0, 0]]], np.uint8)).save(path)
    assert read_mask(str(path)).problem == 'has 3 channels instead of one (colours (0, 0, 0), (128, 0, 0))'
    Image.fromarray(_noise((4, 4, 3))).save(path)
    assert read_mask(str(path)).problem.endswith(' …)')
    Image.fromarray(np.repeat(_noise((4, 4, 1)), 3, axis=2)).save(path)
    assert read_mask(str(path)).problem == 'has 3 channels instead of one (all equal: take the first)'


@pytest.mark.parametrize('mode, count', [('L', (3, 2, 1)), ('I;16', (3, 2, 1)), ('P', (3, 2, 1))])
def test_the_pixels_of_each_label_are_counted(tmp_path, mode, count):
    path = tmp_path / 'a.png'
    pixels = np.array([[0, 0, 0], [3, 3, 7]], np.uint16 if mode == 'I;16' else np.uint8)
    image = Image.fromarray(pixels)
    if mode == 'P':
        image.putpalette(_noise(768).tolist())
    image.save(path)
    facts = read_mask(str(path))
    assert (facts.labels, facts.counts, facts.palette) == ((0, 3, 7), count, mode == 'P')


@pytest.mark.parametrize(
    'name, pixels, channels, bits, palette',
    [
        ('a.png', _noise((5, 4, 3)), 3, 8, False),
        ('a.png', _noise((5, 4, 4)), 4, 8, False),
        ('a.png', _noise((5, 4), 999, np.uint16), 1, 16, False),
        ('a.png', _noise((5, 4), 2).astype(bool), 1, 1, False),
        ('a.tif', _noise((5, 4, 3)), 3, 8, False),
        ('a.tif', _noise((5, 4), 999, np.uint16), 1, 16, False),
        ('a.jpg', _noise((5, 4)), 1, 8, False),
        ('a.gif', _noise((5, 4)), 1, 8, True),
    ],
)
def test_channels_and_bits_of_a_file(tmp_path, name, pixels, channels, bits, palette):
    path = tmp_path / name
    Image.fromarray(pixels).save(path)
    facts = read_image(str(path))
    assert (facts.channels, facts.bits, facts.palette) == (channels, bits, palette)


def test_a_colour_png_of_16_bits_is_seen_as_such(tmp_path):
    import cv2

    path = tmp_path / 'a.png'
    cv2.imwrite(str(path), _noise((5, 4, 3), 4096, np.uint16))
    assert (read_image(str(path)).channels, read_image(str(path)).bits) == (3, 16)


def test_a_cut_off_mask_is_a_problem(tmp_path):
    path = tmp_path / 'a.png'
    Image.fromarray(_noise((60, 80))).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    assert 'cannot be read' in read_mask(str(path)).problem


@pytest.fixture
def old_image(tmp_path):
    path = tmp_path / 'a.png'
    Image.fromarray(_noise((6, 8), 3)).save(path)
    os.utime(path, (1_500_000_000, 1_500_000_000))
    return str(path)


def _never(path):
    raise AssertionError(f'{path} was read again')


def test_facts_are_remembered_by_role(old_image, tmp_path, monkeypatch):
    with FileStore(tmp_path / 'cache') as files:
        image, mask = files.images([old_image]), files.masks([old_image])
    assert image[0].labels is None and mask[0].labels == (0, 1, 2)
    monkeypatch.setattr(file_facts, 'read_image', _never)
    monkeypatch.setattr(file_facts, 'read_mask', _never)
    with FileStore(tmp_path / 'cache') as files:
        assert files.images([old_image]) == image and files.masks([old_image]) == mask


def test_without_a_folder_nothing_is_kept(old_image, tmp_path):
    with FileStore() as files:
        assert files.images([old_image])[0].height == 6
    assert [path.name for path in tmp_path.iterdir()] == ['a.png']


def test_a_new_time_stamp_or_size_is_read_again(old_image, tmp_path):
    with FileStore(tmp_path / 'cache') as files:
        before = files.images([old_image])[0]
    data = open(old_image, 'rb').read()
    open(old_image, 'wb').write(data[::-1])
    with FileStore(tmp_path / 'cache') as files:
        assert files.images([old_image])[0].sha256 != before.sha256
    open(old_image, 'wb').write(data + b'x')
    os.utime(old_image, (1_500_000_000, 1_500_000_000))
    with FileStore(tmp_path / 'cache') as files:
        assert files.images([old_image])[0].sha256 != before.sha256


def test_a_file_of_this_moment_is_not_remembered(old_image, tmp_path):
    os.utime(old_image)
    with FileStore(tmp_path / 'cache') as files:
        files.images([old_image])
    assert not (tmp_path / 'cache').exists()


def test_missing_files_and_folders_have_no_facts(old_image, tmp_path):
    found = FileStore().images([str(tmp_path / 'lost.png'), old_image, str(tmp_path)])
    assert [facts is None for facts in found] == [True, False, True]


@pytest.mark.parametrize(
    'content',
    [
        '',
        '{',
        '[1]',
        '{"version": 2}',
        '{"version": 2, "files": [2]}',
        '{"version": 0, "files": {}}',
        '{"version": 2, "files": {"image:PATH": [1]}}',
        '{"version": 2, "files": {"image:PATH": [SIZE, 1500000000000000000, {"a": 1}]}}',
    ],
)
def test_a_damaged_cache_is_ignored(old_image, tmp_path, content):
    content = content.replace('PATH', old_image).replace('SIZE', str(os.path.getsize(old_image)))
    (tmp_path / 'cache').mkdir()
    (tmp_path / 'cache' / 'files.json').write_text(content)
    with FileStore(tmp_path / 'cache') as files:
        assert files.images([old_image])[0].width == 8
    assert read_json(tmp_path / 'cache' / 'files.json')['files'].keys() == {f'image:{old_image}'}


def test_many_files_are_read_in_order_and_fast(tmp_path):
    paths = []
    for i in range(60):
        path = tmp_path / f'{i}.png'
        Image.fromarray(np.full((20, 20 + i), i, np.uint8)).save(path)
        os.utime(path, (1_500_000_000, 1_500_000_000))
        paths.append(str(path))
    with FileStore(tmp_path / 'cache') as files:
        facts = files.masks(paths)
    assert [(one.width, one.labels) for one in facts] == [(20 + i, (i,)) for i in range(60)]
    started = time.process_time()
    with FileStore(tmp_path / 'cache') as files:
        assert files.masks(paths) == facts
    assert time.process_time() - started < 0.5  # of this process: the machine may be busy


def test_it_is_told_how_many_files_are_read(tmp_path):
    paths = []
    for n in range(3):
        Image.new('RGB', (4, 4)).save(tmp_path / f'{n}.png')
        paths.append(str(tmp_path / f'{n}.png'))
    said = []
    FileStore(told=lambda done, total: said.append((done, total))).images(paths)
    assert said == [(1, 3), (2, 3), (3, 3)]
