"""What is said of a plan before it runs: how much is shared, what is found, what is missing and why."""

from dataclasses import replace

import pytest

from benchmarks.plan.plan import Cell, Plan, Stage
from benchmarks.run.state import look_up
from benchmarks.session.summary import inference_passes, show_plan
from benchmarks.store.store import Store


def named(label):
    """``x+y__seed0 member 2`` → the stack, seed and role of a stage with that label."""
    stack, _, rest = label.partition('__seed')
    seed, _, role = rest.partition(' ')
    return tuple(stack.split('+')) if stack != 'baseline' else (), int(seed) if rest else None, role


def stage(kind, name, label, *parents, **config):
    return Stage(
        kind,
        name.ljust(40, '0'),
        *named(label),
        dict(inference=dict(views={}), test_dataloader='images') | config,
        tuple((one.kind, one.key) for one in parents),
        {'config a': name},
    )


def steps(*stages):
    return tuple((one.kind, one.key) for one in stages)


def plan():
    """Two trainings; the second stack adds views to the first, the third refines, the fourth is under a condition."""
    first, second = stage('train', 'a', 'baseline__seed0'), stage('train', 'b', 'x__seed0')
    plain = stage('predict', 'c', 'baseline__seed0', first)
    views = stage('predict', 'd', 'v__seed0', first, inference=dict(views=dict(flip=dict(type='FlipView'))))
    other = stage('predict', 'e', 'x__seed0', second)
    noisy = stage('predict', 'f', 'baseline@n__seed0', first, test_dataloader=dict(dataset='noisy'))
    refine = stage('refine', 'g', 'v+r__seed0', views)
    stages = (first, second, plain, views, other, noisy, refine)

    def cell(stack, *stages):
        return Cell(stack, 0, {}, steps(*stages))

    cells = [
        cell((), first, plain),
        cell(('v',), first, views),
        cell(('v', 'r'), first, views, refine),
        cell(('x',), second, other),
        cell(('n',), first, noisy),
    ]
    return Plan(
        cells, {one.key: one for one in stages}, dict.fromkeys([one.stack for one in cells], 'p'), [], {('n',): ()}
    )


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def put(store, one):
    with store.writing(one.key) as folder:
        store.commit(
            one.kind, one.key, folder, status='ok', reason=None, facts={}, ingredients=one.ingredients, label=one.label
        )


def shown(store, capsys, plan, **options):
    show_plan(plan, *look_up(store, plan), store, 2, [], **options)
    return capsys.readouterr().out.splitlines()


def test_the_head_says_what_is_shared_and_what_it_takes_by_hand(store, capsys):
    head, stacks, *_ = shown(store, capsys, plan())
    # Views alone share a pass; noisy images are another; by hand a condition needs no training of its own.
    assert head == '5 cells, 2 trainings, 3 inference passes; by hand: 4 trainings, 5 tests'
    assert stacks == '5 stacks; distinct stages: 2 train, 4 predict, 1 refine'


def test_it_is_said_what_is_shared(store, capsys):
    lines = [line for line in shown(store, capsys, plan()) if line.startswith('shared: ')]
    assert lines == [
        'shared: 4 cells predict with 1 network that they share, because they differ in inference or test images alone',
        'shared: 4 predictions come out of 3 inference passes: stacks that differ in views alone run their network '
        'together',
        'shared: 5 cells read 4 predictions: refinements work on stored maps',
    ]


def test_predictions_of_validation_images_are_read_by_no_cell(store, capsys):
    whole = plan()
    tried = [stage('predict', f'v{n}', 'v+r__seed0 validation', test_dataloader=f'val{n}') for n in range(3)]
    more = replace(whole, stages=whole.stages | {one.key: one for one in tried})
    assert 'shared: 5 cells read 4 predictions: refinements work on stored maps' in shown(store, capsys, more)


def test_cells_that_several_designs_share_are_told_for_a_table_of_each(store, capsys):
    shared = replace(plan(), design_count={(): 3, ('n',): 2})
    assert shared.by_hand(each_design=True) == (6, 8)
    head = shown(store, capsys, shared)[0]
    assert head.endswith('; by hand: 4 trainings, 5 tests (6 and 8 for a table of each design)')


def test_a_grid_of_one_cell_is_in_the_singular(store, capsys):
    train = stage('train', 'a', 'baseline__seed0')
    predict = stage('predict', 'c', 'baseline__seed0', train)
    one = Plan([Cell((), 0, {}, steps(train, predict))], {s.key: s for s in (train, predict)}, {(): 'p'}, [])
    assert shown(store, capsys, one)[:2] == [
        '1 cell, 1 training, 1 inference pass; by hand: 1 training, 1 test',
        '1 stack; distinct stages: 1 train, 1 predict',
    ]


def test_several_networks_count_by_hand_each_time_that_a_cell_trains_or_labels_with_them(store, capsys):
    teacher = stage('train', 'a', 's__seed0 teacher')
    label = stage('label', 'b', 's__seed0', teacher)
    student = stage('train', 'c', 's__seed0', label)
    predicts = [stage('predict', name, f'{name}__seed0', student) for name in 'de']
    cells = [Cell((name,), 0, {}, steps(teacher, label, student, one)) for name, one in zip('de', predicts)]
    several = Plan(cells, {one.key: one for one in (teacher, label, student, *predicts)}, {}, [])
    assert several.by_hand() == (4, 4) and inference_passes(several) == 2
    head = shown(store, capsys, several)[0]
    assert head == '2 cells, 2 trainings, 2 inference passes; by hand: 4 trainings, 4 tests'


def test_each_stage_is_shown_as_found_or_with_the_reason_why_it_is_missing(store, capsys):
    stages = plan().stages
    first = next(iter(stages.values()))
    put(store, first)
    put(store, Stage('predict', 'z' * 40, (), 0, '', {}, (), {'config a': 'another', 'data predict': 'old'}))
    assert shown(store, capsys, plan())[2:7] == [
        '1 cached, 6 to run, 2 at a time',
        '  train     1 found: baseline__seed0',
        '  train     1 × not run yet: x__seed0',
        '  predict   1 × changed: config a, data predict: baseline__seed0',
        '  predict   3 × not run yet: v__seed0, x__seed0, baseline@n__seed0',
    ]


def test_another_grids_stages_are_found(store, capsys):
    for one in plan().stages.values():
        put(store, one)
    own = stage('refine', 'h', 'v+other__seed0')
    shared = list(plan().stages.values())[:4]
    second = Plan([], {one.key: one for one in (*shared, own)}, {}, [])
    assert shown(store, capsys, second)[2:6] == [
        '4 cached, 1 to run, 2 at a time',
        '  train     2 found: baseline__seed0, x__seed0',
        '  predict   2 found: baseline__seed0, v__seed0',
        '  refine    1 × not run yet: v+other__seed0',
    ]


def test_long_lists_are_cut_where_asked(store, capsys):
    trains = [stage('train', name, f'{name}__seed0') for name in 'abcde']
    many = Plan([], {one.key: one for one in trains}, {}, [])
    assert shown(store, capsys, many)[3] == '  train     5 × not run yet: a__seed0, b__seed0, c__seed0 and 2 more'
    assert shown(store, capsys, many, labels_shown=5)[3].endswith('d__seed0, e__seed0')
