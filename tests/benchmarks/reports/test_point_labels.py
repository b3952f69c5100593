"""Which rows of the figure of accuracy against speed can have a label."""

import numpy as np

from benchmarks.analysis.pareto import pareto_front
from benchmarks.reports.point_labels import MOST_TRIED, labels_tried


def test_of_many_rows_the_first_the_front_and_those_nearest_below_it_can_have_a_label():
    rng = np.random.default_rng(0)
    latency, dice = rng.uniform(10, 100, 3 * MOST_TRIED), rng.uniform(70, 80, 3 * MOST_TRIED)
    dice[0] = 60.0  # the baseline is the worst of all
    front = pareto_front(latency, dice)
    tried = labels_tried(latency, dice, front)
    assert len(tried) == MOST_TRIED == len(set(tried)) and {0, *front.tolist()} <= set(tried)
    below = [max(dice[j] for j in front if latency[j] <= latency[i]) - dice[i] for i in range(len(dice))]
    others = set(range(len(dice))) - set(tried)
    assert max(below[i] for i in tried if i) <= min(below[i] for i in others)
    few = slice(MOST_TRIED)
    assert labels_tried(latency[few], dice[few], pareto_front(latency[few], dice[few])) == [*range(MOST_TRIED)]
