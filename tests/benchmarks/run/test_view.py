"""What the scheduler learns of durations."""

from pathlib import Path

from tiny_grid import chain, plan_of, stage

from benchmarks.run.retries import Retries
from benchmarks.run.schedule import always_fits
from benchmarks.run.state import State
from benchmarks.run.view import Viewer
from benchmarks.store.store import Result

OWN = dict(train=100.0, predict=10.0, refine=1.0, profile=1000.0)


def viewed(plan, results=(), asked=None):
    state = State(plan, {key: Result(Path(), 'ok', None, {}, {}, '', True) for key in results})

    def seconds(keys):
        if asked is not None:
            asked.append(len(keys))
        return {key: OWN[plan.stages[key].kind] for key in keys}

    viewer = Viewer(state, Retries(), seconds)
    return state, lambda: viewer.view(frozenset(), 2, maps_limited=False, fits=always_fits)


def test_a_stage_takes_as_long_as_the_longest_chain_that_waits_for_it_but_for_measurements():
    train, predict, refine = chain('a')
    plan = plan_of(train, predict, refine, stage('profile', 'a', train))
    _, view = viewed(plan)
    seen = view()
    assert seen.seconds[train.key] == 111.0 and seen.seconds[predict.key] == 11.0 and seen.work_s == 111.0


def test_it_is_estimated_anew_when_the_results_have_doubled_and_work_counts_at_once():
    plan, asked = plan_of(*(one for name in 'abcdefgh' for one in chain(name))), []
    state, view = viewed(plan, asked=asked)
    for key in plan.stages:
        view()
        state.results[key] = Result(Path(), 'ok', None, {}, {}, '', True)
    assert asked == [24, 23, 22, 20, 16, 8]
    assert view().work_s == 0.0


def test_without_estimates_nothing_is_known():
    train, *rest = chain('a')
    state = State(plan_of(train, *rest))
    view = Viewer(state, Retries()).view(frozenset(), 2, maps_limited=False, fits=always_fits)
    assert view.seconds == {} and view.work_s == 0.0


def test_stages_that_are_put_off_do_not_start():
    plan = plan_of(*chain('a'), *chain('b'))
    viewer = Viewer(State(plan), Retries())
    train = next(iter(plan.stages))
    seen = viewer.view(frozenset(), 2, maps_limited=False, fits=always_fits, later={train: 1.0})
    assert [stage.stack for stage in seen.ready] == [('b',)]
