"""Filling holes from their nearest neighbours."""

import numpy as np
from scipy.ndimage import distance_transform_edt

from plugins.refine.nearest import fill_from_nearest


def test_drawn_row():
    labels = np.uint8([[5, 9, 9, 9, 9, 7]])
    holes = labels == 9
    assert fill_from_nearest(labels, holes, ~holes).tolist() == [[5, 5, 5, 7, 7, 7]]


def test_pixels_that_are_neither_hole_nor_source_stay_and_do_not_spread():
    labels = np.uint8([[5, 9, 3, 3, 7]])
    filled = fill_from_nearest(labels, labels == 9, np.isin(labels, (5, 7)))
    assert filled.tolist() == [[5, 5, 3, 3, 7]]


def test_chosen_source_is_the_nearest_to_2_percent():
    rng = np.random.default_rng(0)
    sources = rng.random((60, 80)) < 0.02
    # Unique labels per source tell which one was chosen.
    sources.ravel()[np.flatnonzero(sources)[255:]] = False
    labels = np.zeros(sources.shape, np.uint8)
    labels[sources] = np.arange(1, sources.sum() + 1)
    filled = fill_from_nearest(labels, ~sources, sources)
    places = np.argwhere(sources)[filled.astype(int) - 1]
    distances = np.linalg.norm(places - np.moveaxis(np.indices(sources.shape), 0, -1), axis=-1)
    assert (distances <= 1.03 * distance_transform_edt(~sources)).all()


def test_without_holes_or_sources_nothing_changes():
    labels = np.uint8([[1, 2]])
    nothing, everything = np.zeros((1, 2), bool), np.ones((1, 2), bool)
    assert fill_from_nearest(labels, nothing, everything).tolist() == [[1, 2]]
    assert fill_from_nearest(labels, everything, nothing).tolist() == [[1, 2]]
