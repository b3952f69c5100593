"""Each part of an inference is timed in its place, and put back as it was."""

from typing import NamedTuple

import pytest

from benchmarks.probes.parts import PartTimes, timed_parts


class Clock:
    """Goes on by what is asked of it alone."""

    def __init__(self):
        self.ms = 0.0

    def __call__(self):
        return self.ms


class View:
    def __init__(self, clock, cost):
        self.clock, self.cost, self.kind = clock, cost, 'mirror'

    def forward(self, image):
        self.clock.ms += self.cost
        return image + 1

    def inverse(self, maps, size):
        return maps - 1


class Step(NamedTuple):
    name: str
    refinement: object


class Refinement:
    takes = 'labels'

    def __init__(self, clock, cost):
        self.clock, self.cost = clock, cost

    def __call__(self, results):
        self.clock.ms += self.cost
        return results


class OfSeveral(Refinement):
    def transform_many(self, several):
        return [self(one) for one in several]


@pytest.fixture
def world():
    clock = Clock()

    def load(results):
        clock.ms += 7
        return results | dict(img=1)

    def flip(results):
        clock.ms += 2
        return results

    views = dict(one=View(clock, 3), two=View(clock, 5))
    return clock, [load, flip], views, [Step('smooth', Refinement(clock, 4)), Step('fill', OfSeveral(clock, 6))]


def predict(clock, steps, views, chain, together=False):
    results = {}
    for step in steps:
        results = step(results)
    order = [list(views)] if together else [[name] for name in views]
    for names in order:
        for name in names:
            views[name].forward(1)
        clock.ms += 10  # the network
        for name in names:
            assert views[name].inverse(2, (1, 1)) == 1 and views[name].kind == 'mirror'
    clock.ms += 1  # the merge
    for step in chain:
        assert step.refinement.takes == 'labels'
        several = getattr(step.refinement, 'transform_many', None)
        several([{}]) if several else step.refinement({})


def test_each_part_has_its_own_time(world):
    clock, steps, views, chain = world
    before, times = (list(steps), dict(views), list(chain)), PartTimes(clock)
    with timed_parts(times, [steps], views, chain):
        for _ in range(2):
            predict(clock, steps, views, chain)
            for view in views.values():
                view.forward(0)  # looks at what a view does, and makes no map
            times.end_sample()
    assert times.as_facts(2) == dict(
        load=[7.0, 7.0], views=dict(one=[13.0, 13.0], two=[15.0, 15.0]), refine=dict(smooth=[4.0, 4.0], fill=[6.0, 6.0])
    )
    assert (steps, views, chain) == before


def test_views_of_one_pass_cannot_be_told_apart(world):
    clock, steps, views, chain = world
    times = PartTimes(clock)
    with timed_parts(times, [steps], views, chain):
        predict(clock, steps, views, chain, together=True)
        times.end_sample()
    assert times.as_facts(1)['views'] == {} and times.as_facts(1)['load'] == [7.0]


def test_what_was_not_timed_in_each_sample_is_left_out(world):
    clock, steps, views, chain = world
    times = PartTimes(clock)
    with timed_parts(times, [], views, chain):
        for together in (False, True):
            predict(clock, [], views, chain, together)
            times.end_sample()
    assert times.as_facts(2)['load'] == [] and times.as_facts(2)['views'] == {}


def test_parts_come_back_after_an_error(world):
    clock, steps, views, chain = world
    before = list(steps), dict(views), list(chain)
    with pytest.raises(ZeroDivisionError), timed_parts(PartTimes(clock), [steps], views, chain):
        raise ZeroDivisionError
    assert (steps, views, chain) == before
