"""What works on regions and runs of pixels equals, bit for bit, plain code that goes over images class by class."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from plugins.refine.components import components
from plugins.refine.fill_holes import fill_holes
from plugins.refine.nearest import fill_from_nearest
from plugins.refine.regions import regions

STRUCTURES = {4: None, 8: np.ones((3, 3))}


def plain_fill_from_nearest(labels, holes, sources):
    filled = labels.copy()
    if holes.any() and sources.any():
        nearest = cv2.distanceTransformWithLabels(
            (~sources).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )[1]
        label_of = {number: label for number, label in zip(nearest[sources].tolist(), labels[sources].tolist())}
        for place in np.argwhere(holes):
            filled[tuple(place)] = label_of[nearest[tuple(place)]]
    return filled


def plain_components(labels, min_size, keep_largest, classes, background, connectivity):
    removed = np.zeros(labels.shape, bool)
    for c in np.unique(labels):
        if c != background if classes is None else c in classes:
            ids, count = ndimage.label(labels == c, STRUCTURES[connectivity])
            sizes = np.bincount(ids.ravel())[1:]
            for number in range(1, count + 1):
                if sizes[number - 1] < min_size or keep_largest and number != sizes.argmax() + 1:
                    removed |= ids == number
    return plain_fill_from_nearest(labels, removed, ~removed)


def plain_fill_holes(labels, max_size, classes, background, connectivity):
    filled, smallest = labels.copy(), np.full(labels.shape, labels.size + 1)
    for c in np.unique(labels):
        if c != background if classes is None else c in classes:
            ids, count = ndimage.label(labels != c, STRUCTURES[connectivity])
            border = np.concatenate([ids[0], ids[-1], ids[:, 0], ids[:, -1]])
            for number in set(range(1, count + 1)) - set(border.tolist()):
                hole = ids == number
                size = hole.sum()
                if max_size is None or size <= max_size:
                    filled[hole & (size < smallest)] = c
                    smallest[hole] = np.minimum(smallest[hole], size)
    return filled


@st.composite
def maps(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.sampled_from([(1, 1), (1, 23), (17, 1), (14, 19), (31, 22)]))
    coarse = draw(st.sampled_from([1, 2, 4]))
    share = draw(st.sampled_from([0.3, 0.6, 0.9]))
    blocks = np.where(rng.random(shape) < share, 1, rng.choice([0, 1, 2, 255], shape)).astype(np.uint8)
    labels = np.kron(blocks, np.ones((coarse, coarse), np.uint8))[: shape[0], : shape[1]]
    return np.where(rng.random(shape) < 0.03, 2, labels).astype(np.uint8)


CHOICE = dict(
    classes=st.sampled_from([None, [0, 1], [2, 255]]),
    background=st.sampled_from([None, 0, 1]),
    connectivity=st.sampled_from([4, 8]),
)


@settings(max_examples=150, deadline=None)
@given(maps(), st.fixed_dictionaries(dict(min_size=st.sampled_from([2, 5, 40]), keep_largest=st.booleans(), **CHOICE)))
def test_components(labels, arguments):
    before = labels.copy()
    cleaned = components(labels, **arguments)
    np.testing.assert_array_equal(cleaned, plain_components(labels, **arguments))
    np.testing.assert_array_equal(labels, before)
    assert cleaned.dtype == np.uint8 and not np.shares_memory(cleaned, labels)


@settings(max_examples=150, deadline=None)
@given(maps(), st.fixed_dictionaries(dict(max_size=st.sampled_from([None, 1, 3, 20]), **CHOICE)))
def test_fill_holes(labels, arguments):
    before = labels.copy()
    filled = fill_holes(labels, **arguments)
    np.testing.assert_array_equal(filled, plain_fill_holes(labels, **arguments))
    np.testing.assert_array_equal(labels, before)
    assert filled.dtype == np.uint8 and not np.shares_memory(filled, labels)


@pytest.mark.parametrize('share', [0.02, 0.5, 0.98])
def test_fill_from_nearest(share):
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 256, (37, 53), dtype=np.uint8)
    sources = rng.random(labels.shape) < share
    holes = ~sources & (rng.random(labels.shape) < 0.7)
    filled = fill_from_nearest(labels, holes, sources)
    np.testing.assert_array_equal(filled, plain_fill_from_nearest(labels, holes, sources))


@pytest.mark.parametrize('connectivity', [4, 8])
@pytest.mark.parametrize('scale', [1, 5])
def test_regions(connectivity, scale):
    labels = np.kron(np.random.default_rng(6).choice([0, 3, 255], (31, 27)), np.ones((scale, scale))).astype(np.uint8)
    found = regions(labels, connectivity)
    assert found.sizes[0] == 0 and found.sizes.sum() == labels.size and found.ids.min() == 1
    np.testing.assert_array_equal(found.owner[found.ids], labels)
    np.testing.assert_array_equal(found.sizes, np.bincount(found.ids.ravel()))
    for c in (0, 3, 255):
        ids, count = ndimage.label(labels == c, STRUCTURES[connectivity])
        pairs = np.unique(np.stack([ids[labels == c], found.ids[labels == c]]), axis=1)
        assert pairs.shape[1] == count == len(np.unique(pairs[0])) == len(np.unique(pairs[1]))


def test_a_hole_with_diagonal_neighbours_in_an_image_of_odd_width():
    # cc3d 4.1.1 labels masks with odd sides wrongly here when they are boolean, and right when they are integers.
    mask = np.array(
        [
            [1, 0, 1, 1, 0],
            [1, 1, 0, 0, 1],
            [1, 1, 0, 1, 0],
            [1, 1, 1, 0, 1],
            [1, 1, 1, 1, 1],
            [1, 1, 0, 1, 1],
            [1, 1, 0, 1, 1],
            [0, 1, 1, 1, 0],
        ],
        np.uint8,
    )
    filled = fill_holes(mask, connectivity=8)
    np.testing.assert_array_equal(filled, ndimage.binary_fill_holes(mask, STRUCTURES[8]))
    assert np.argwhere(filled != mask).tolist() == [[5, 2], [6, 2]]
