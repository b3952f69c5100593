"""The positive control: where a known harm does not show, nothing is called equivalent."""

import numpy as np
import pytest

from benchmarks.analysis.control import without_blind_equivalence


def row(design='each_alone', verdict='equivalent', metric='dice', same=False):
    return dict(
        design=design, metric=metric, verdict=verdict, same_counts=same, limited_by='', seeds_to_decide=None, delta=0.1
    )


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
