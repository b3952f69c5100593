"""Before it runs, a grid says what it asks, and what few seeds cannot decide."""

from types import SimpleNamespace

from benchmarks.session.asking import asking


def lines(n_trainings, n_seeds, primary=2, metric='dice', margin=0.5):
    names = [('baseline',), *((f't{number}',) for number in range(1, n_trainings))]
    cells = [
        SimpleNamespace(seed=seed, fold=None, weights=('train', name)) for seed in range(n_seeds) for name in names
    ]
    pairs = [SimpleNamespace(stack=name, reference=(), design='each_alone') for name in names[1:]]
    question = dict(primary=[['t', 'baseline']] * primary, equivalence_margin=margin, metric=metric)
    return asking(question, SimpleNamespace(comparisons=pairs, cells=cells), n_seeds)


def test_the_question_in_one_line():
    assert lines(6, 3) == ['question: 2 primary pairs of rows, 3 exploratory, by Dice, margin 0.5 points']
    assert lines(3, 3) == ['question: 2 primary pairs of rows, by Dice, margin 0.5 points']
    assert lines(1, 3) == []
    assert lines(3, 3, metric='hd95_px') == ['question: 2 primary pairs of rows, by HD95, margin 0.5 px']


def test_few_seeds_say_what_they_cannot_decide():
    assert 'one seed judges these checkpoints alone' in lines(6, 1)[1]
    assert (
        'here are 6 trainings' in lines(6, 2)[1] and 'borrowed from 20 trainings on, or with 3 seeds' in lines(6, 2)[1]
    )
    assert 'borrowed from 30 trainings' in lines(30, 2)[1] and 'about half of those of 5 points' in lines(30, 2)[1]
