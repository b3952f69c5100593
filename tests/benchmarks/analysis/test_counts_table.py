import numpy as np
import pandas as pd
import pytest

from benchmarks import record
from benchmarks.analysis.counts import read_counts, same_counts


def row(cell, image, group, label, tp=1, hd95=None, assd=None):
    return dict(zip(record.COUNT_COLUMNS, (cell, image, group, label, tp, 2, 3, 4, 5, 6, 7, 8, hd95, assd)))


def test_reads_what_was_written_by_image_class_and_group(tmp_path):
    record.write_counts(
        tmp_path,
        [
            row('c', image, group, label, tp=10 * index + label, hd95=label or None, assd=None if label else 0.5)
            for index, (image, group) in enumerate((('001', 'NA'), ('002', '07'), ('NA', 'NA')))
            for label in range(2)
        ],
    )
    counts = read_counts(tmp_path)
    assert counts.images == ['001', '002', 'NA']
    assert counts.n_groups == 2
    assert counts.groups[0] == counts.groups[2] != counts.groups[1]
    assert counts.cells['c'].area[:, :, 0].tolist() == [[0, 1], [10, 11], [20, 21]]
    assert counts.cells['c'].boundary[2, 1].tolist() == [4, 5, 6]
    assert counts.cells['c'].area.dtype == np.int64
    assert counts.cells['c'].edge[2, 1].tolist() == [7, 8] and counts.cells['c'].edge.dtype == np.int64
    np.testing.assert_array_equal(counts.cells['c'].hd95_px[0], [np.nan, 1])
    np.testing.assert_array_equal(counts.cells['c'].assd_px[0], [0.5, np.nan])


def test_no_file_means_no_cells(tmp_path):
    counts = read_counts(tmp_path)
    assert counts.cells == {} and counts.n_groups == 0


def test_cells_on_other_images_or_groups_are_refused(tmp_path):
    for other in (('b', 'g'), ('a', 'h')):
        record.write_counts(tmp_path, [row('c', 'a', 'g', 0), row('d', *other, 0)])
        with pytest.raises(ValueError, match="cell 'd' was scored on other images or groups than cell 'c'"):
            read_counts(tmp_path)


def test_a_lacking_class_is_refused(tmp_path):
    record.write_counts(tmp_path, [row('c', 'a', 'g', 0), row('c', 'a', 'g', 1), row('c', 'b', 'g', 1)])
    with pytest.raises(ValueError, match="cell 'c' lacks a class"):
        read_counts(tmp_path)


def test_same_counts_sees_every_part_and_takes_nan_as_equal(tmp_path):
    record.write_counts(
        tmp_path,
        [
            row('c', 'a', 'g', 0),
            row('d', 'a', 'g', 0),
            row('e', 'a', 'g', 0, hd95=1.0),
            row('f', 'a', 'g', 0, tp=9),
            row('h', 'a', 'g', 0, assd=1.0),
        ],
    )
    cells = read_counts(tmp_path).cells
    assert same_counts(cells['c'], cells['d'])
    assert not same_counts(cells['c'], cells['e'])
    assert not same_counts(cells['c'], cells['f'])
    assert not same_counts(cells['c'], cells['h'])


def test_counts_of_an_older_run_are_refused(tmp_path):
    path = record.write_counts(tmp_path, [row('c', 'a', 'g', 0)])
    frame = pd.read_csv(path).drop(columns='edge_total')
    frame.to_csv(path, index=False)
    with pytest.raises(ValueError, match="counts.csv.gz: lacks the column 'edge_total'; run the grid again"):
        read_counts(tmp_path)
