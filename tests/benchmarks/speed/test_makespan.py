"""The makespan of the scheduler on recorded durations, against the least that any order could take."""

import random
from pathlib import Path

import pytest

from benchmarks.plan.plan import Plan, Stage
from benchmarks.speed.makespan import least, main, makespan, read_recorded

RECORDED = Path(__file__).with_name('quickstart_seconds.json')  # of a run with two jobs on two cores
LIMIT = 1.1


@pytest.fixture(scope='module')
def quickstart():
    return read_recorded(RECORDED)


@pytest.mark.parametrize('jobs', [1, 2, 3, 4, 5, 6, 7, 8, 10, 16])
def test_with_the_seconds_of_earlier_runs_it_is_within_a_tenth_of_the_least(quickstart, jobs):
    plan, took = quickstart
    shortest = least(plan, took, jobs)
    assert shortest * 0.999 <= makespan(plan, took, jobs, lambda keys: took) <= LIMIT * shortest


def test_on_two_cores_no_training_ends_alone(quickstart):
    """Without the seconds a batch of refinements takes a core before the last training, and the other idles."""
    plan, took = quickstart
    known, unknown = makespan(plan, took, 2, lambda keys: took), makespan(plan, took, 2)
    assert unknown - known > 12 and known < 1.015 * least(plan, took, 2)


def test_seconds_of_the_first_seed_alone_are_enough(quickstart):
    """What earlier runs tell is an estimate: here that of another seed."""
    plan, took = quickstart
    like = {(one.kind, one.stack, one.role): took[key] for key, one in plan.stages.items() if not one.seed}
    known = {key: like[one.kind, one.stack, one.role] for key, one in plan.stages.items()}
    assert makespan(plan, took, 2, lambda keys: known) < LIMIT * least(plan, took, 2)


def random_grid(seed, cells=30):
    chance, stages, took = random.Random(seed), {}, {}
    for number in range(cells):
        parents = ()
        for kind, mean in (('train', 4), ('predict', 1.5), ('refine', 1)):
            one = Stage(
                kind, f'{kind}{number}', ('x',), number % 3, '', dict(pass_of=number, test_dataloader=''), parents, {}
            )
            stages[one.key], took[one.key] = one, chance.lognormvariate(mean, 0.6)
            parents = ((kind, one.key),)
    return Plan([], stages, {}, []), took


@pytest.mark.parametrize('seed', range(3))
def test_grids_of_very_unequal_trainings(seed):
    plan, took = random_grid(seed)
    assert makespan(plan, took, 4, lambda keys: took) < LIMIT * least(plan, took, 4)


def test_the_least_is_the_longest_chain_or_the_shared_work_and_what_runs_alone():
    train = Stage('train', 't', (), 0, '', {}, (), {})
    predict = Stage('predict', 'p', (), 0, '', dict(a=1), (('train', 't'),), {})
    profile = Stage('profile', 'm', (), None, '', {}, (('train', 't'),), {})
    plan, took = Plan([], {one.key: one for one in (train, predict, profile)}, {}, []), dict(t=5.0, p=2.0, m=3.0)
    assert (least(plan, took, 1), least(plan, took, 2)) == (10.0, 10.0)
    assert makespan(plan, took, 2) == 10.0


def test_the_least_knows_that_a_job_gets_two_of_a_crowd():
    """Nine equal trainings with a prediction each: of eight jobs one trains two networks, and predicts then."""
    stages, took = {}, {}
    for number in range(9):
        for kind, seconds, parents in (('train', 10.0, ()), ('predict', 1.0, (('train', f'train{number}'),))):
            one = Stage(kind, f'{kind}{number}', (), 0, '', dict(a=number), parents, {})
            stages[one.key], took[one.key] = one, seconds
    assert least(Plan([], stages, {}, []), took, 8) == 21.0
    assert makespan(Plan([], stages, {}, []), took, 8, lambda keys: took) == 21.0


def test_it_prints_both_ways():
    said = []
    main(RECORDED, 2, said.append)
    assert [line.split(':')[0] for line in said] == ['2 jobs, nothing is known', '2 jobs, durations are known']
