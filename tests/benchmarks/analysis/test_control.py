"""The positive control: where a known harm does not show, nothing is called equivalent."""

import numpy as np
import pytest

from benchmarks.analysis.control import harm_shows, without_blind_equivalence
from benchmarks.analysis.counts import CellCounts, Counts
from benchmarks.analysis.pairs import Facts
from benchmarks.analysis.verdicts import compare


def row(design='each_alone', verdict='equivalent', metric='dice', same=False):
    return dict(
        design=design, metric=metric, verdict=verdict, same_counts=same, limited_by='', seeds_to_decide=None, delta=0.1
    ) | dict(failed_alone=False, seeds_covered=True)


def verdicts(*rows):
    return [(one['verdict'], one['limited_by']) for one in without_blind_equivalence(rows)]


def test_a_control_that_shows_and_no_control_change_nothing():
    shown = [row(), row('positive_control', 'loss'), row(verdict='gain')]
    assert without_blind_equivalence(shown) == shown and without_blind_equivalence(shown[:1]) == shown[:1]


@pytest.mark.parametrize('verdict', ['undecided', 'equivalent', 'gain', 'missing', 'not learned', 'not effective'])
def test_a_control_that_does_not_show_takes_equivalence_away(verdict):
    assert verdicts(row('positive_control', verdict), row())[1] == ('undecided', 'control')
    claimed = row() | dict(false_claim_chance=0.1)
    assert np.isnan(without_blind_equivalence([row('positive_control', verdict), claimed])[1]['false_claim_chance'])


def test_other_verdicts_metrics_and_equal_predictions_stay():
    control = row('positive_control', 'undecided')
    others = [row(verdict=name) for name in ('gain', 'loss', 'undecided')]
    kept = [*others, row(metric='miou'), row(same=True)]
    assert without_blind_equivalence([control, *kept])[1:] == kept


def failed(metric='dice', delta=-80.0, alone=True, several=True):
    """The comparison of a control that has learned nothing."""
    return row('positive_control', 'not learned', metric) | dict(delta=delta, failed_alone=alone, seeds_covered=several)


def test_a_control_that_alone_learned_nothing_shows():
    kept = [failed(), row()]
    assert without_blind_equivalence(kept) == kept


@pytest.mark.parametrize(
    'control',
    [
        failed(alone=False),  # in no more seeds than chance explains, or together with the baseline
        failed(several=False),  # another training might have learned
        failed(delta=0.4),  # by this metric a network that learned nothing seems the better one
        failed(delta=float('nan')),
    ],
)
def test_but_not_in_a_few_seeds_nor_in_one_nor_by_a_metric_that_does_not_see_it(control):
    assert verdicts(control, row())[1] == ('undecided', 'control')


def test_it_shows_by_metrics_one_by_one():
    controls = [failed(), failed('miou', 0.4)]
    assert verdicts(*controls, row(), row(metric='miou'))[2:] == [('equivalent', ''), ('undecided', 'control')]


def test_of_a_distance_more_is_worse():
    assert harm_shows(failed('hd95_px', 3.0)) and not harm_shows(failed('hd95_px', -3.0))


def cell(hits):
    """Counts of four images of 100 pixels, 20 of them of the second class, of which so many are found."""
    hits = hits + np.arange(4)[:, None] if hits else np.zeros((4, 1), np.int64)
    none = np.zeros_like(hits)
    area = np.stack([np.hstack([80 + none, 20 - hits, none]), np.hstack([hits, none, 20 - hits])], axis=1)
    return CellCounts(area, area, np.zeros((4, 2, 2), np.int64), np.zeros((4, 2)), np.zeros((4, 2)))


@pytest.mark.parametrize(
    'control, baseline, shows',
    [
        ((0, 0), (12, 13), True),
        ((0, 9), (12, 13), False),
        ((0, 0), (12, 0), False),
        ((0,), (12, 13), False),
        ((0, 0, 0, 0, 9), (12, 13, 12, 13, 12), True),  # 5 of 210 ways to share out four failures among ten trainings
        ((0, 0, 0, 9, 9), (12, 13, 12, 13, 12), False),  # 10 of 120
        ((0, 0, 0, 0, 9), (12, 13, 12, 13, 0), False),
    ],
)
def test_the_counts_tell_who_failed_alone(control, baseline, shows):
    arms = dict(baseline=baseline, harmed=control)
    cells = {f'{arm}__seed{seed}': cell(hits) for arm, of in arms.items() for seed, hits in enumerate(of)}
    counts = Counts(cells, list('abcd'), np.arange(4))
    unlearned = {f'{arm}__seed{seed}' for arm, of in arms.items() for seed, hits in enumerate(of) if not hits}
    comparison = dict(design='positive_control', stack='harmed', reference='baseline')
    facts = Facts(not_learned=unlearned, learned_nowhere=unlearned)
    (found,) = compare([comparison], counts, facts, range(5), np.array([1]), 1.0, metrics=['dice'])
    assert found['verdict'] == 'not learned' and found['delta'] < 0
    assert harm_shows(found) == shows


def test_a_cell_of_which_some_fold_learned_has_not_failed():
    cells = {f'{arm}__seed{seed}': cell(hits) for arm, hits in (('baseline', 12), ('harmed', 1)) for seed in range(2)}
    facts = Facts(not_learned={'harmed__seed0', 'harmed__seed1'}, learned_nowhere={'harmed__seed1'})
    comparison = dict(design='positive_control', stack='harmed', reference='baseline')
    counts = Counts(cells, list('abcd'), np.arange(4))
    (found,) = compare([comparison], counts, facts, range(2), np.array([1]), 1.0, metrics=['dice'])
    assert found['verdict'] == 'not learned' and not harm_shows(found)
