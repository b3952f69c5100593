import pytest

from benchmarks.analysis.metrics import DICE, METRIC_OF, dice_margin, metric_asked
from benchmarks.analysis.scores import SCORES


def test_every_score_may_be_asked_by():
    assert METRIC_OF.keys() == SCORES.keys()
    assert {name for name, metric in METRIC_OF.items() if metric.less_is_better} == {'hd95_px', 'assd_px'}


@pytest.mark.parametrize(
    'name, value, said',
    [('miou', 1, '1 percent point'), ('dice', 0.5, '0.5 percent points'), ('hd95_px', 2, '2 pixels')],
)
def test_amounts_have_the_unit_of_the_metric(name, value, said):
    assert METRIC_OF[name].amount(value) == said


def test_records_without_a_question_ask_by_dice():
    assert metric_asked(dict(questions=[])) is metric_asked({}) is DICE
    later = dict(equivalence_margin=2.0, questions=[dict(metric='dice'), dict(metric='hd95_px')])
    assert metric_asked(later).name == 'hd95_px' and dice_margin(later) == 0
    assert dice_margin(dict(later, questions=[dict(metric='miou')])) == 2.0
