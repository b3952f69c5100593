"""Strata of predicted images as a stage writes them and as reports read them."""

import gzip

import numpy as np
import pandas as pd
import pytest

from benchmarks.analysis.strata_counts import read_strata_counts, strata_from_frame
from benchmarks.data.split import Split
from benchmarks.data.strata import BOUNDARY, CONFIDENT, STRATA_COLUMNS, VIEWS, write_strata
from benchmarks.probes.truth import Truth
from benchmarks.stages.strata import StrataTable, read_strata

SPLIT = Split(
    'test', ['x/1.png', 'x/2.png'], ['', ''], ['001', '2'], ['p', 'q'], True, ('a', 'b'), 0, False, None, 9, ('x',)
)


@pytest.fixture
def rows(tmp_path):
    """The rows of one image with an object of 4 pixels, of which one is missed, and of one without an object."""
    truth = np.zeros((8, 8), int)
    truth[2:4, 2:4] = 1
    labels = truth.copy()
    labels[2, 2] = 0
    sure = np.full((8, 8), 65535, np.uint16)
    table = StrataTable(SPLIT)
    table.add('x/2.png', labels, sure, Truth(truth, 2, 9), labels == truth)
    table.add('x/1.png', labels * 0, sure, Truth(truth * 0, 2, 9))
    table.write(tmp_path)
    return list(read_strata(tmp_path))


def test_a_stage_keeps_the_bins_that_are_not_empty(rows):
    of_objects = [tuple(row.values()) for row in rows if row['by'] == 'object']
    # image, by, class, bin, objects, pixels, right, extra
    assert of_objects == [
        ('2', 'object', 0, 5, 1, 60, 60, 1),
        ('2', 'object', 1, 2, 1, 4, 3, 0),
        ('001', 'object', 0, 6, 1, 64, 64, 0),
    ]
    assert [(row['bin'], row['pixels'], row['right']) for row in rows if row['by'] == VIEWS] == [(0, 1, 0), (1, 63, 63)]
    assert {row['by'] for row in rows if row['image'] == '001'} == {'object', BOUNDARY, CONFIDENT}


def test_a_result_from_before_has_no_strata(tmp_path):
    assert list(read_strata(tmp_path)) == [] and read_strata_counts(tmp_path, ['1'], 2) == {}
    assert write_strata(tmp_path, []) is None and not list(tmp_path.iterdir())


def test_records_hold_them_as_arrays(rows, tmp_path):
    written = [dict(cell=cell, **row) for cell in 'ab' for row in rows]
    (tmp_path / 'records').mkdir()
    path = write_strata(tmp_path, written)
    first = path.read_bytes()
    turned = [dict(cell=cell, **row) for cell in 'ab' for row in rows[::-1]]
    assert write_strata(tmp_path, turned).read_bytes() == first
    with pytest.raises(ValueError, match="'a' comes after 'b'"):
        write_strata(tmp_path, written[::-1])
    assert path.read_bytes() == first
    found = read_strata_counts(tmp_path, ['001', '2'], 2)
    assert list(found) == ['a', 'b']
    objects, pixels = found['a']
    assert objects[1, 1, 2].tolist() == [1, 4, 3, 0] and objects[0, 0, 6].tolist() == [1, 64, 64, 0]
    assert objects.sum() == 121 + 1 + 8 + 129 and pixels[VIEWS].tolist() == [[[0, 0], [0, 0]], [[1, 0], [63, 63]]]
    assert pixels[BOUNDARY].sum(axis=1).tolist() == [[64, 64], [64, 63]]


@pytest.mark.parametrize('wrong', [{'image': '3'}, {'class': 2}, {'bin': 16}, {'by': 'colour'}])
def test_a_row_that_does_not_fit_is_refused(rows, wrong):
    frame = pd.DataFrame([dict(cell='a', **row) | wrong for row in rows[:1]], columns=list(STRATA_COLUMNS))
    with pytest.raises(ValueError, match="a row for cell 'a'.*run the grid again"):
        strata_from_frame(frame, ['001', '2'], 2)


def test_a_file_without_a_column_is_refused(tmp_path):
    (tmp_path / 'records').mkdir()
    with gzip.open(tmp_path / 'records' / 'strata.csv.gz', 'wt') as file:
        file.write('cell,image\na,1\n')
    with pytest.raises(ValueError, match="lacks the column 'by'"):
        read_strata_counts(tmp_path, ['1'], 2)
