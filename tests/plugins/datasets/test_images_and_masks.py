import cv2
import numpy as np
import pytest
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS
from PIL import Image

from plugins.datasets.images_and_masks import ImagesAndMasks

CLASSES = dict(classes=('background', 'leaf'), background=0)


def put(root, *names, value=1):
    """Files of these names; of an image every pixel is 7, of a mask every pixel is ``value``."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((4, 5, 3), 7, np.uint8) if name.startswith('images') else np.full((4, 5), value, np.uint8)
        Image.fromarray(pixels).save(path)


def put_pairs(root, *names):
    for name in names:
        put(root, f'images/{name}.jpg', f'masks/{name}.png')


def data(root, **arguments):
    prefix = dict(img_path='images', seg_map_path='masks')
    return ImagesAndMasks(**{**dict(data_root=str(root), data_prefix=prefix, metainfo=CLASSES), **arguments})


def listed(dataset, *keys):
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    return [tuple(info[key].rpartition('/')[2] for key in keys) for info in infos]


def names(dataset):
    return [path.rpartition('.')[0] for (path,) in listed(dataset, 'img_path')]


def test_images_and_masks_of_any_suffix_are_paired_by_name(tmp_path):
    put(tmp_path, 'images/a.PNG', 'images/b.tif', 'images/c.jpeg', 'masks/a.gif', 'masks/b.png', 'masks/c.TIFF')
    (tmp_path / 'images' / '.hidden.png').touch()
    (tmp_path / 'images' / 'notes.txt').touch()
    expected = [('a.PNG', 'a.gif'), ('b.tif', 'b.png'), ('c.jpeg', 'c.TIFF')]
    assert listed(data(tmp_path), 'img_path', 'seg_map_path') == expected


def test_the_samples_are_those_of_the_files(tmp_path):
    put(tmp_path, 'images/a.tif')
    put(tmp_path, 'masks/a.png', value=255)
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
    with DefaultScope.overwrite_default_scope('mmseg'):
        built = DATASETS.build(
            dict(
                type='ImagesAndMasks',
                data_root=str(tmp_path),
                data_prefix=dict(img_path='images', seg_map_path='masks'),
                metainfo=CLASSES,
                label_map={255: 1},
                pipeline=pipeline,
            )
        )
    sample = built[0]
    assert (sample['img'] == 7).all() and sample['img'].shape == (4, 5, 3)
    assert (sample['gt_seg_map'] == 1).all()
    assert built.metainfo['label_map'] == {255: 1}


def test_part_of_the_images_by_pattern_and_by_list(tmp_path):
    put_pairs(tmp_path, *(f'{field}_{number}' for field in 'ab' for number in range(5)))
    train, test = data(tmp_path, include='_[0-2]$'), data(tmp_path, exclude='_[0-2]$')
    assert len(train) == 6 and len(test) == 4 and not set(names(train)) & set(names(test))
    (tmp_path / 'train.txt').write_text('b_0\na_4.jpg\n\n')
    assert names(data(tmp_path, ann_file='train.txt')) == ['b_0', 'a_4']
    assert names(data(tmp_path, ann_file='train.txt', include='^a')) == ['a_4']


def test_a_mask_may_have_another_name(tmp_path):
    put(tmp_path, 'images/21_training.tif', 'masks/21_manual1.gif')
    found = listed(data(tmp_path, mask_name=('_training$', '_manual1')), 'img_path', 'seg_map_path')
    assert found == [('21_training.tif', '21_manual1.gif')]


def test_images_and_masks_may_share_a_folder(tmp_path):
    put(tmp_path, 'images/a.jpg', 'images/a_mask.png', 'images/b.jpg', 'images/b_mask.png')
    prefix = dict(img_path='images', seg_map_path='images')
    shared = data(tmp_path, data_prefix=prefix, exclude='_mask$', mask_name=('$', '_mask'))
    assert listed(shared, 'img_path', 'seg_map_path') == [('a.jpg', 'a_mask.png'), ('b.jpg', 'b_mask.png')]


def test_images_without_a_folder_of_masks(tmp_path):
    put(tmp_path, 'images/a.jpg')
    assert 'seg_map_path' not in data(tmp_path, data_prefix=dict(img_path='images')).get_data_info(0)


def groups(dataset):
    return [dataset.get_data_info(index).get('group') for index in range(len(dataset))]


class ByFirstLetter(ImagesAndMasks):
    def group_of(self, name):
        return name[0]


def test_groups_by_expression_by_table_and_by_method(tmp_path):
    put_pairs(tmp_path, 'a_frame1', 'a_frame2', 'b_frame1')
    assert groups(data(tmp_path)) == [None] * 3
    assert groups(data(tmp_path, group='(.*)_frame')) == ['a', 'a', 'b']
    (tmp_path / 'groups.csv').write_text('file,eye,patient\nb_frame1.jpg,l,p2\na_frame1,l,p1\na_frame2,r,p1\n')
    table = dict(csv='groups.csv', image='file', group='patient')
    assert groups(data(tmp_path, group=table)) == ['p1', 'p1', 'p2']
    assert groups(data(tmp_path, group=table, include='^b')) == ['p2']  # rows of the other split are no mistake
    prefix = dict(img_path='images', seg_map_path='masks')
    assert groups(ByFirstLetter(data_root=str(tmp_path), data_prefix=prefix, metainfo=CLASSES)) == ['a', 'a', 'b']


@pytest.mark.parametrize(
    'arguments, message',
    [
        (dict(group='(.*)_slice'), r"group '\(\.\*\)_slice' gives these images no group: a_frame1, a_frame2, b$"),
        (dict(group='(.*)_frame'), 'gives these images no group: b$'),
        (dict(group='.*_frame'), r"group '.*' has 0 groups \( \); give it one"),
        (dict(group='(.*'), 'is no regular expression'),
        (dict(group=dict(csv='x.csv')), 'give a regular expression, or dict'),
        (dict(include='^c'), r'no image of .*images \(3 images, such as a_frame1.*include=\^c'),
        (dict(exclude='('), r"exclude '\(' is no regular expression"),
        (dict(mask_name=('a_frame1', 'b')), 'mask_name gives several images these masks: b$'),
        (dict(mask_name=('a_frame1', 'c')), r'no mask of these images; .*: a_frame1 \(mask c\)$'),
        (dict(mask_name=('a',)), 'mask_name is .*; give two texts'),
        (dict(img_suffix='.png'), 'images holds no images'),
    ],
)
def test_declarations_that_do_not_fit_the_files_are_refused(tmp_path, arguments, message):
    put_pairs(tmp_path, 'a_frame1', 'a_frame2', 'b')
    with pytest.raises(ValueError, match=message):
        data(tmp_path, **arguments)


@pytest.mark.parametrize(
    'table, message',
    [
        ('file,patient\na,1\n', 'has no row for these images: b$'),
        ('file,patient\na,1\nb,1\nc,1\n', 'has rows without a file in .*images: c$'),
        ('file,patient\na,1\nb,\n', 'has rows without a group: b$'),
        ('file,patient\na,1\nb,1\na,2\n', 'gives these images two groups: a$'),
        ('name,patient\na,1\n', r"lacks columns; it has \['name', 'patient'\]: file$"),
    ],
)
def test_tables_that_do_not_fit_the_files_are_refused(tmp_path, table, message):
    put_pairs(tmp_path, 'a', 'b')
    (tmp_path / 'groups.csv').write_text(table)
    with pytest.raises(ValueError, match=message):
        data(tmp_path, group=dict(csv='groups.csv', image='file', group='patient'))


@pytest.mark.parametrize(
    'files, message',
    [
        (['images/b.png'], 'images has no image.*|has no mask of these images; .*: b$'),
        (['images/a.png'], r'images of one name; .*: .*a.jpg and .*a.png$'),
        (['masks/a.gif'], r'masks of one name; .*: .*a.gif and .*a.png$'),
    ],
)
def test_files_that_do_not_pair_are_refused(tmp_path, files, message):
    put_pairs(tmp_path, 'a')
    put(tmp_path, *files)
    with pytest.raises(ValueError, match=message):
        data(tmp_path)


@pytest.mark.parametrize(
    'text, message', [('a\nc\n', 'lists names of which .*images has no image: c$'), ('a\na.jpg\n', 'names twice: a$')]
)
def test_lists_that_do_not_fit_the_files_are_refused(tmp_path, text, message):
    put_pairs(tmp_path, 'a', 'b')
    (tmp_path / 'list.txt').write_text(text)
    with pytest.raises(ValueError, match=message):
        data(tmp_path, ann_file='list.txt')


def test_only_the_first_culprits_are_shown_with_how_many_more(tmp_path):
    put(tmp_path, *(f'images/{number:02d}.jpg' for number in range(14)), 'masks/x.png')
    with pytest.raises(ValueError, match='00, .*, 09 and 4 more$'):
        data(tmp_path)


def test_a_misspelt_argument_is_refused(tmp_path):
    put_pairs(tmp_path, 'a')
    with pytest.raises(TypeError, match='inclde'):
        data(tmp_path, inclde='a')


def test_opencv_reads_what_is_listed(tmp_path):
    put(tmp_path, 'images/a.tif', 'masks/a.png')
    assert cv2.imread(data(tmp_path).get_data_info(0)['img_path']).shape == (4, 5, 3)
