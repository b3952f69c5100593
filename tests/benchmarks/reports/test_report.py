import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from benchmarks import record
from benchmarks.reports import figures
from benchmarks.reports.class_table import class_section, class_table
from benchmarks.reports.phrases import interval_text, signed, verdict_text, verdict_words
from benchmarks.reports.readings import _because, _false, readings
from benchmarks.reports.report import make_report
from benchmarks.reports.results import read_results
from benchmarks.reports.table import comparison_table, stack_table

STACKS = ('baseline', 'attention', 'attention+loss')


@pytest.fixture(scope='module')
def report(tmp_path_factory, synthetic_writer):
    return make_report(synthetic_writer(tmp_path_factory.mktemp('report')))


@pytest.fixture(scope='module')
def text(report):
    return report.read_text()


def table_rows(text):
    """The rows of the improvement table."""
    lines = [line for line in text.split('\n## ')[0].splitlines() if line.startswith('| ')]
    return [[field.strip() for field in line.strip('|').split(' | ')] for line in lines]


def make(out, **changed_grid):
    record.write_grid(out, record.read_grid_json(out) | changed_grid)
    return make_report(out).read_text()


def test_report_has_its_files(report):
    assert sorted(path.name for path in report.parent.iterdir()) == [
        'README.md',
        'accuracy_speed.png',
        'accuracy_speed.svg',
        'classes.csv',
        'comparisons.csv',
        'hidden.csv',
        'index.html',
        'speed.csv',
        'strata.csv',
        'table.csv',
        'table.tex',
        'ways.csv',
        'ways_ranks.csv',
    ]


def test_same_records_give_the_same_bytes(report, tmp_path, synthetic_writer):
    again = make_report(synthetic_writer(tmp_path)).parent
    for path in report.parent.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_improvement_table_stands_beside_the_published_figures(text):
    head, baseline, attention, loss = table_rows(text)
    assert head == [
        'row',
        'Dice, % [95 %]',
        'Δ previous row',
        'Δ baseline',
        'published Dice, %',
        'latency p50, ms',
        'train, s',
    ]
    assert baseline[0] == 'baseline' and baseline[2:] == ['–', '–', '81.0', '20.4', '61.0']
    assert attention[1].endswith('(2 seeds; failed: out_of_memory (1 of 3))')
    assert loss[2].startswith('+') and loss[2].endswith('**gain**') and loss[3].endswith('**gain** (exploratory)')
    assert loss[4] == '–'


def test_text_says_how_little_it_rests_on(text):
    assert '56 test images in 8 independent groups, 3 seeds, fewer where the row says so' in text
    assert 'The published Dice comes from elsewhere' in text
    assert 'rests on the seeds that survived, which may flatter it' in text
    assert 'Undecided does not mean equal' in text
    assert 'attention__seed2: out_of_memory in train: needs 99 GiB, has 16' in text


def test_plain_reading_names_the_steps_that_are_gains(text):
    assert 'Steps from one row to the next that are gains: “+ loss” (of 2 compared).' in text
    assert '- **+ loss**: gain: +' in text


def test_every_verdict_that_claims_something_has_the_least_chance_that_it_is_false(report, text):
    table = pd.read_csv(report.parent / 'comparisons.csv')
    for verdict, chance in (
        ('verdict', 'false_claim_chance'),
        ('checkpoints_verdict', 'checkpoints_false_claim_chance'),
    ):
        claims = table[verdict].isin(['gain', 'loss', 'equivalent'])
        assert claims.any() and (claims == table[chance].notna()).all() and table[chance].max() <= 0.5
    (attention,) = [line for line in text.splitlines() if line.startswith('- **+ attention**')]
    assert ' in 100 such claims are false, at even odds); ' in attention
    assert '**False claims**' in text


@pytest.mark.parametrize(
    'verdict, chance, said',
    [
        ('gain', 0.0299, '; it may be a false alarm: at least 2 in 100 such claims are, at even odds'),
        ('loss', 0.0099, ''),
        ('equivalent', 0.1, '; it may hide a difference: at least 10 in 100 such claims do, at even odds'),
        ('undecided', float('nan'), ''),
    ],
)
def test_the_least_share_of_false_claims_is_told_in_whole_percent(verdict, chance, said):
    assert _false(pd.Series(dict(verdict=verdict, false_claim_chance=chance))) == said


def test_provenance_is_told(text):
    for fact in (
        'Seeds: 0, 1, 2',
        'Data: blobs (train 40, test 56 images)',
        'Device: cpu',
        'torch: 2.13',
        'Command: `python run_ablation.py synthetic.py`',
        'Note: made by a random generator',
        'Profiled on: cpu, 2 threads',
    ):
        assert f'- {fact}' in text


def test_a_class_that_no_test_mask_shows_leaves_pooled_scores_undefined_and_says_so(tmp_path, synthetic_writer):
    path = synthetic_writer(tmp_path) / 'records' / 'counts.csv.gz'
    assert 'undefined (–)' not in make_report(tmp_path).read_text()
    counts = pd.read_csv(path, dtype=dict(image=str, group=str))
    counts.loc[counts['class'] == 2, ['tp', 'fn']] = 0
    counts.to_csv(path, index=False)
    text = make_report(tmp_path).read_text()
    assert '**mDice and mIoU are undefined (–).** No test mask shows “white”' in text
    table = pd.read_csv(tmp_path / 'report' / 'table.csv')
    assert table['mdice'].isna().all() and table['miou'].isna().all() and table['dice'].notna().all()
    verdicts = pd.read_csv(tmp_path / 'report' / 'comparisons.csv').groupby('metric')['verdict'].unique()
    assert list(verdicts['miou']) == ['missing'] and 'missing' not in verdicts['dice']


def test_no_ok_cell_at_all(tmp_path, synthetic_writer):
    out = synthetic_writer(tmp_path, failed=[f'{stack}__seed{seed}' for stack in STACKS for seed in range(3)])
    text = make_report(out).read_text()
    assert '**No cell succeeded.**' in text
    assert [row[1] for row in table_rows(text)[1:]] == ['failed: out_of_memory (3 of 3)'] * 3
    assert 'No accuracy–speed figure' in text and not (out / 'report' / 'accuracy_speed.png').exists()
    assert len((out / 'report' / 'comparisons.csv').read_text().splitlines()) == 1 + 3 * 4


def test_no_record_at_all(tmp_path, synthetic_facts):
    record.write_grid(tmp_path, synthetic_facts['grid'])
    assert 'failed: not run (3 of 3)' in make_report(tmp_path).read_text()


def test_a_figure_of_an_earlier_run_does_not_stay(tmp_path, synthetic_writer):
    synthetic_writer(tmp_path)
    make_report(tmp_path)
    for path in (tmp_path / 'records').glob('*__profile.json'):
        path.unlink()
    text = make_report(tmp_path).read_text()
    assert not (tmp_path / 'report' / 'accuracy_speed.png').exists() and 'accuracy_speed.png' not in text


def test_one_seed_gives_no_verdict_and_says_why(tmp_path, synthetic_writer):
    text = make_report(synthetic_writer(tmp_path, seeds=(0,))).read_text()
    assert (
        '**one seed only**' in text
        and '**with one seed only these checkpoints are judged, not the technique.**' in text
    )
    assert '1 seed: new seeds are not tested, another training might say the opposite' in text
    assert 'This network gains ([+5.5, +5.8] over other test images); another training may not.' in text
    assert table_rows(text)[3][2].endswith('undecided (these checkpoints: gain)')
    assert 'gain:' not in text and '**gain**' not in text
    assert 'that are gains: none (of 2 compared)' in text


def test_the_figure_leaves_out_rows_on_changed_images(tmp_path, synthetic_writer, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        'benchmarks.reports.report.accuracy_speed', lambda table, *_: drawn.append(list(table['stack']))
    )
    make(synthetic_writer(tmp_path), conditions=['loss'])
    assert drawn == [['baseline', 'attention']] * 2


def test_networks_that_gain_within_the_margin_have_both_verdicts(synthetic_out):
    results = read_results(synthetic_out)
    stacks, comparisons = stack_table(results), comparison_table(results)
    dice = comparisons[comparisons['metric'] == 'dice']
    both = dice.assign(verdict='equivalent', checkpoints_verdict='gain', limited_by='')
    assert verdict_text(both.iloc[0]) == 'equivalent (these checkpoints: gain)'
    text = readings(stacks, both, 0.5)
    assert 'These 3 networks gain (' in text and '); the mean over trainings stays within the margin.' in text
    neither = readings(stacks, both.assign(checkpoints_verdict='equivalent'), 0.5)
    assert 'These 3 networks' not in neither


def test_what_a_row_lacks_is_told_as_what_it_adds(synthetic_out):
    results = read_results(synthetic_out)
    stacks, comparisons = stack_table(results), comparison_table(results)
    step = comparisons[(comparisons['metric'] == 'dice') & (comparisons['stack'] == 'attention+loss')].iloc[[0]]
    turned = step.assign(design='leave_one_out', stack=step['reference'], reference=step['stack'], verdict='loss')
    turned = turned.assign(delta=-step['delta'], low=-step['high'], high=-step['low'])
    lines = readings(stacks, turned, 0.5).splitlines()
    gain, interval = signed(step['delta'].item()), interval_text(step['low'].item(), step['high'].item(), sign=True)
    assert f'gain: {gain} points {interval} for “loss” added to this row (leave_one_out), ' in lines[1]
    assert lines[2].startswith('- **+ loss**: the reference of other rows.')
    # A pair that is compared in that direction, too, is told once.
    both = readings(stacks, pd.concat([turned, step]), 0.5).splitlines()
    assert 'against “+ attention” (cumulative, leave_one_out), ' in both[2] and 'added to this row' not in both[1]


def test_networks_say_the_least_share_of_false_claims_where_it_counts(synthetic_out):
    results = read_results(synthetic_out)
    dice = comparison_table(results).query("metric == 'dice'")
    open_ = dice.assign(verdict='undecided', checkpoints_verdict='gain', checkpoints_false_claim_chance=0.031)
    said = readings(stack_table(results), open_, 0.5)
    assert ' over other test images; at least 3 in 100 such claims are false, at even odds); other trainings' in said


def test_equal_labels_are_called_equivalent_with_one_seed_and_the_text_says_so(tmp_path, synthetic_writer):
    synthetic_writer(tmp_path, seeds=(0,))
    copy_labels_of_the_baseline(tmp_path, 'attention')
    attention = next(cell for cell in record.read_records(tmp_path) if cell['stack'] == 'attention')
    record.write_record(tmp_path, attention | dict(maps_sha256='other'))
    text = make_report(tmp_path).read_text()
    assert table_rows(text)[2][2].endswith('equivalent') and 'no verdict' not in text
    assert '“Equivalent” and “not effective” then mean that no label differs.' in text


def test_each_alone_has_no_previous_row(tmp_path, synthetic_writer):
    pairs = [dict(design='each_alone', stack=stack, reference='baseline') for stack in STACKS[1:]]
    synthetic_writer(tmp_path)
    rows = [row | dict(published_dice=None) for row in record.read_grid_json(tmp_path)['rows']]
    text = make(tmp_path, comparisons=pairs, rows=rows)
    assert table_rows(text)[0] == ['row', 'Dice, % [95 %]', 'Δ baseline', 'latency p50, ms', 'train, s']
    assert 'from one row to the next' not in text


def test_classes_by_name_with_the_range_over_the_rows_by_hand(tmp_path, synthetic_writer):
    synthetic_writer(tmp_path)
    set_counts(tmp_path, 1, tp=30, fp=10, fn=20)
    text = make_report(tmp_path).read_text()
    assert '| 1 grey | 56 | 50.0 | 50.0 | 66.7 | 66.7 |' in text and 'predicts a pixel' not in text
    table = pd.read_csv(tmp_path / 'report' / 'classes.csv')
    assert list(table.columns) == ['stack', 'class', 'class_name', 'n_images', 'n_seeds', 'iou', 'dice']
    assert table[table['class'] == 1]['dice'].tolist() == [66.6667] * 3 and table['n_seeds'].tolist()[::3] == [3, 2, 3]


def test_classes_never_predicted_right_and_classes_without_truth_are_said(tmp_path, synthetic_writer):
    synthetic_writer(tmp_path)
    set_counts(tmp_path, 1, tp=0, fp=10, fn=20)
    set_counts(tmp_path, 2, tp=0, fp=0, fn=0)
    text = make_report(tmp_path).read_text()
    assert '**No row predicts a pixel of 1 of 3 classes right in any seed** (IoU 0): 1 grey.' in text
    assert 'No test image holds 2 white.' in text and '| 2 white | 0 | – | – | – | – |' in text


def test_classes_without_names_are_shown_by_index(tmp_path, synthetic_writer):
    results = read_results(synthetic_writer(tmp_path))
    del results.grid['classes']
    table = class_table(results)
    assert '| 1 | 56 | ' in class_section(table, pd.DataFrame(dict(stack=['baseline'], label=['baseline'])))


def set_counts(out, label, **counts):
    """Give a class the same counts in all images of all cells."""
    frame = pd.read_csv(out / 'records' / 'counts.csv.gz', dtype=dict(group=str))
    frame.loc[frame['class'] == label, list(counts)] = list(counts.values())
    record.write_counts(out, frame.to_dict('records'))


def copy_labels_of_the_baseline(out, stack):
    frame = pd.read_csv(out / 'records' / 'counts.csv.gz', dtype=dict(group=str))
    copy = frame[frame['cell'].str.startswith('baseline__')].copy()
    copy['cell'] = copy['cell'].str.replace('baseline', stack)
    frame = pd.concat([frame[~frame['cell'].str.startswith(f'{stack}__')], copy]).sort_values('cell', kind='stable')
    record.write_counts(out, frame.to_dict('records'))


def predict_background_alone(out, stack):
    """Let a stack call each pixel of each image background: all other pixels of the truth are missed."""
    frame = pd.read_csv(out / 'records' / 'counts.csv.gz', dtype=dict(group=str))
    mine = frame['cell'].str.startswith(f'{stack}__')
    truth = frame['tp'] + frame['fn']
    other = mine & (frame['class'] > 0)
    missed = truth[other].groupby([frame['cell'], frame['image']]).sum()
    at = pd.MultiIndex.from_frame(frame.loc[mine & (frame['class'] == 0), ['cell', 'image']])
    frame.loc[other, ['tp', 'fp', 'fn']] = np.stack([0 * truth[other], 0 * truth[other], truth[other]], 1)
    background = truth[mine & (frame['class'] == 0)].to_numpy()
    frame.loc[mine & (frame['class'] == 0), ['tp', 'fp', 'fn']] = np.stack(
        [background, missed.loc[at].to_numpy(), 0 * background], 1
    )
    record.write_counts(out, frame.to_dict('records'))


def record_losses(out, stack, fact):
    """Record a loss beside that of the best constant in all ok cells of a stack."""
    for cell in record.read_records(out):
        if cell['stack'] == stack and cell['status'] == 'ok':
            record.write_record(out, cell | dict(train=cell['train'] | dict(best_constant=fact)))


@pytest.fixture
def drawn(monkeypatch):
    """The labels of the points that the figure gets."""
    seen = []

    def front(latency, dice, noise=None):
        seen[:] = dice  # of the last figure; all show the same points
        return np.arange(len(dice))

    monkeypatch.setattr(figures, 'pareto_front', front)
    return seen


def test_an_arm_of_one_class_is_named_takes_no_verdict_and_is_in_no_figure(tmp_path, synthetic_writer, drawn):
    predict_background_alone(synthetic_writer(tmp_path, failed=()), 'attention')
    text = make_report(tmp_path).read_text()
    attention, loss = table_rows(text)[2:]
    assert attention[1].endswith('**not learned** (3 of 3 seeds)') and attention[2].endswith('not learned')
    # Its reference in one, not in the other.
    assert loss[2].endswith('] not learned') and loss[3].endswith('**gain** (exploratory)')
    assert (
        '- **+ attention**: not learned in 3 of 3 seeds: the network gives every pixel of every test image the same '
        'class. Look at the learning rate, the loss and the length of the training. no verdict against “baseline”'
    ) in text
    assert 'that are gains: none (of 2 compared)' in text
    verdicts = pd.read_csv(tmp_path / 'report' / 'comparisons.csv').groupby('stack')['verdict']
    assert set(verdicts.get_group('attention')) == {'not learned'}
    table = pd.read_csv(tmp_path / 'report' / 'table.csv', keep_default_na=False).set_index('stack')
    assert table['seeds_not_learned'].tolist() == [0, 3, 0]
    assert table['not_learned_by'].tolist() == ['', 'one class', '']
    assert len(drawn) == 2


def test_an_arm_whose_loss_never_fell_below_a_constants_is_named_and_takes_no_verdict(
    tmp_path, synthetic_writer, drawn
):
    record_losses(synthetic_writer(tmp_path), 'baseline', dict(steps=10, loss=0.80, constant=0.79))
    record_losses(tmp_path, 'attention', dict(steps=1, loss=0.60, constant=0.79))
    text = make_report(tmp_path).read_text()
    baseline, attention, loss = table_rows(text)[1:]
    assert baseline[1].endswith('**not learned** (3 of 3 seeds)') and 'not learned' not in attention[1] + loss[1]
    assert attention[2].endswith('not learned') and loss[2].endswith('**gain**') and loss[3].endswith('not learned')
    assert (
        '- **baseline**: not learned in 3 of 3 seeds: the loss of its training never fell below that of the best '
        'constant prediction.'
    ) in text
    assert 'or its training loss never fell below that of the best constant prediction' in text
    table = pd.read_csv(tmp_path / 'report' / 'table.csv', keep_default_na=False)
    assert table['not_learned_by'].tolist() == ['loss', '', ''] and len(drawn) == 2


def test_both_signs_are_told_and_a_figure_without_a_point_is_explained(tmp_path, synthetic_writer):
    synthetic_writer(tmp_path, seeds=(0,), failed=())
    predict_background_alone(tmp_path, 'attention')
    for stack in STACKS:
        record_losses(tmp_path, stack, dict(steps=10, loss=0.80, constant=0.79))
    text = make_report(tmp_path).read_text()
    assert 'the same class and the loss of its training never fell below' in text
    assert pd.read_csv(tmp_path / 'report' / 'table.csv')['not_learned_by'].tolist() == [
        'loss',
        'one class, loss',
        'loss',
    ]
    assert 'No accuracy–speed figure: no stack that has learned has both a Dice and a measured latency.' in text
    assert not (tmp_path / 'report' / 'accuracy_speed.png').exists()


def test_records_from_before_the_loss_was_compared_say_nothing(tmp_path, synthetic_writer):
    record_losses(synthetic_writer(tmp_path), 'attention', None)
    make_report(tmp_path)
    assert pd.read_csv(tmp_path / 'report' / 'table.csv')['seeds_not_learned'].tolist() == [0, 0, 0]


def test_a_single_surviving_seed_is_marked(tmp_path, synthetic_writer):
    text = make_report(synthetic_writer(tmp_path, failed=['attention__seed0', 'attention__seed1'])).read_text()
    assert table_rows(text)[2][1].endswith(
        '(1 seed, so the interval covers images only; failed: out_of_memory (2 of 3))'
    )
    assert table_rows(text)[2][2].endswith('undecided (these checkpoints: gain)')


def test_a_noop_is_shown_as_not_effective(tmp_path, synthetic_writer):
    synthetic_writer(tmp_path, failed=())
    copy_labels_of_the_baseline(tmp_path, 'attention')
    text = make_report(tmp_path).read_text()
    assert table_rows(text)[2][2:4] == ['not effective', 'not effective']
    assert 'so it did nothing at run time' in text


def test_a_refinement_that_changes_no_pixel_is_named(tmp_path, synthetic_writer):
    synthetic_writer(tmp_path)
    for cell in record.read_records(tmp_path):
        if cell['stack'] == 'attention+loss':
            record.write_record(tmp_path, cell | dict(changed_pixels=0))
    assert make_report(tmp_path).read_text().count('Its refinement changed no pixel in any seed.') == 1


def test_a_grid_without_comparisons_or_published_figures(tmp_path, synthetic_writer):
    synthetic_writer(tmp_path)
    rows = [row | dict(published_dice=None) for row in record.read_grid_json(tmp_path)['rows']]
    text = make(tmp_path, comparisons=[], rows=rows)
    assert 'The published Dice comes from elsewhere' not in text
    assert 'from one row to the next' not in text and table_rows(text)[0][2:] == ['latency p50, ms', 'train, s']
    assert 'compared with nothing in this grid.' in text
    header = (tmp_path / 'report' / 'comparisons.csv').read_text()
    assert header.startswith('design,stack,reference,metric,delta,low,high,p,p_corrected,verdict')


def test_a_data_set_without_background_says_so(tmp_path, synthetic_writer):
    assert 'all classes are foreground' in make(synthetic_writer(tmp_path), background=None)


def test_a_bar_in_a_label_does_not_open_a_column(tmp_path, synthetic_writer):
    synthetic_writer(tmp_path)
    rows = record.read_grid_json(tmp_path)['rows']
    rows[1]['label'] = '+ a|b'
    lines = make(tmp_path, rows=rows).splitlines()
    assert any(line.startswith('| + a\\|b | ') for line in lines)


@pytest.mark.parametrize('value, text', [(1.25, '+1.2'), (-0.44, '−0.4'), (0.04, '0.0'), (-0.04, '0.0')])
def test_signed_numbers(value, text):
    assert signed(value) == text


def test_reporting_needs_neither_torch_nor_mm():
    code = (
        'import sys, benchmarks.reports.report; '
        'print([n for n in sys.modules if n.split(".")[0] in ("torch", "mmengine", "mmseg", "mmcv", "plugins")])'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'


TESTED = dict(
    design='each_alone',
    n_seeds=2,
    seeds_covered=True,
    p_corrected=0.38,
    verdict='undecided',
    low=-3.0,
    high=1.0,
    family='primary',
    lenders=0,
    share_of_seeds=0.125,
    smaller_than_margin=False,
    p_equivalence=0.04,
    metric='dice',
    seeds_to_decide_low=pd.NA,
    seeds_to_decide_high=pd.NA,
)


@pytest.mark.parametrize(
    'low, high, said',
    [
        (-3.0, 1.0, 'neither a difference nor its absence is shown'),
        (-70.0, -50.0, 'among this many comparisons that may be chance'),
        (1.0, 9.0, 'among this many comparisons that may be chance'),
    ],
)
def test_undecided_says_whether_the_correction_decided(low, high, said):
    comparison = pd.Series(
        TESTED | dict(low=low, high=high, limited_by='', seeds_to_decide=pd.NA, times_groups_to_decide=float('nan'))
    )
    assert said in _because(comparison, 0.5) and 'p = 0.380' in _because(comparison, 0.5)


@pytest.mark.parametrize(
    'limited_by, seeds, times, said',
    [
        ('seeds', 7, None, 'about 7 seeds would decide'),
        ('seeds', 7, 2.04, 'about 7 seeds, or about 2.0 times as many test groups would decide'),
        ('seeds', (7, 5, 9), None, 'about 7 seeds (from 5 to 9) would decide'),
        ('seeds', (7, 5, pd.NA), None, 'about 7 seeds (from 5 to more than 100) would decide'),
        ('seeds', (7, 7, 7), None, 'about 7 seeds would decide'),
        ('seeds', pd.NA, None, 'more than 100 seeds would decide'),
        (
            'groups',
            pd.NA,
            None,
            'more test images in new groups would decide together with more seeds, neither alone would',
        ),
        ('groups', pd.NA, 3.21, 'about 3.2 times as many test groups would decide, more seeds alone would not'),
        (
            'groups',
            pd.NA,
            (3.21, 1.5, 12.3),
            'about 3.2 times as many test groups (from 1.5 to 12.3) would decide, more seeds alone would not',
        ),
    ],
)
def test_undecided_says_what_would_decide_and_where_its_variance_comes_from(limited_by, seeds, times, said):
    names = ('seeds_to_decide', 'seeds_to_decide_low', 'seeds_to_decide_high')
    numbers = seeds if isinstance(seeds, tuple) else (seeds, pd.NA, pd.NA)
    times = times if isinstance(times, tuple) else (times, float('nan'), float('nan'))
    of_groups = zip(('times_groups_to_decide', 'times_groups_to_decide_low', 'times_groups_to_decide_high'), times)
    forecast = dict(zip(names, numbers), limited_by=limited_by) | dict(of_groups)
    assert _because(pd.Series(TESTED | forecast), 0.5).endswith(
        f'shown; at this difference {said}; of its variance 12% comes from seeds, 88% from test groups'
    )


@pytest.mark.parametrize(
    'changed, said',
    [
        (dict(), '2 seeds, corrected p = 0.010'),
        (dict(lenders=39), '2 seeds, corrected p = 0.010, seed variance borrowed from 39 arms'),
        (dict(family='exploratory'), '2 seeds, screened p = 0.010'),
        (
            dict(smaller_than_margin=True),
            '2 seeds, corrected p = 0.010; it is there, but smaller than 0.5 percent points',
        ),
    ],
)
def test_a_verdict_says_by_which_method_it_was_reached(changed, said):
    assert _because(pd.Series(TESTED | dict(verdict='gain', p_corrected=0.01) | changed), 0.5) == said


def test_an_equivalence_has_a_p_of_its_own():
    equal = pd.Series(TESTED | dict(verdict='equivalent'))
    assert _because(equal, 0.5).endswith(
        'corrected p = 0.380; the difference is smaller than 0.5 percent points (p = 0.040)'
    )


def test_a_gain_is_qualified_in_words():
    gain = dict(verdict='gain', family='primary', smaller_than_margin=False)
    assert verdict_words(pd.Series(gain)) == 'gain'
    assert verdict_words(pd.Series(gain | dict(smaller_than_margin=True))) == 'gain, smaller than the margin'
    assert verdict_words(pd.Series(gain | dict(family='exploratory'))) == 'gain (exploratory)'


def test_each_row_says_how_far_its_seeds_differ(text, report):
    table = pd.read_csv(report.parent / 'table.csv').set_index('stack')
    spread = table.loc['attention', 'dice_spread_of_seeds']
    assert f'Its best and its worst of 2 seeds differ by {spread:.1f} points.' in text


def test_what_a_user_wrote_is_no_html_in_the_text(synthetic_writer, tmp_path):
    hostile = '<script>alert(1)</script><img src=x onerror=alert(2)><!-- '
    out = synthetic_writer(tmp_path)
    grid = record.read_grid_json(out)
    rows = [row | dict(label=f'{row["label"]} {hostile}') for row in grid['rows']]
    environment = dict(python=hostile)
    text = make(out, title=hostile, notes=[hostile], lints=[hostile], rows=rows, environment=environment)
    outside_of_code = re.sub('`[^`\n]*`', '', text)
    assert 'alert(1)' in outside_of_code and not re.search(r'(?<!\\)<[a-zA-Z/!?]', outside_of_code)
