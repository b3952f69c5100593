"""Scores of all cells at once against those of one cell at a time, by the formulas written out."""

import numpy as np
import pytest

from benchmarks.analysis import cell_scores
from benchmarks.analysis.cell_scores import scores_of
from benchmarks.analysis.class_scores import dice_per_image_of, median_without_groups, medians, pooled_dice_of
from benchmarks.analysis.counts import CellCounts, Counts
from benchmarks.analysis.scores import SCORES, dice_per_image
from benchmarks.analysis.ways import WAYS

GROUPS = np.array([2, 0, 2, 1, 2, 0, 2, 3, 2, 2])  # one of a single image, one of six
FOLDS = np.array([0, 1, 0, 1, 0, 1, 0, 2, 0, 0])
FOREGROUND = np.array([1, 2])
EVERY_SCORE = SCORES | WAYS | {'pooled class': pooled_dice_of(2), 'class per image': dice_per_image_of(2)}


def cell(rng, *, without_class=None, scale=60):
    """Counts of ten images x three classes; some images lack a class, and where it is absent distances are NaN."""
    area = rng.integers(0, scale, (len(GROUPS), 3, 3))
    area[rng.random((len(GROUPS), 3)) < 0.3] = 0
    if without_class is not None:
        area[:, without_class] = 0
    boundary, edge = area // 3, np.cumsum(area[..., :2], axis=-1)
    distances = np.where(area[..., :1].repeat(2, -1) > 0, rng.gamma(2.0, 3.0, (*area.shape[:2], 2)), np.nan)
    return CellCounts(area, boundary, edge, distances[..., 0], distances[..., 1])


def grid_counts(folds=None, **cells):
    return Counts(cells, [f'i{n}' for n in range(len(GROUPS))], GROUPS, folds)


def plain(score, own, parts):
    """The score of one cell without each part of the images, by summing over what is left."""
    addends = score.addends(own, FOREGROUND)
    return [score.finish(addends[parts != part].sum(axis=0)) for part in range(parts.max() + 1)]


@pytest.fixture
def cells():
    rng = np.random.default_rng(3)
    found = {f'a__seed{seed}': cell(rng) for seed in range(4)}
    return found | dict(b__seed0=cell(rng, without_class=2), b__seed1=cell(rng, without_class=1))


@pytest.mark.parametrize('at_once', [1, 70, 10**6])  # one cell after another, two together, all
@pytest.mark.parametrize('folds', [None, FOLDS])
@pytest.mark.parametrize('name', EVERY_SCORE)
def test_all_cells_at_once_have_the_scores_of_each_alone(cells, name, folds, at_once, monkeypatch):
    monkeypatch.setattr(cell_scores, 'AT_ONCE', at_once)
    score, scores = EVERY_SCORE[name], scores_of(EVERY_SCORE[name], grid_counts(folds, **cells), FOREGROUND)
    for stack, seeds in (('a', [3, 0, 1]), ('b', [1, 0])):
        found = scores.of(stack, seeds)
        for place, seed in enumerate(seeds):
            own = cells[f'{stack}__seed{seed}']
            addends = score.addends(own, FOREGROUND)
            np.testing.assert_allclose(found.full[place], score.finish(addends.sum(axis=0)), rtol=1e-12)
            np.testing.assert_allclose(found.without[place], plain(score, own, GROUPS), rtol=1e-12)
            sizes = [score.weights(addends)[group == GROUPS].sum() for group in range(4)]
            np.testing.assert_array_equal(found.sizes[place], sizes)
            of_folds = [] if folds is None else plain(score, own, folds)
            np.testing.assert_allclose(found.without_fold[place], of_folds, rtol=1e-12)
        np.testing.assert_array_equal(scores.levels(stack, seeds), found.full)
    assert np.isnan(scores_of(SCORES['miou'], grid_counts(**cells), FOREGROUND).levels('b', [0])).all()


@pytest.mark.parametrize('folds', [None, FOLDS])
def test_medians_of_all_cells_are_those_of_each(cells, folds):
    counts = grid_counts(folds, **cells)
    found = scores_of(SCORES['dice'], counts, FOREGROUND, medians).of('a', range(4))
    values = [dice_per_image(cells[f'a__seed{seed}'], FOREGROUND) for seed in range(4)]
    assert len({tuple(np.isnan(own)) for own in values}) > 1
    for place, own in enumerate(values):
        median = np.nanmedian(own)
        assert found.full[place] == median
        full, without, sizes, _ = median_without_groups(own, GROUPS, 4)
        assert full == median
        np.testing.assert_array_equal(found.without[place], without)
        np.testing.assert_array_equal(found.sizes[place], sizes)
        if folds is not None:
            np.testing.assert_array_equal(found.without_fold[place], median_without_groups(own, folds, 3).without)


def test_pooled_scores_are_exact_beyond_what_a_float_can_count():
    """The sum is odd and above 2^53: as floats one pixel would be lost, and with it the difference of the groups."""
    area = np.zeros((len(GROUPS), 3, 3), np.int64)
    area[..., 0], area[0, :, 0] = 2**53, 2**53 + 1
    nothing = np.zeros(area.shape[:2])
    own = CellCounts(area, area, area[..., :2], nothing, nothing)
    sums = cell_scores.sums_by_group(SCORES['mdice'].addends(own, FOREGROUND)[None], GROUPS)
    assert sums.dtype == np.int64
    assert [int(total) for total in sums[0, :, 0]] == [2 * 2**53, 2**53, 6 * 2**53 + 1, 2**53]


def test_a_score_is_computed_once_however_often_it_is_asked_for(cells):
    calls = []

    def rule(score, together, counts, foreground):
        calls.append(len(together.area))
        return cell_scores.by_sums(score, together, counts, foreground)

    counts = grid_counts(**cells)
    for _ in range(2):
        scores_of(SCORES['dice'], counts, FOREGROUND, rule).of('a', [0, 1])
        scores_of(SCORES['dice'], counts, np.array([1, 2]), rule).of('b', [0])
    assert sum(calls) == len(cells)
    scores_of(SCORES['dice'], counts, np.array([1]), rule).of('b', [0])
    scores_of(SCORES['dice'], counts._replace(folds=FOLDS), FOREGROUND, rule).of('b', [0])
    assert sum(calls) == 3 * len(cells)
