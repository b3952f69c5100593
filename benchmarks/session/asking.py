"""What a grid asks, and what its seeds can answer, in words before it runs."""

from benchmarks.analysis.families import BORROWED_FROM, pair_of
from benchmarks.analysis.metrics import METRIC_OF
from benchmarks.plan.plan import Plan
from benchmarks.plan.question import Question
from benchmarks.record import stack_name


def asking(question: Question, plan: Plan, n_seeds: int) -> list[str]:
    """What a grid asks, and what so few seeds can decide; nothing for a grid without pairs.

    Args:
        question: The question.
        plan: The plan.
        n_seeds: The number of seeds of each row; a baseline may have more.
    """
    pairs = {
        pair_of(dict(stack=stack_name(one.stack), reference=stack_name(one.reference))) for one in plan.comparisons
    }
    if not pairs:
        return []
    primary = len(question['primary'])
    margin = question['equivalence_margin']
    rest = f', {len(pairs) - primary} exploratory' if len(pairs) > primary else ''
    metric = METRIC_OF[question['metric']]
    asked = f'question: {primary} primary pairs of rows{rest}, by {metric.title}, margin {margin:g} {metric.short_unit}'
    return [asked, *_few_seeds(n_seeds, n_trainings(plan))]


def n_trainings(plan: Plan) -> int:
    """The number of distinct networks of one seed."""
    first = plan.cells[0]
    return len({cell.weights for cell in plan.cells if (cell.seed, cell.fold) == (first.seed, first.fold)})


def _few_seeds(n_seeds: int, n_trainings: int) -> list[str]:
    if n_seeds == 1:
        return ['note: one seed judges these checkpoints alone; whether another training would gain is not tested']
    if n_seeds > 2:
        return []
    if n_trainings < BORROWED_FROM:
        return [
            f'note: 2 seeds decide little: a difference of two trainings is shown where its two seeds agree to about '
            f'a tenth of it, or closer with many pairs. Seed variances are borrowed from {BORROWED_FROM} trainings on, '
            f'or with 3 seeds; here are {n_trainings} trainings'
        ]
    return [
        f'note: 2 seeds show large differences alone, with seed variances borrowed from {n_trainings} trainings: in '
        f'simulated grids about half of those of 5 points, next to none of 1 point. 3 seeds show most of 2 points'
    ]
