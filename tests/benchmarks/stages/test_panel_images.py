"""Any image becomes one that can be shown; labels that are not those of the record are not shown."""

import cv2
import numpy as np
import pytest

from benchmarks.data.panels import VOID, read_panels
from benchmarks.stages import panel_images
from benchmarks.stages.maps import write_map
from benchmarks.stages.panel_images import areas, eight_bits, resized, smaller
from benchmarks.stages.wanted_panels import Side, Wanted


def test_a_grey_image_stays_as_it_is():
    grey = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
    assert np.array_equal(eight_bits(grey), grey[0])
    assert np.array_equal(eight_bits(np.repeat(grey, 3, axis=0)), grey[0])


def test_mmcv_loads_colours_as_bgr():
    blue = np.zeros((3, 2, 2), np.uint8)
    blue[0] = 200
    assert np.array_equal(eight_bits(blue)[0, 0], [0, 0, 200])
    assert np.array_equal(eight_bits(blue, is_rgb=True)[0, 0], [200, 0, 0])


@pytest.mark.parametrize('kind', [np.uint16, np.float32, np.int16])
def test_more_than_8_bits_are_stretched(kind):
    packed = np.linspace(100, 30000, 10000).reshape(1, 100, 100).astype(kind)
    shown = eight_bits(packed)
    assert shown.dtype == np.uint8 and shown.min() == 0 and shown.max() == 255
    assert (np.diff(shown.reshape(-1).astype(int)) >= 0).all()
    assert eight_bits(np.full((1, 2, 2), 7, kind)).max() == 0


def test_of_other_numbers_of_channels_the_first_is_shown():
    packed = np.random.default_rng(0).integers(0, 256, (5, 4, 4)).astype(np.uint8)
    assert np.array_equal(eight_bits(packed), packed[0])


def test_an_image_gets_the_size_of_its_truth():
    pixels = np.array([[1, 2], [3, 4]], np.uint8)
    assert np.array_equal(resized(pixels, (4, 4)), pixels.repeat(2, axis=0).repeat(2, axis=1))
    assert np.array_equal(resized(resized(pixels, (6, 8)), (2, 2)), pixels)
    assert resized(np.zeros((5, 7, 3), np.uint8), (10, 3)).shape == (10, 3, 3)


def test_large_images_are_thinned_out():
    assert np.array_equal(smaller(np.arange(9).reshape(3, 3), 3), [[4]])
    assert np.array_equal(smaller(np.arange(4).reshape(2, 2), 1), np.arange(4).reshape(2, 2))


def test_areas_leave_void_out():
    truth, labels = np.array([[0, 1, 1, VOID]], np.uint8), np.array([[1, 1, 0, 1]], np.uint8)
    assert areas(labels, truth, 2) == [(0, 1, 1), (1, 1, 1)]


class FakeTest:
    """Predicts everything right; its truth has two classes."""

    def __init__(self, tested, folder):
        self.map = np.eye(4, dtype=np.uint8)

    def labels(self, image):
        return self.map

    truth = picture = labels


@pytest.mark.parametrize('recorded, kept', [([(12, 0, 0), (4, 0, 0)], 1), ([(11, 0, 0), (4, 0, 1)], 0)])
def test_labels_that_are_not_those_of_the_record_are_not_shown(tmp_path, monkeypatch, recorded, kept):
    monkeypatch.setattr(panel_images, '_Test', FakeTest)
    facts = dict(stack='b', reference='baseline', seed=0, image='one', rule='median', dice=100.0, reference_dice=100.0)
    right = Side('baseline__seed0', {}, {}, [(12, 0, 0), (4, 0, 0)])
    complaints = panel_images.make_panels([Wanted(facts, Side('b__seed0', {}, {}, recorded), right)], tmp_path)
    assert len(list(tmp_path.rglob('truth.png'))) == kept
    assert complaints == ([] if kept else ['one of b__seed0 is predicted otherwise than it was recorded'])


CLASSES = 20


def split_of(folder, shape, bits, channels):
    """Two images with blobs of all classes; a mask of 0 is void, as in ADE20K. Gives the data set's config."""
    rng = np.random.default_rng(0)
    blobs = rng.integers(0, CLASSES + 1, (2, shape[0] // 10, shape[1] // 10)).astype(np.uint8)
    for part in ('images', 'masks'):
        (folder / part).mkdir(parents=True)
    for number, coarse in enumerate(blobs):
        mask = coarse.repeat(10, axis=0).repeat(10, axis=1)
        image = (mask * np.uint16(150) + 200 if bits == 16 else mask * 12).astype(np.uint16 if bits == 16 else np.uint8)
        image = image if channels == 1 else np.stack([image, image // 2, image // 4], axis=2)
        cv2.imwrite(str(folder / 'images' / f'{number}.png'), image)
        cv2.imwrite(str(folder / 'masks' / f'{number}.png'), mask)
    pipeline = [
        dict(type='LoadImageFromFile', color_type='unchanged', to_float32=bits == 16),
        dict(type='LoadAnnotations'),
        dict(type='PackSegInputs'),
    ]
    return dict(
        type='BaseSegDataset',
        data_root=str(folder),
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        metainfo=dict(classes=[f'c{n}' for n in range(CLASSES)], palette=[[n, n, n] for n in range(CLASSES)]),
        reduce_zero_label=True,
        img_suffix='.png',
        seg_map_suffix='.png',
        pipeline=pipeline,
    )


@pytest.mark.parametrize('bits, channels', [(8, 1), (8, 3), (16, 1), (16, 3)])
def test_grey_and_colour_images_of_8_and_16_bits_with_many_classes_and_void(tmp_path, bits, channels):
    config = dict(test_dataloader=dict(dataset=split_of(tmp_path / 'data', (900, 300), bits, channels)))
    masks = [cv2.imread(str(tmp_path / 'data' / 'masks' / f'{n}.png'), cv2.IMREAD_UNCHANGED) for n in range(2)]
    truth = np.where(masks[1] == 0, VOID, masks[1].astype(int) - 1).astype(np.uint8)
    predicted = np.where(truth == VOID, 3, (truth + (np.arange(300) > 150)) % CLASSES).astype(np.uint8)
    (tmp_path / 'predict').mkdir()
    write_map(tmp_path / 'predict', 1, (predicted == np.arange(CLASSES)[:, None, None]).astype(np.uint16) * 65535)
    side = Side('b__seed0', config, dict(predict=tmp_path / 'predict'), areas(predicted, truth, CLASSES))
    facts = dict(stack='b', reference='baseline', seed=0, image='1', rule='median', dice=50.0, reference_dice=50.0)
    assert panel_images.make_panels([Wanted(facts, side, side)], tmp_path / 'out') == []
    (panel,) = read_panels(tmp_path / 'out')
    assert panel.facts['step'] == 2 and panel.truth.shape == (450, 150)
    assert np.array_equal(panel.truth, truth[1::2, 1::2]) and np.array_equal(panel.stack, predicted[1::2, 1::2])
    assert panel.image.shape[2:] == (() if channels == 1 else (3,))
    assert panel.image.max() > 200 and (channels == 1 or (panel.image[..., 2] >= panel.image[..., 0]).all())
