"""The report says what may make its rows mean something else; without such a finding it says nothing."""

import csv
import gzip
import json

import pytest

from benchmarks import record
from benchmarks.reports.report import make_report

HEADING = '## Before you believe a row'
LABELS = ('“baseline”', '“+ attention”', '“+ loss”')
STACKS = ('baseline', 'attention', 'attention+loss')


@pytest.fixture(autouse=True)
def no_figure(monkeypatch):
    """Draw no figure, which takes half of a report's time and is none of the text."""
    monkeypatch.setattr('benchmarks.reports.report.accuracy_speed', lambda *_: None)


@pytest.fixture
def out(tmp_path, synthetic_writer):
    return synthetic_writer(tmp_path, failed=())


def text_of(out, **changed_grid):
    """The items of the section."""
    record.write_grid(out, record.read_grid_json(out) | changed_grid)
    text = make_report(out).read_text()
    return text.partition(HEADING)[2].partition('\n## ')[0].strip()


def change(out, file, **changed):
    path = out / 'records' / f'{file}.json'
    content = json.loads(path.read_text())
    train = content['train'] | changed.pop('train') if 'train' in changed else content.get('train')
    path.write_text(json.dumps(content | dict(train=train) | changed if train else content | changed))


def own_weights(out):
    for cell in record.read_records(out):
        change(out, cell['cell'], keys=cell['keys'] | dict(train=cell['cell']))


def test_a_clean_grid_has_no_such_section(out):
    own_weights(out)
    assert text_of(out) == ''


def test_what_was_found_before_the_run_stands_in_the_report(out):
    assert text_of(out, lints=["the row 'a' drifts. Add\na control"]) == "- The row 'a' drifts. Add a control."


def test_a_seed_that_has_not_learned_a_class(out):
    own_weights(out)
    path = out / 'records' / 'counts.csv.gz'
    rows = list(csv.DictReader(gzip.open(path, 'rt')))
    for row in rows:
        if row['cell'] == 'attention__seed1' and row['class'] == '2':
            row['fn'], row['tp'] = str(int(row['fn']) + int(row['tp'])), '0'
    with gzip.open(path, 'wt') as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    assert text_of(out).startswith(
        '- Seed 1 of “+ attention” has not learned the class “white” (IoU 0.0), another seed'
    )


def test_a_seed_that_ended_at_a_high_loss(out):
    own_weights(out)
    change(out, 'attention__seed1', train=dict(final_loss=0.6))
    assert text_of(out).startswith('- Seed 1 of “+ attention” ended at a loss of 0.6, the others at 0.25')


def test_a_seed_that_diverged(tmp_path, synthetic_writer):
    out = synthetic_writer(tmp_path)
    change(out, 'attention__seed2', status='diverged')
    assert text_of(out).startswith('- “+ attention” diverged in 1 of 3 seeds')


def test_memory_near_the_machines(out):
    text = text_of(out, environment=dict(memory_gib=0.9))
    assert text.startswith('- 9 trainings took more than 90 % of the 0.9 GiB of the machine (')


def test_a_row_that_gains_by_training_longer_alone(out):
    for seed in range(3):
        change(out, f'attention+loss__seed{seed}', train=dict(iterations=300))
    text = text_of(out, controls=[['attention+loss', 'attention']])
    assert text.startswith('- “+ attention” is under-trained: “+ loss” only trains 2 times as long, and gains +')
    assert text_of(out, controls=[['attention', 'baseline']]) == ''  # it does not gain


def test_a_gain_that_costs_more_names_the_control(out):
    for seed in range(3):
        change(out, f'attention+loss__seed{seed}', train=dict(seconds=200.0))
        change(out, f'attention__seed{seed}', train=dict(iterations=300))
    change(out, 'attention+loss__profile', flops=10_000_000_000)
    first, second = text_of(out).splitlines()
    expected = '- “+ loss” gains on “+ attention”, and trains 3.3 times as long and needs 4 times the operations of an'
    assert first == f'{expected} inference; no row of the grid shows what as much training gives without it.'
    assert second.startswith('- “+ loss” gains on “baseline”')
    first, second = text_of(out, controls=[['attention', 'baseline']]).splitlines()
    assert '; 2 times the steps alone give ' in second


def test_rows_that_are_too_slow(out):
    text = text_of(out, latency_budget_ms=50)
    assert text == '- Too slow for the budget of 50 ms an image, by the 95th percentile: “+ loss” 60.9 ms.'
    assert text_of(out, latency_budget_ms=61) == text_of(out, latency_budget_ms=None) == ''


def with_arm(tmp_path, synthetic_writer, *, arm, row):
    """The second row takes the part of the A/A arm; both differ from the baseline by so many parts of all pixels."""
    out = synthetic_writer(tmp_path, failed=(), quality=dict(zip(STACKS, (0.0, arm, row))))
    own_weights(out)
    pairs = [('aa', 'attention', 'baseline'), ('each_alone', 'attention+loss', 'baseline')]
    comparisons = [dict(design=design, stack=stack, reference=of) for design, stack, of in pairs]
    record.write_grid(out, record.read_grid_json(out) | dict(comparisons=comparisons))
    return out


@pytest.mark.parametrize(
    'arm, metric, baseline, rows',
    [
        (-0.05, 'dice', 'better', 'worse'),
        (0.05, 'dice', 'worse', 'better'),
        (-0.05, 'hd95_px', 'better', 'worse'),  # of a distance less is better
    ],
)
def test_a_baseline_with_lucky_seeds_is_told_with_the_cure(tmp_path, synthetic_writer, arm, metric, baseline, rows):
    out = with_arm(tmp_path, synthetic_writer, arm=arm, row=0.0)
    (text,) = text_of(out, metric=metric).splitlines()
    assert text.startswith(
        f'- The seeds of “baseline” happen to be {baseline} than the other seeds of the same stack: “+ attention” '
    )
    assert f'is compared with the baseline, and looks {rows} than it is, by about half of that' in text
    assert (
        'Give the baseline more seeds (`baseline_seeds` of the grid), and compare such a row with “+ attention”, too'
        in text
    )


def test_an_arm_whose_interval_holds_0_says_nothing(tmp_path, synthetic_writer):
    assert text_of(with_arm(tmp_path, synthetic_writer, arm=0.001, row=-0.05)) == ''


def test_a_loss_no_larger_than_the_baseline_differs_from_itself(tmp_path, synthetic_writer):
    """A loss beyond the band gets no such caution, and the arm itself none."""
    out = with_arm(tmp_path, synthetic_writer, arm=-0.03, row=-0.015)
    luck, caution = text_of(out).splitlines()
    assert caution.startswith('- The loss of “+ loss” against “baseline” (−1.7 points [')
    assert (
        ' is no larger than the baseline differs from itself when it is trained again: a technique that does' in caution
    )
    out = with_arm(tmp_path, synthetic_writer, arm=-0.03, row=-0.3)
    assert text_of(out).splitlines() == [luck]
