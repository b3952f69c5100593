import os

import likeness
import pytest

from benchmarks.data.checks import check_split
from benchmarks.data.left_out import LeftOut
from benchmarks.data.split import cached_split, list_split
from benchmarks.errors import BadInput


def _config(root, split='train', **extra):
    prefix = dict(img_path=f'img_dir/{split}', seg_map_path=f'ann_dir/{split}')
    metainfo = dict(classes=('background', 'nucleus'), background=0)
    base = dict(type='BaseSegDataset', data_root=str(root), metainfo=metainfo, data_prefix=prefix, pipeline=[])
    return base | dict(img_suffix='.png', seg_map_suffix='.png') | extra


@pytest.fixture(scope='module')
def nuclei(tmp_path_factory):
    return likeness.small_nuclei(tmp_path_factory.mktemp('nuclei'))


def test_files_of_another_suffix_are_counted_and_named_for_each_split(nuclei, tmp_path):
    likeness.mixed_suffixes(nuclei, tmp_path)
    for name in ('train', 'test'):
        split = list_split(name, _config(tmp_path, name))
        (left,) = split.left_out  # their masks are not told a second time
        assert left == LeftOut('image', f'{tmp_path}/img_dir/{name}', '.png', 3, ('01.PNG', '03.PNG', '05.PNG'))
        text = left.text(name, len(split.images))
        assert text.startswith(f'{name} data: 3 image file(s) in') and "do not end with '.png': 01.PNG" in text
        assert '3 are used' in text and 'capital' in text


@pytest.mark.parametrize('suffixes', [('.jpg', '.jpeg'), ('.jpg', '.JPG'), ('.png', '.tif', '.bmp')])
def test_every_image_suffix_counts(nuclei, tmp_path, suffixes):
    likeness.mixed_suffixes(nuclei, tmp_path, suffixes)
    (left,) = list_split('train', _config(tmp_path, img_suffix=suffixes[0])).left_out
    assert left.files == 6 - 6 // len(suffixes)


def test_a_clean_folder_and_other_files_leave_no_note(nuclei, tmp_path):
    likeness.tiff_images(nuclei, tmp_path)
    (tmp_path / 'img_dir' / 'train' / 'notes.txt').write_text('')
    (tmp_path / 'img_dir' / 'train' / '._00.tif').write_text('')
    (tmp_path / 'ann_dir' / 'train' / '00_color.gif').write_text('')
    assert list_split('train', _config(tmp_path, img_suffix='.tif')).left_out == ()


def test_masks_without_an_image_are_named(nuclei, tmp_path):
    likeness.tiff_images(nuclei, tmp_path)
    (tmp_path / 'img_dir' / 'train' / '02.tif').unlink()
    (left,) = list_split('train', _config(tmp_path, img_suffix='.tif')).left_out
    assert left.kind == 'mask' and left.first == ('02.png',)
    assert '1 mask(s) in' in left.text('train', 5) and "names end with '.tif'" in left.text('train', 5)


def test_images_and_masks_in_one_folder(nuclei, tmp_path):
    for path in (nuclei / 'img_dir' / 'train').iterdir():
        (tmp_path / f'{path.stem}_image.png').write_bytes(path.read_bytes())
        (tmp_path / f'{path.stem}_mask.png').write_bytes((nuclei / 'ann_dir' / 'train' / path.name).read_bytes())
    folder = dict(data_prefix=dict(img_path='', seg_map_path=''), img_suffix='_image.png', seg_map_suffix='_mask.png')
    assert list_split('train', _config(tmp_path, **folder)).left_out == ()


def test_a_split_list_leaves_files_out_on_purpose(nuclei, tmp_path):
    likeness.mixed_suffixes(nuclei, tmp_path)
    (tmp_path / 'list.txt').write_text('00\n02\n')
    split = list_split('train', _config(tmp_path, ann_file='list.txt'))
    assert len(split.images) == 2 and split.left_out == ()


def test_a_missing_mask_names_the_file_beside_it(nuclei, tmp_path):
    likeness.mixed_suffixes(nuclei, tmp_path)
    for path in (tmp_path / 'img_dir' / 'train').glob('*.PNG'):
        path.rename(path.with_suffix('.png'))
    with pytest.raises(BadInput, match=r'3 image\(s\) without their mask: .*01\.png; there is 01\.PNG'):
        check_split(list_split('train', _config(tmp_path)), 2)


def test_a_remembered_listing_knows_what_was_left_out_and_forgets_a_renamed_file(nuclei, tmp_path):
    likeness.mixed_suffixes(nuclei, tmp_path / 'data')
    for folder, _, files in os.walk(tmp_path / 'data'):
        for path in (folder, *(os.path.join(folder, name) for name in files)):
            os.utime(path, (1_500_000_000, 1_500_000_000))
    config = _config(tmp_path / 'data')
    first = cached_split('train', config, tmp_path / 'cache')
    assert cached_split('train', config, tmp_path / 'cache') == first and first.left_out[0].files == 3
    renamed = tmp_path / 'data' / 'img_dir' / 'train' / '01.PNG'
    renamed.rename(renamed.with_suffix('.png'))
    assert cached_split('train', config, tmp_path / 'cache').left_out[0].files == 2


def test_a_suffix_that_no_file_has_shows_those_there_are(nuclei, tmp_path):
    likeness.tiff_images(nuclei, tmp_path)
    (tmp_path / 'img_dir' / 'train' / 'notes.txt').write_text('')
    said = r"no image found in .*img_dir/train \(6 files '.tif' such as 00.tif, 1 files '.txt' such as notes.txt\)"
    with pytest.raises(BadInput, match=said):
        list_split('train', _config(tmp_path))
    for path in (tmp_path / 'img_dir' / 'test').iterdir():
        path.unlink()
    with pytest.raises(BadInput, match=r'img_dir/test \(it is empty\)'):
        list_split('test', _config(tmp_path, 'test'))


def test_a_data_set_that_finds_nothing_itself_shows_the_files_too(nuclei):
    import plugins.datasets.images_and_masks  # noqa: F401

    config = _config(nuclei, type='ImagesAndMasks', img_suffix='.tif')
    with pytest.raises(BadInput, match=r"no images \(suffixes .tif\); there is .* \(6 files '.png' such as 00.png\)"):
        list_split('train', config)
