import json
from dataclasses import replace

import numpy as np
from PIL import Image

from benchmarks.data.card import ClassCount, Format, make_card


def test_pixels_and_images_of_each_class_void_and_values(make_split):
    split = make_split(labels=((0, 1, 1), (0, 2, 255)), each=True, n=4, classes=('a', 'b', 'c'), background=0)
    card = make_card(split)
    assert card.classes == (ClassCount('a', 64, 4), ClassCount('b', 64, 2), ClassCount('c', 32, 2))
    assert (card.void_pixels, card.pixels, card.all_void_images) == (32, 4 * 48, 0)
    assert card.values == {0: 64, 1: 64, 2: 32, 255: 32}
    assert card.groups is None and make_card(replace(split, grouped=True, groups=list('aabb'))).groups == 2


def test_counts_are_those_after_the_labels_are_mapped(make_split):
    split = make_split(labels=(0, 1, 2), classes=('b', 'c'), reduce_zero_label=True)
    card = make_card(split)
    assert card.classes == (ClassCount('b', 80, 5), ClassCount('c', 80, 5)) and card.void_pixels == 80
    card = make_card(replace(split, reduce_zero_label=False, label_map={0: 1, 1: 255, 2: 0}))
    assert card.classes == (ClassCount('b', 80, 5), ClassCount('c', 80, 5)) and card.void_pixels == 80


def test_sizes_channels_and_bits(make_split):
    split = make_split(n=3)
    Image.fromarray(np.zeros((9, 4), np.uint16)).save(split.images[1])
    card = make_card(split)
    assert (card.sizes, card.smallest, card.largest) == (2, (9, 4), (6, 8))
    assert card.image_formats == (Format(3, 8, 2), Format(1, 16, 1)) and card.mask_formats == (Format(1, 8, 3),)


def test_masks_that_only_their_own_loader_reads_are_not_counted(make_split, tmp_path):
    split = make_split(n=2)
    np.save(tmp_path / 'mask.npy', np.zeros((6, 8), np.uint8))
    card = make_card(replace(split, masks=[split.masks[0], str(tmp_path / 'mask.npy')]))
    assert card.masks == 1 and card.pixels == 48


def test_a_card_is_plain_json(make_split):
    written = json.loads(json.dumps(make_card(make_split()).as_json()))
    assert written['values'] == {'0': 120, '1': 120} and written['classes'][1] == dict(name='b', pixels=120, images=5)
