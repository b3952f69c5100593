"""The enlarged part lies where the predictions differ near a boundary."""

import numpy as np
import pytest

from benchmarks.data.panels import VOID, Panel
from benchmarks.reports.panels.tiles import TITLES, tiles_of, window


def panel(shape=(100, 200), colour=False):
    truth = np.zeros(shape, np.uint8)
    truth[:, 150:] = 1
    image = np.full((*shape, 3) if colour else shape, 90, np.uint8)
    return Panel({}, image, truth, truth.copy(), truth.copy())


def holds(part, row, column):
    rows, columns = part
    return rows.start <= row < rows.stop and columns.start <= column < columns.stop


def test_where_predictions_differ_near_a_boundary():
    one = panel()
    one.stack[10:30, 10:60] = 1  # a larger difference, far from any boundary
    one.stack[80:84, 148:150] = 1
    assert holds(window(one), 81, 149)


def test_else_where_they_differ_else_at_a_boundary_else_the_middle():
    one = panel()
    assert window(one)[1].start <= 150 < window(one)[1].stop
    one.stack[10:20, 10:30] = 1
    assert holds(window(one), 15, 20)
    one.truth[:] = one.stack[:] = one.reference[:] = 0
    assert holds(window(one), 50, 100)


def test_void_pixels_draw_no_attention():
    one = panel()
    one.truth[:50, :100] = VOID
    one.stack[:50, :100] = 1
    assert not holds(window(one), 20, 20)


@pytest.mark.parametrize('shape', [(5, 7), (33, 1000), (600, 20), (768, 768)])
def test_images_of_all_sizes(shape):
    for one in (panel(shape), panel(shape, colour=True)):
        one.stack[0, 0] = 2
        tiles = tiles_of(one, 3, 0)
        assert [tile.title for tile in tiles] == list(TITLES)
        assert all(tile.whole.shape == (*shape, 3) for tile in tiles)
        assert len({tile.part.shape for tile in tiles}) == 1 and max(tiles[0].part.shape) <= 96
