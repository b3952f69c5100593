import numpy as np
import pytest

from benchmarks.analysis.contrasts import Contrasts
from benchmarks.analysis.counts import read_counts
from benchmarks.analysis.resampling import estimate, leave_one_group_out
from benchmarks.analysis.scores import SCORES, foreground_classes, score
from benchmarks.analysis.verdicts import METRICS
from benchmarks.reports.results import read_results
from benchmarks.reports.table import comparison_table

FOREGROUND = foreground_classes(3, 0)


@pytest.fixture(scope='module')
def counts(synthetic_out):
    return read_counts(synthetic_out)


@pytest.mark.parametrize('metric', METRICS)
def test_a_difference_of_two_stacks_is_that_of_the_comparison_table(metric, synthetic_out, counts):
    table = comparison_table(read_results(synthetic_out))
    rows = table[(table['design'] == 'cumulative') & (table['metric'] == metric)]
    contrasts = Contrasts(SCORES[metric], counts, [0, 1, 2], FOREGROUND)
    assert len(rows) == 2
    for _, row in rows.iterrows():
        est = contrasts.estimate({row['stack']: 1.0, row['reference']: -1.0})
        assert float(est.value) == pytest.approx(row['delta']) and est.n_seeds == row['n_seeds']


@pytest.mark.parametrize('metric', SCORES)
def test_its_variances_are_those_of_the_paired_scores(metric, counts):
    seeds, sides = [0, 1, 2], []
    for stack in ('attention+loss', 'baseline'):
        addends = [SCORES[metric].addends(counts.cells[f'{stack}__seed{seed}'], FOREGROUND) for seed in seeds]
        sides.append([leave_one_group_out(part, counts.groups, SCORES[metric].finish) for part in addends])
    full, without = (np.array([a[n] - b[n] for a, b in zip(*sides)]) for n in (0, 1))
    est = Contrasts(SCORES[metric], counts, seeds, FOREGROUND).estimate({'attention+loss': 1.0, 'baseline': -1.0})
    assert np.allclose(est[:3], estimate(full, without, np.bincount(counts.groups))[:3])


def test_a_sum_of_three_stacks_takes_the_seeds_that_all_have(counts):
    contrasts = Contrasts(SCORES['dice'], counts, [0, 1, 2], FOREGROUND)
    weights = {'baseline': 1.0, 'attention': -2.0, 'attention+loss': 1.0}
    by_hand = [
        sum(w * score('dice', counts.cells[f'{stack}__seed{seed}'], FOREGROUND) for stack, w in weights.items())
        for seed in (0, 1)
    ]
    assert contrasts.shared_seeds(weights) == [0, 1]  # attention__seed2 failed
    assert np.allclose(contrasts.by_seed(weights), by_hand)
    assert float(contrasts.estimate(weights).value) == pytest.approx(np.mean(by_hand))


def test_without_a_shared_seed_or_a_defined_score_there_is_no_estimate(counts):
    contrasts = Contrasts(SCORES['dice'], counts, [2], FOREGROUND)
    assert contrasts.estimate({'attention': 1.0, 'baseline': -1.0}) is None
    nothing = {cell: part._replace(area=part.area * 0) for cell, part in counts.cells.items()}
    undefined = Contrasts(SCORES['dice'], counts._replace(cells=nothing), [0], FOREGROUND)
    assert undefined.estimate({'attention': 1.0, 'baseline': -1.0}) is None


def test_groups_in_which_the_score_is_defined_nowhere_do_not_count(counts):
    first = counts.groups == 0
    cells = {}
    for cell, part in counts.cells.items():
        area = part.area.copy()
        area[first] = 0
        cells[cell] = part._replace(area=area)
    est = Contrasts(SCORES['dice'], counts._replace(cells=cells), [0, 1], FOREGROUND).estimate({'baseline': 1.0})
    assert float(est.effective_groups) == pytest.approx(7)
