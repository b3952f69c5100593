"""The spread of single images: paired, over the seeds that both rows have, with the names of the extremes."""

import numpy as np
import pytest

from benchmarks.analysis.counts import CellCounts, Counts
from benchmarks.reports.image_table import image_table
from benchmarks.reports.page.image_figure import image_figure
from benchmarks.reports.results import Results, read_results


def cell(*dice):
    """Counts of ten true pixels of class 1 in each image; ``None`` for an image without any."""
    area = np.zeros((len(dice), 2, 3), np.int64)
    for index, tp in enumerate(dice):
        area[index, 1] = (0, 0, 0) if tp is None else (tp, 10 - tp, 10 - tp)
    empty = np.zeros((len(dice), 2), float)
    return CellCounts(area, area, area[..., :2], empty, empty)


@pytest.fixture
def results():
    grid = dict(
        classes=['background', 'disc'],
        background=0,
        seeds=[0, 1, 2],
        rows=[dict(stack='a'), dict(stack='b')],
        comparisons=[dict(design='d', stack='a', reference='b'), dict(design='e', stack='a', reference='c')],
    )
    cells = dict(
        a__seed0=cell(5, 6, None, 9), a__seed1=cell(7, 6, None, 9), b__seed0=cell(6, 6, 4, 4), b__seed2=cell(0, 0, 0, 0)
    )
    return Results(grid, {}, {}, Counts(cells, ['i0', 'i1', 'i2', 'i3'], np.arange(4)))


def test_dice_and_paired_differences(results):
    dice, difference = image_table(results, ['a']).to_dict('records')
    assert (dice['kind'], dice['reference'], dice['n_images']) == ('dice', '', 3)
    assert (dice['lowest'], dice['lowest_image'], dice['p50'], dice['highest_image']) == (60, 'i0', 60, 'i3')
    assert (difference['kind'], difference['reference'], difference['n_images']) == ('difference', 'b', 3)
    assert (difference['lowest'], difference['p50'], difference['highest']) == (-10, 0, 50)
    assert (difference['n_below'], difference['n_above'], difference['highest_image']) == (1, 1, 'i3')


def test_a_row_without_a_reference_or_a_shared_seed_has_its_dice_alone(results):
    assert image_table(results, ['b'])['kind'].tolist() == ['dice']
    fewer = {name: own for name, own in results.counts.cells.items() if name != 'b__seed0'}
    apart = results._replace(counts=results.counts._replace(cells=fewer))
    assert image_table(apart, ['a'])['kind'].tolist() == ['dice']


def test_without_cells_there_is_neither_table_nor_figure(results):
    table = image_table(results._replace(counts=Counts({}, [], np.zeros(0, np.int64))), ['a', 'b'])
    assert table.empty and image_figure(table, {}, 2) is None


def test_the_figure_draws_what_the_table_says(synthetic_out):
    results = read_results(synthetic_out)
    stacks = [row['stack'] for row in results.grid['rows']]
    table = image_table(results, stacks)
    figure = image_figure(table, dict(zip(stacks, ('baseline', '+ a', '+ l'))), 3)
    assert len(figure.spec['data']['values']) == len(table) == len(figure.table) == 5
    assert all(len(row) == len(figure.head) for row in figure.table)
    assert figure.table[0][:3] == ['+ a', 'difference to “baseline”', '56']
    titles = [patch['layer.4.encoding.x.title'] for _, patch in figure.controls[0].options]
    assert len(titles) == 2 and figure.spec['layer'][4]['encoding']['x']['title'] == titles[0]


def test_a_large_grid_draws_its_first_rows(synthetic_out):
    results = read_results(synthetic_out)
    table = image_table(results, ['baseline'])
    assert '300 of 5000 rows' in image_figure(table, {}, 5000).note
