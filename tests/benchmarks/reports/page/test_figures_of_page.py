"""What the figures of the page draw, and what they leave out."""

import numpy as np
import pandas as pd
import pytest
from simulated_teams import factorial, sums, world

from benchmarks.reports.answers import answers
from benchmarks.reports.class_table import class_table
from benchmarks.reports.effects_table import effects_table
from benchmarks.reports.page.accuracy_cost import accuracy_cost
from benchmarks.reports.page.class_figure import class_figure
from benchmarks.reports.page.effects_figure import effects_figure
from benchmarks.reports.page.figure import usual_range
from benchmarks.reports.page.forest import MOST_VALUES, Group, forest
from benchmarks.reports.page.latency_figure import latency_figure, parts_of
from benchmarks.reports.page.step_figure import step_figure
from benchmarks.reports.phrases import NOTHING, verdict_words
from benchmarks.reports.results import read_results
from benchmarks.reports.table import comparison_table, stack_table

METRICS = ['dice', 'mdice', 'miou', 'boundary_iou']
CLEAN = {'baseline', 'attention', 'attention+loss'}


@pytest.fixture(scope='module')
def tables(synthetic_out):
    results = read_results(synthetic_out)
    stacks, comparisons = stack_table(results), comparison_table(results)
    return stacks, comparisons, answers(results, stacks, comparisons).tables['speed.csv']


def values(figure, **wanted):
    return [value for value in figure.spec['data']['values'] if wanted.items() <= value.items()]


def test_a_point_has_the_paired_difference_to_the_reference_and_its_paired_interval(tables):
    stacks, comparisons, chances = tables
    figure = accuracy_cost(stacks, comparisons, chances, METRICS, CLEAN)
    (loss,) = values(figure, metric='dice', stack='attention+loss')
    pair = comparisons.query("stack == 'attention+loss' and reference == 'baseline' and metric == 'dice'").iloc[0]
    assert [loss[name] for name in ('delta', 'low', 'high', 'verdict')] == list(
        pair[['delta', 'low', 'high', 'verdict']]
    )
    assert loss['number'] == 3 and loss['front'] == 'likely' and loss['latency_ms_p50'] == pytest.approx(60.45)
    (reference,) = values(figure, metric='dice', stack='baseline')
    assert reference['delta'] == 0 and 'low' not in reference
    assert [row[1] for row in figure.table] == ['baseline', '+ attention', '+ loss']


def test_verdicts_and_chances_are_worded_as_in_the_text(tables):
    stacks, comparisons, chances = tables
    comparisons = comparisons.assign(family='exploratory')
    figure = accuracy_cost(stacks, comparisons, chances.assign(p_front=1.0), METRICS, CLEAN)
    pairs = (
        comparisons.query("reference == 'baseline' and metric == 'dice'").drop_duplicates('stack').set_index('stack')
    )
    worded = [verdict_words(pairs.loc[stack]) for stack in ('attention', 'attention+loss')]
    assert [row[3] for row in figure.table] == ['reference', *worded] and 'gain (exploratory)' in worded
    assert {row[4] for row in figure.table} == {'> 99 %', NOTHING}  # a row with a failed seed has no chance


def test_where_most_rows_are_compared_with_another_row_that_one_is_the_reference(tables):
    stacks, comparisons, chances = tables
    turned = comparisons.assign(stack=comparisons['reference'], reference='attention+loss')
    figure = accuracy_cost(stacks, turned.query("stack != 'attention+loss'"), chances, METRICS, CLEAN)
    assert '“+ loss”' in figure.note and values(figure, metric='dice', stack='attention+loss')[0]['delta'] == 0


def test_of_a_distance_less_is_up(tables):
    stacks, comparisons, chances = tables
    distance = comparisons.assign(metric=comparisons['metric'].replace('miou', 'hd95_px'))
    figure = accuracy_cost(stacks, distance, chances, ['dice', 'hd95_px'], CLEAN)
    scales = [patch['layer.1.encoding.y.scale'] for _, patch in figure.controls[0].options]
    assert [scale['reverse'] for scale in scales] == [False, True]


def test_rows_without_a_cost_or_a_difference_are_counted(tables):
    stacks, comparisons, chances = tables
    assert accuracy_cost(stacks, comparisons[:0], chances, METRICS, CLEAN) is None
    figure = accuracy_cost(stacks, comparisons.query("stack != 'attention'"), chances, METRICS, CLEAN)
    assert '1 rows have no difference' in figure.note


def test_a_step_of_the_waterfall_begins_where_the_one_before_ended(tables):
    stacks, comparisons, _ = tables
    first, second = values(step_figure(stacks, comparisons, METRICS, CLEAN), metric='dice')
    assert first['start'] == 0 and second['start'] == first['end'] == pytest.approx(first['delta'])
    assert second['low'] - second['start'] < second['delta'] < second['high'] - second['start']


def test_the_waterfall_ends_at_a_step_without_a_difference(tables):
    stacks, comparisons, _ = tables
    gone = comparisons.assign(delta=comparisons['delta'].where(comparisons['stack'] != 'attention+loss'))
    figure = step_figure(stacks, gone, METRICS, CLEAN)
    assert len(values(figure, metric='dice')) == 1 and '1 of 2 are drawn' in figure.note


def test_without_steps_each_bar_begins_at_its_reference_the_largest_gain_first(tables):
    stacks, comparisons, _ = tables
    alone = comparisons.assign(design='each_alone')
    bars = values(step_figure(stacks, alone, METRICS, CLEAN), metric='dice')
    assert {bar['start'] for bar in bars} == {0.0}
    assert [bar['delta'] for bar in bars] == sorted((bar['delta'] for bar in bars), reverse=True)
    assert step_figure(stacks, alone, METRICS, set()) is None


def test_a_range_that_a_few_rows_would_spoil():
    usual = [dict(delta=delta, low=delta - 1, high=delta + 1) for delta in np.linspace(-1, 1, 20)]
    assert usual_range(usual) is None and usual_range(usual[:3] + [dict(delta=-70)]) is None
    low, high = usual_range([*usual, dict(delta=-70.0, low=-80.0, high=-60.0), dict(delta=0.0, low=np.nan)])
    assert -2.5 < low < -2 and 2 < high < 2.5


def test_effects_of_a_factorial():
    table = effects_table(world(sums(dict(a=1, b=2), ab=-1.5), factorial('ab')), 0.5)
    figure = effects_figure(table)
    assert [name for name, _ in figure.controls[0].options][:3] == ['Shapley value', 'main effect', 'interaction']
    pair = values(figure, label='a × b', group=2)[0]
    assert pair['value'] == pytest.approx(-1.5, abs=0.1) and pair['verdict'] == 'loss'
    assert effects_figure(table[:0]) is None


def test_a_forest_leaves_out_groups_that_do_not_fit_and_says_so():
    row = dict(value=1.0, low=0.0, high=2.0, verdict='gain')
    groups = [Group(str(n), [row] * 900, ['x'] * 900, ['y'] * 900) for n in range(5)]
    figure = forest('f', 'Group', ('kind', 'label'), 'Alt.', 'Note.', groups, 'all.csv')
    assert len(figure.table) == 1800 <= MOST_VALUES
    assert figure.note.endswith('The first 2 of 5 are drawn; all.csv has all.')


def test_classes_of_many_rows_are_cut(synthetic_out):
    classes = class_table(read_results(synthetic_out))
    many = pd.concat([classes.assign(stack=classes['stack'] + str(n)) for n in range(700)])
    figure = class_figure(many, {})
    assert len(values(figure)) == 3000 and 'The first 1000 of 2100 rows are drawn' in figure.note
    assert class_figure(classes[:0], {}) is None


def profile(preprocess, views, refine, parts=None):
    """A profile with three samples of each step."""
    steps = dict(preprocess=preprocess, views=views, refine=refine)
    return dict(latency_ms={name: [ms, ms + 1, ms + 2] for name, ms in steps.items()}, parts_ms=parts)


def thrice(ms):
    return [ms, ms + 1, ms + 2]


def test_the_parts_of_an_inference_are_those_that_were_timed():
    parts = dict(load=[1, 1, 1], views=dict(plain=thrice(4), flip=[5, 5, 5]), refine=dict(crf=thrice(6)))
    found = list(parts_of(profile(3, 12, 7, parts)))
    assert [(part.kind, part.name, part.ms) for part in found] == [
        ('load', '', 1),
        ('preprocess', '', 3),
        ('view, network included', 'plain', 5),
        ('view, network included', 'flip', 5),
        ('merge of views', '', 3),
        ('refinement', 'crf', 7),
        ('labels', '', 1),
    ]


def test_a_profile_from_before_single_parts_has_three():
    old = profile(3, 12, 7)
    del old['parts_ms']
    for one in (old, profile(3, 12, 7)):
        found = [(part.kind, part.ms) for part in parts_of(one)]
        assert found == [
            ('load and preprocess', 4),
            ('all views and their merge', 13),
            ('all refinements and labels', 8),
        ]


def test_views_that_cannot_be_told_apart_are_one_part():
    found = [part.kind for part in parts_of(profile(3, 12, 7, dict(load=[], views={}, refine={})))]
    assert found == ['load and preprocess', 'all views and their merge', 'labels']


def test_noise_makes_no_negative_part():
    parts = dict(load=[9, 9, 9], views=dict(plain=[20, 20, 20]), refine={})
    assert min(part.ms for part in parts_of(profile(3, 12, 7, parts))) == 0


def test_the_time_of_each_part_stands_in_the_table(tables):
    stacks, _, _ = tables
    parts = dict(load=[1, 1, 1], views=dict(plain=thrice(4), flip=[5, 5, 5]), refine={})
    profiles = dict.fromkeys(stacks['stack'], profile(3, 12, 7, parts))
    figure = latency_figure(stacks, profiles)
    cells = dict(zip(figure.head, figure.table[1]))
    assert cells['row'] == '+ attention' and cells['view, network included, ms'] == 'plain 5.0; flip 5.0'
    assert cells['load, ms'] == '1.0' and cells['labels, ms'] == '8.0' and 'refinement, ms' not in cells
    assert len(figure.spec['data']['values']) == 3 * 6 and len(latency_figure(stacks, profiles).table) == 3
    assert latency_figure(stacks.assign(profile_status='failed'), profiles) is None
