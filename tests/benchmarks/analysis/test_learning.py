import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import binom

from benchmarks.analysis.best_constant import of_several
from benchmarks.analysis.counts import CellCounts, Counts
from benchmarks.analysis.learning import LOSS, ONE_CLASS, fails_more_often, not_learned, one_class_everywhere
from benchmarks.files import ROOT


def cell(*images):
    """Counts of images, each given as (tp, fp, fn) of every class."""
    area = np.array(images, np.int64)
    empty = np.zeros((*area.shape[:2], 2))
    return CellCounts(area, area, empty.astype(np.int64), empty[..., 0], empty[..., 1])


BACKGROUND = cell([(90, 10, 0), (0, 0, 10)], [(100, 0, 0), (0, 0, 0)])
FOREGROUND_IN_ONE_IMAGE = cell([(90, 9, 0), (1, 0, 9)], [(100, 0, 0), (0, 0, 0)])


def test_one_class_in_all_images_is_degenerate_unless_the_truth_has_no_other():
    assert one_class_everywhere(BACKGROUND)
    assert not one_class_everywhere(FOREGROUND_IN_ONE_IMAGE)
    assert not one_class_everywhere(cell([(100, 0, 0), (0, 0, 0)]))


def test_a_refinement_that_removes_all_foreground_does_not_make_its_network_unlearned():
    counts = Counts({'a': FOREGROUND_IN_ONE_IMAGE, 'a+crf': BACKGROUND, 'b': BACKGROUND}, ['1', '2'], np.arange(2))
    assert not_learned(counts, {'a': 'k', 'a+crf': 'k', 'b': 'l'}) == {'b': [ONE_CLASS]}


def test_a_loss_never_below_that_of_the_best_constant_is_a_sign_and_an_unknown_one_is_none():
    counts = Counts(dict.fromkeys('abcd', FOREGROUND_IN_ONE_IMAGE) | {'e': BACKGROUND}, ['1', '2'], np.arange(2))
    losses = dict(
        a=dict(steps=10, loss=0.70, constant=0.69),
        b=dict(steps=1, loss=0.60, constant=0.69),
        c=None,
        e=dict(steps=10, loss=0.69, constant=0.69),
    )
    weights = {name: name for name in 'abcde'}
    assert not_learned(counts, weights, losses) == {'a': [LOSS], 'e': [ONE_CLASS, LOSS]}


def test_networks_that_predict_together_have_learned_if_one_has_and_are_unknown_if_one_is():
    learned, stuck = dict(steps=1, loss=0.3, constant=0.7), dict(steps=10, loss=0.6, constant=0.6)
    assert of_several([stuck, learned]) == learned and of_several([stuck]) == stuck
    assert of_several([stuck, None]) is None and of_several([]) is None


@pytest.mark.parametrize('seeds', [1, 2, 3, 5, 10])
def test_equal_chances_to_fail_seldom_look_unequal(seeds):
    """By enumeration of all outcomes, for each probability."""
    counts = range(seeds + 1)
    called = np.array([[fails_more_often(one, other, seeds) for other in counts] for one in counts])
    for probability in np.linspace(0.02, 0.98, 49):
        chances = binom.pmf(counts, seeds, probability)
        assert chances @ called @ chances <= 0.025
    assert called.any() == (seeds > 3), 'with so few seeds nothing is beyond chance'


def test_a_stack_that_fails_more_often_is_called_so():
    assert fails_more_often(4, 0, 5) and not fails_more_often(3, 0, 5) and not fails_more_often(0, 4, 5)
    assert fails_more_often(5, 0, 10) and not fails_more_often(5, 1, 10)


def test_the_verdicts_are_imported_without_the_whole_of_scipys_statistics():
    """A plan asks how many seeds are enough, and need not wait for what it does not use."""
    code = 'import sys, benchmarks.analysis.verdicts; sys.exit("scipy.stats" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code], cwd=ROOT).returncode == 0
