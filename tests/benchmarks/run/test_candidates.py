"""The scheduler decides from the few stages that it is shown as it would from all, and a look costs no more in a
larger plan."""

import random
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.plan import batching
from benchmarks.plan.plan import Plan, Stage
from benchmarks.run import image_batch
from benchmarks.run.retries import Retries
from benchmarks.run.schedule import View, always_fits, decide
from benchmarks.run.standings import Standings
from benchmarks.run.state import State
from benchmarks.run.view import Viewer
from benchmarks.speed.makespan import makespan
from benchmarks.store.store import Result

MEAN_S = dict(train=40.0, predict=5.0, refine=2.0, profile=3.0)


def plan_of(cells, chance):
    """Trainings with one to three predictions each, some with a refinement; a profile for every third."""
    plan, took = Plan([], {}, {}, []), {}

    def add(kind, name, parents, **config):
        stack = tuple('abc'[: chance.randrange(4)])
        steps = tuple((one.kind, one.key) for one in parents)
        one = Stage(kind, name, stack, chance.randrange(3), '', config, steps, {}, fold=chance.choice((None, 0, 1)))
        plan.stages[name] = one
        took[name] = round(chance.lognormvariate(0, 1) * MEAN_S[kind], 3)
        return one

    for number in range(cells):
        train = add('train', f't{number}', ())
        for view in range(chance.randrange(1, 4)):
            predict = add('predict', f'p{number}.{view}', (train,), inference=dict(view=view))
            for refinement in range(chance.randrange(3)):
                name = f'r{number}.{view}.{refinement}'
                add('refine', name, (predict, train), test_dataloader=f'images {number % 2}')
        if number % 3 == 0:
            add('profile', f'm{number}', (train,))
    return plan, took


def whole_view(state, retries, viewer, running, jobs, limited):
    """The view with all that is ready, found by a look at every stage."""
    ready = [stage for stage in state.open() if state.ready(stage)]
    waiting = [stage for stage in state.open() if not state.ready(stage)]
    known = [*ready, *(state.plan.stages[key] for key in state.running)]
    return View(
        ready=tuple(ready),
        running=running,
        jobs=jobs,
        batches={stage.key: viewer._batch(stage) for stage in ready},
        batches_to_come=frozenset(map(viewer._batch, waiting)) - {None},
        alone=frozenset(stage.key for stage in known if viewer.runs_alone(stage)),
        maps_limited=limited,
        fits=always_fits,
        seconds=viewer._with_chains,
        work_s=sum(viewer._own.get(stage.key, 0.0) for stage in state.open() if not viewer.runs_alone(stage)),
    )


def names(decision):
    return [[stage.key for stage in process] for process in decision.start]


@pytest.mark.parametrize('most_refined', [1, 3, batching.MOST_REFINED])
@pytest.mark.parametrize('known', [True, False])
@pytest.mark.parametrize('limited', [True, False])
@pytest.mark.parametrize('seed', range(6))
def test_decisions_are_those_of_a_look_at_all_stages(seed, limited, known, most_refined, monkeypatch):
    for module in (batching, image_batch):  # with fewer in a process the scheduler is shown a part of a batch
        monkeypatch.setattr(module, 'MOST_REFINED', most_refined)
    chance = random.Random(seed)
    plan, took = plan_of(14, chance)
    jobs, retries, state = chance.randrange(1, 6), Retries(), State(plan)
    viewer = Viewer(state, retries, (lambda keys: took) if known else None)
    running, ends, failed = [], 0, Counter()
    while True:
        processes = frozenset(running)
        view = viewer.view(processes, jobs, maps_limited=limited, fits=always_fits)
        whole = whole_view(state, retries, viewer, processes, jobs, limited)
        assert names(decide(view)) == names(decide(whole))
        assert view.work_s == pytest.approx(whole.work_s, abs=1e-6)
        assert {key for key in plan.stages if state.standings.needs_maps(key)} == state.maps_needed()
        assert state.standings.maps_needed() == state.maps_needed()
        for process in decide(view).start:
            running.append(tuple(stage.key for stage in process))
            state.running |= dict.fromkeys(running[-1], 0.0)
        if not running:
            break
        ended = running.pop(chance.randrange(len(running)))
        for key in ended:  # some run again, and some fail
            del state.running[key]
            again = chance.random()
            if again < 0.1 and not failed[key]:
                failed[key] += 1
                chance.choice((retries.failed_beside_others, retries.unbatched)).add(key)
            elif again < 0.15 and not failed[key] and plan.stages[key].parents:
                failed[key] += 1
                state.results.pop(plan.stages[key].parents[0][1], None)
            else:
                status = 'ok' if chance.random() < 0.9 else 'failed'
                state.results[key] = Result(Path(), status, None, {}, {}, '', True)
        ends += 1
    assert not state.open() and ends > 10


def test_a_look_costs_no_more_in_a_larger_plan(monkeypatch):
    """The number of times that a stage is asked where it stands grows as the plan does, and so do the stages shown."""
    asked, ask = Counter(), Standings._ask
    shown, init = Counter(), View.__init__

    def counting_ask(self, keys):
        keys = list(keys)
        asked[size] += len(keys)
        ask(self, keys)

    def counting_init(self, *given, **named):
        init(self, *given, **named)
        shown[size] += len(self.ready)

    monkeypatch.setattr(Standings, '_ask', counting_ask)
    monkeypatch.setattr(View, '__init__', counting_init)
    for size in (60, 240):
        plan, took = plan_of(size, random.Random(0))
        makespan(plan, took, 4, lambda keys: took)
    assert asked[240] < 5 * asked[60] and shown[240] < 5 * shown[60]
