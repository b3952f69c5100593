"""The time that is left: estimates from like stages, and a whole run whose estimates are soon right."""

import statistics
import time

import pytest

from benchmarks.plan.plan import Plan, Stage
from benchmarks.run.state import State
from benchmarks.session.estimate import FIXED_S, SLOW_IMAGES, Estimator, Took, Work, total_s
from benchmarks.session.time_left import TimeLeft
from benchmarks.session.work import work_of
from benchmarks.store.store import Result, Store

TRAIN, PREDICT = Work('train', 'a', 100.0), Work('predict', 'a', 40.0)


def test_like_stages_come_first_and_are_scaled_by_their_work():
    known = [Took(Work('train', 'a', 50.0), 10.0), Took(Work('train', 'b', 50.0), 90.0)]
    assert Estimator(known).seconds(TRAIN) == 20
    assert Estimator(known).seconds(Work('train', 'new', 100.0)) == 100  # the median of both rows


def test_a_row_with_many_seeds_counts_once_among_the_stages_of_its_kind():
    known = [Took(Work('train', 'a', 1.0), 1.0)] * 9 + [Took(Work('train', 'b', 1.0), 3.0)]
    assert Estimator(known).seconds(Work('train', 'new', 1.0)) == 2


def test_the_rate_of_a_kind_is_made_once_for_all_stages(monkeypatch):
    """A plan asks for as many as it has stages, and a large one has as many rows."""
    estimator, asked = Estimator([Took(Work('train', f'{row}', 1.0), 1.0) for row in range(50)]), []
    median = statistics.median
    monkeypatch.setattr(statistics, 'median', lambda values: asked.append(1) or median(values))
    assert {estimator.seconds(Work('train', f'new {row}', 2.0)) for row in range(50)} == {2.0}
    assert len(asked) == 51


def test_another_kind_tells_by_the_ratio_of_costs_and_nothing_tells_nothing():
    assert Estimator([Took(TRAIN, 100.0)]).seconds(PREDICT) == pytest.approx(10)
    assert Estimator([]).seconds(PREDICT) is None and Estimator([]).seconds(Work('profile', 'a', 1.0)) is None
    assert Estimator([Took(TRAIN, 100.0)]).seconds(Work('profile', 'a', 1.0)) > 0


def test_a_measurement_of_slow_images_takes_as_long_as_the_images_that_it_predicts():
    fast, slow = Work('profile', 'a', 1.0, True, 10.0), Work('profile', 'b', 1.0, True, 400.0)
    one_pixel = 0.01  # seconds; predictions of 40 pixels
    predicted = [Took(PREDICT, 40 * one_pixel)]
    assert Estimator(predicted).seconds(fast) == FIXED_S['profile']
    assert Estimator(predicted).seconds(slow) == SLOW_IMAGES * 400 * one_pixel
    assert Estimator([Took(TRAIN, 100.0)]).seconds(slow) == pytest.approx(SLOW_IMAGES * 400 * 0.25)
    # A measured one tells how far the rule is off on this machine.
    assert Estimator([Took(fast, 12.0), *predicted]).seconds(slow) == 3 * SLOW_IMAGES * 400 * one_pixel


def test_the_sum_is_no_less_than_its_parts_say(tmp_path, monkeypatch):
    """A measurement runs last and alone: its own progress counts, and one that is overdue is not nearly done."""
    plan, seconds = recorded_run()
    store, state = Store(tmp_path), State(plan)
    time_left = TimeLeft(plan, store, 2, lambda dataset: (56, IMAGE))
    (*others, last) = plan.stages
    for key in others:
        state.results[key] = finished(tmp_path, key, seconds[key])
        time_left.learn(key, state.results[key])
    state.running[last] = time.monotonic() - 60
    monkeypatch.setattr(store, 'progress', lambda key: {})
    assert time_left.left_s(state) == pytest.approx(15, abs=1)
    monkeypatch.setattr(store, 'progress', lambda key: dict(step=8, total=213, eta_s=834.0))
    assert time_left.left_s(state) == 834


def test_stages_run_side_by_side_but_not_before_their_parents_nor_beside_a_measurement():
    seconds = dict(a=10.0, b=10.0, c=4.0, p=3.0)
    assert total_s(seconds, {}, set(), 2) == 13.5
    assert total_s(seconds, dict(c=['a'], p=['c']), set(), 3) == 17
    assert total_s(seconds, dict(c=['a'], p=['a']), {'p'}, 2) == 14 + 3
    assert total_s({}, {}, set(), 2) == 0


# Seconds of stages as recorded on two cores, two stages at a time: six rows of three seeds. Rows 3 to 5 share weights,
# rows 4 and 5 a pass of ten views, and row 5 refines.
ROWS = ('base', 'cbam', 'cbam+loss', 'cbam+loss+scale')
TRAIN_S = {
    'base': (65.8, 67.8, 62.6),
    'cbam': (70.9, 70.6, 71.1),
    'cbam+loss': (83.2, 81.6, 75.7),
    'cbam+loss+scale': (82.9, 81.1, 80.1),
}
PREDICT_S = {'base': 2.0, 'cbam': 2.2, 'cbam+loss': 2.1, 'cbam+loss+scale': 5.5, 'cbam+loss+scale+flips': 5.5}
PROFILE_S = dict(zip([*PREDICT_S, 'cbam+loss+scale+flips+crf'], (2.8, 2.9, 2.9, 4.2, 4.4, 6.0)))
REFINE_S = 2.4
CROP, IMAGE = (96, 96), 189 * 233


def stage(kind, row, seed, *parents, views=0):
    config = dict(
        train_cfg=dict(max_iters=250),
        train_dataloader=dict(batch_size=8, dataset=dict(pipeline=[dict(type='RandomCrop', crop_size=CROP)])),
        test_dataloader=dict(dataset=dict(name='test')),
        inference=dict(views={f'v{n}': dict(type='View', n=n) for n in range(views)}),
    )
    stack = () if row == 'base' else tuple(row.split('+'))
    key = f'{kind}{row}{seed}'
    return Stage(kind, key, stack, seed, '', config, tuple((one.kind, one.key) for one in parents), {})


def recorded_run():
    """The plan of the recorded run, and the seconds of each stage."""
    stages, seconds = [], {}

    def add(took, *args, **kwargs):
        one = stage(*args, **kwargs)
        stages.append(one)
        seconds[one.key] = took
        return one

    for seed in range(3):
        trained = {row: add(TRAIN_S[row][seed], 'train', row, seed) for row in ROWS}
        last = trained['cbam+loss+scale']
        for row in ROWS[:3]:
            add(PREDICT_S[row], 'predict', row, seed, trained[row])
        add(PREDICT_S['cbam+loss+scale'], 'predict', 'cbam+loss+scale', seed, last, views=4)
        flips = add(PREDICT_S['cbam+loss+scale'], 'predict', 'cbam+loss+scale+flips', seed, last, views=10)
        add(REFINE_S, 'refine', 'cbam+loss+scale+flips+crf', seed, flips)
    for row, took in PROFILE_S.items():
        add(took, 'profile', row, None, stages[0])
    return Plan([], {one.key: one for one in stages}, {}, []), seconds


def finished(folder, key, seconds):
    return Result(folder, 'ok', None, dict(seconds=seconds), {}, key)


def next_stage(state):
    """As the scheduler: late kinds first, measurements last."""
    order = ('refine', 'predict', 'train', 'profile')
    return min((one for one in state.open() if state.ready(one)), key=lambda one: order.index(one.kind)).key


@pytest.mark.parametrize('jobs', [1, 2])
def test_the_estimates_of_a_recorded_run_are_within_a_factor_of_one_and_a_half(tmp_path, jobs):
    plan, seconds = recorded_run()
    alone = {key for key, one in plan.stages.items() if one.kind == 'profile'}
    parents = {key: [parent for _, parent in one.parents] for key, one in plan.stages.items()}
    time_left = TimeLeft(plan, Store(tmp_path), jobs, lambda dataset: (56, IMAGE))
    state, wrong = State(plan), []
    assert time_left.left_s(state) is None
    while len(state.open()) > 3:
        key = next_stage(state)
        state.results[key] = finished(tmp_path, key, seconds[key])
        time_left.learn(key, state.results[key])
        left = {other: took for other, took in seconds.items() if other not in state.results}
        estimate, truth = time_left.left_s(state), total_s(left, parents, alone, jobs)
        # Near the end seconds count, not their ratio: the last measurements take 15 s of 900.
        if not truth / 1.5 < estimate < truth * 1.5 and abs(estimate - truth) > 8:
            wrong.append((key, estimate, truth))
    assert wrong == []


def test_the_first_steps_of_the_first_training_tell_how_long_the_run_takes(tmp_path, monkeypatch):
    plan, seconds = recorded_run()
    store = Store(tmp_path)
    time_left = TimeLeft(plan, store, 1, lambda dataset: (56, IMAGE))
    key = 'trainbase0'
    state = State(plan)
    state.running[key] = state.started
    monkeypatch.setattr(store, 'progress', lambda key: dict(step=1, total=250, eta_s=64.0))
    assert time_left.left_s(state) is None  # the first steps warm up
    monkeypatch.setattr(store, 'progress', lambda key: dict(step=10, total=250, eta_s=63.2))
    assert 1 / 1.5 < time_left.left_s(state) / sum(seconds.values()) < 1.5


def test_a_run_remembers_for_the_next_grid_in_units_that_do_not_depend_on_the_grid(tmp_path):
    plan, seconds = recorded_run()
    first = TimeLeft(plan, Store(tmp_path / 'store'), 2, lambda dataset: (56, IMAGE), tmp_path / 'cache')
    assert first.planned_s(list(plan.stages)) == (0, ['train', 'predict', 'refine', 'profile'])
    for key, took in seconds.items():
        first.learn(key, finished(tmp_path, key, took))
    larger = TimeLeft(plan, Store(tmp_path / 'store'), 2, lambda dataset: (560, IMAGE), tmp_path / 'cache')
    whole, unknown = larger.planned_s(['predictbase0'])
    assert unknown == [] and whole == pytest.approx(20)
    (tmp_path / 'cache' / 'durations.json').write_text('[{"work": 3}, 5]')
    torn = TimeLeft(plan, Store(tmp_path / 'store'), 2, cache=tmp_path / 'cache')
    assert torn.planned_s(['predictbase0']) == (0, ['predict'])


def test_the_work_of_a_plan_counts_steps_crops_images_and_views():
    plan, _ = recorded_run()
    work = work_of(plan, lambda dataset: (56, IMAGE))
    assert work['trainbase0'].amount == 250 * 8 * 96 * 96
    assert work['predictbase0'].amount == 56 * IMAGE
    # A pass of eleven distinct views for two stacks.
    assert work['predictcbam+loss+scale0'].amount == 56 * IMAGE * 11 / 2
    assert work['profilebaseNone'].alone and work['profilebaseNone'].amount == 1
    assert work['profilebaseNone'].image == IMAGE and work['predictbase0'].image == 0
