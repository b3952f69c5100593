"""Gains by object size, boundary distance, confidence and agreement of views: planted ones are told, and no others."""

import numpy as np
import pytest

from benchmarks.analysis.counts import CellCounts, Counts
from benchmarks.analysis.pixel_strata import CONFIDENT_NAMES, VIEWS_NAMES
from benchmarks.analysis.strata_counts import CellStrata
from benchmarks.data.strata import BINS, BOUNDARY, CONFIDENT, OBJECT, VIEWS
from benchmarks.reports.pixel_gains import SURE
from benchmarks.reports.results import Results
from benchmarks.reports.strata_answer import strata_answer
from benchmarks.reports.strata_table import strata_table

GROUPS = np.repeat(np.arange(8), 3)
N = len(GROUPS)
SIZES = {4: 30, 7: 200, 11: 3000}  # bin to pixels, of the three objects of each image
SCALE = 1000  # counts in thousandths of a pixel, so that rounding plays no part
LABELS = {'baseline': 'baseline', 'tta': 'TTA'}


def grid_of(objects=(0, 0, 0), images=0.0, *, seeds=(0, 1, 2), noise=0.3, maps='own', trainings='one'):
    """Records in which a stack gains points on its reference: on objects by size, and on whole images.

    Args:
        objects: The gains on small, middle and large objects.
        images: The gain of each image in all of its scores, a number or (N,).
        seeds: The seeds.
        noise: Standard deviation over images, strata and seeds, points.
        maps: 'shared' for a stack that refines its reference's maps; it has one view.
        trainings: 'one' for stacks that share their weights.
    """
    rng = np.random.default_rng(0)
    base, cells, strata, records = rng.normal(75, 3, N), {}, {}, {}
    for stack in LABELS:
        gains = stack == 'tta'
        for seed in seeds:
            level = base + gains * np.broadcast_to(images, N)
            of_objects = np.zeros((N, 2, BINS[OBJECT], 4), int)
            for gain, (size, area) in zip(objects, SIZES.items()):
                right = (level + gains * gain + rng.normal(0, noise, N)) / 100 * area * SCALE
                of_objects[:, 1, size] = np.stack(
                    [np.ones(N), np.full(N, area * SCALE), right, area * SCALE - right], 1
                )
            of_pixels = {}
            for by in (BOUNDARY, CONFIDENT):
                share = level[:, None] + rng.normal(0, noise, (N, BINS[by]))
                of_pixels[by] = np.stack([np.full(share.shape, 10**6), share * 10**4], 2).astype(int)
            of_pixels[CONFIDENT][:, 0, 0] += np.arange(N) * 10**5  # later images are less sure
            if gains and maps == 'own':
                apart = np.arange(N) * 100  # and their views agree less
                of_pixels[VIEWS] = np.stack([np.stack([apart, 10**6 - apart], 1)] * 2, 2)
            name = f'{stack}__seed{seed}'
            strata[name] = CellStrata(of_objects, of_pixels)
            tp = of_objects[:, 1, :, 2].sum(axis=1)
            missed = of_objects[:, 1, :, 1].sum(axis=1) - tp
            area = np.stack([np.zeros((N, 3), int), np.stack([tp, missed, missed], 1)], 1)
            nothing = np.full((N, 2), np.nan)
            cells[name] = CellCounts(area, area, area[..., :2], nothing, nothing)
            key = f's{seed}' if trainings == 'one' else name
            sha = f'm{seed}' if maps == 'shared' else name
            records[name] = dict(status='ok', train=None, keys=dict(train=key), maps_sha256=sha, acted={})
    rows = [dict(stack=name, techniques=[name] * (name == 'tta'), label=name, published_dice=None) for name in LABELS]
    grid = dict(
        rows=rows,
        seeds=list(seeds),
        classes=['background', 'cell'],
        background=0,
        equivalence_margin=0.5,
        conditions=[],
        comparisons=[dict(design='each_alone', stack='tta', reference='baseline')],
    )
    return Results(grid, records, {}, Counts(cells, [f'image{n:02d}' for n in range(N)], GROUPS), strata)


def table_of(results, by):
    table = strata_table(results, 0.5)
    return table[table['by'] == by].set_index('stratum')


def test_a_gain_on_small_objects_alone_is_told_in_one_sentence():
    results = grid_of(objects=(4, 0, 0))
    sizes = table_of(results, OBJECT)
    assert sizes.index.tolist() == ['objects under 32 px', 'objects of 32 to 255 px', 'objects of 256 px and more']
    assert sizes['gain'].tolist() == pytest.approx([4, 0, 0], abs=0.3) and sizes['units'].tolist() == [N] * 3
    assert sizes['verdict'].tolist() == ['gain', 'equivalent', 'equivalent']
    assert sizes['more'].tolist() == pytest.approx([4, -2, -2], abs=0.3) and set(sizes['measure']) == {'dice'}
    text = strata_answer(strata_table(results, 0.5), LABELS, 0.5)
    assert '“TTA” against “baseline”, by the size of the objects: gains on objects under 32 px, +' in text
    assert 'makes no difference on objects of 32 to 255 px, ' in text


def test_a_gain_near_boundaries_is_one_of_right_pixels():
    results = grid_of()
    for seed in (0, 1, 2):
        results.strata[f'tta__seed{seed}'].pixels[BOUNDARY][:, :2, 1] += 3 * 10**4
    bands = table_of(results, BOUNDARY)
    assert bands['gain'].tolist() == pytest.approx([3, 0, 0], abs=0.3) and set(bands['measure']) == {'right pixels'}
    assert bands['verdict'].tolist() == ['gain', 'undecided', 'undecided']  # the margin is one of Dice
    text = strata_answer(strata_table(results, 0.5), LABELS, 0.5)
    assert 'by the distance to a boundary: gains on pixels under 2 px from a boundary, +' in text
    assert 'of pixels the share labelled right' in text


@pytest.mark.parametrize('trainings', ['one', 'two'])
def test_images_on_which_views_disagree(trainings):
    late = np.where(np.arange(N) >= 16, 3.0, 0.0)
    views = table_of(grid_of(images=late, trainings=trainings), VIEWS)
    assert views.index.tolist() == list(VIEWS_NAMES)
    assert views['gain'].tolist() == pytest.approx([3, 0, 0], abs=0.3)
    assert views['more_checkpoints_verdict'].iloc[0] == 'gain'
    sure = table_of(grid_of(images=late, trainings=trainings), SURE)
    assert sure['gain'].tolist() == pytest.approx([3, 0, 0], abs=0.3)


def test_one_seed_has_its_own_thirds_only_where_the_training_is_one():
    assert len(table_of(grid_of(images=1.0, seeds=(0,)), VIEWS)) == 3
    assert table_of(grid_of(images=1.0, seeds=(0,), trainings='two'), VIEWS).empty


def test_confidence_of_pixels_needs_one_map():
    gains = [3, 3, 0, 0, 0, 0, 0, 0]  # under 60 %
    assert table_of(grid_of(images=1.0), CONFIDENT).empty
    results = grid_of(maps='shared')
    for seed in (0, 1, 2):
        ours = results.strata[f'tta__seed{seed}'].pixels[CONFIDENT]
        ours[:, :, 1] += (np.array(gains) * 10**4).astype(int)
    found = table_of(results, CONFIDENT)
    assert found.index.tolist() == list(CONFIDENT_NAMES) and set(found['measure']) == {'right pixels'}
    assert found['verdict'].tolist()[0] == 'gain' and found['gain'].iloc[1:].abs().max() < 0.3
    assert table_of(results, VIEWS).empty


def test_records_without_strata_report_as_before():
    results = grid_of(objects=(4, 4, 4))._replace(strata={})
    assert not {OBJECT, BOUNDARY, CONFIDENT, SURE, VIEWS} & set(strata_table(results, 0.5)['by'])
    some = grid_of(objects=(4, 4, 4))
    del some.strata['tta__seed1']
    assert OBJECT not in set(strata_table(some, 0.5)['by'])


def test_without_a_difference_hardly_a_stratum_is_told():
    false = 0
    for world in range(20):
        results = grid_of(noise=2.0)
        rng = np.random.default_rng(world)
        for strata in results.strata.values():
            for size, area in SIZES.items():
                strata.objects[:, 1, size, 2] = (rng.normal(75, 5, N) / 100 * area * SCALE).astype(int)
        false += table_of(results, OBJECT)['more_verdict'].isin(['gain', 'loss']).any()
    assert false <= 2
