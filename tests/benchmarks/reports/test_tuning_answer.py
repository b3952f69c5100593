"""The section on tuning: default and tuned rows side by side, the gain of each, and what was chosen."""

import json

import pytest

from benchmarks import record
from benchmarks.reports.report import make_report
from benchmarks.reports.results import read_results
from benchmarks.reports.tuning_table import settings, tuning_table

TRIALS = [{}, {'inference.refine.crf.size': 4}, {'inference.refine.crf.size': 8}]


@pytest.fixture
def out(tmp_path, synthetic_writer):
    """Three rows, of which the last one stands for the tuned one of the second."""
    out = synthetic_writer(tmp_path, failed=())
    comparisons = [
        dict(design='each_alone', stack='attention', reference='baseline'),
        dict(design='tuning', stack='attention+loss', reference='attention'),
        dict(design='each_alone_tuned', stack='attention+loss', reference='baseline'),
    ]
    tuning = dict(trials=3, techniques=['attention'], n_images=12, fingerprint='abc')
    question = dict(metric='dice', equivalence_margin=1.0, method='m', primary=[['attention', 'baseline']], n_results=0)
    grid = record.read_grid_json(out)
    record.write_grid(out, grid | dict(comparisons=comparisons, tuning=tuning, questions=[question]))
    for seed, best in enumerate((1, 2, 1)):
        dice = [80.0, 81.0 + seed, None if seed == 0 else 82.0 + seed]
        searched(out, seed, dict(technique='attention', trials=TRIALS, dice=dice, chosen=best))
    return out


def searched(out, seed, search):
    path = out / 'records' / f'attention+loss__seed{seed}.json'
    record.write_record(out, json.loads(path.read_text()) | dict(searches=[search]))


def test_tuned_and_other_rows_stand_side_by_side(out):
    text = make_report(out).read_text()
    section = text.partition('### What tuning adds')[2].partition('###')[0]
    assert 'had 3 trials' in section and 'on 12 validation images' in section
    (row,) = [line for line in section.splitlines() if line.startswith('| + attention |')]
    cells = [cell.strip() for cell in row.strip('|').split('|')]
    table = {line['stack']: line for _, line in _tables(out).iterrows()}
    assert cells[1:3] == [f'{table[stack]["dice"]:.1f}' for stack in ('attention', 'attention+loss')]
    assert 'gain (exploratory)' in cells[3] and 'gain (exploratory)' in cells[5] and 'exploratory' not in cells[4]
    assert cells[6:] == ['attention: size=4 (2); size=8 (1)', '80.0 → 82.3']


@pytest.mark.parametrize('reference, ending', [('baseline', ' (to “baseline”)'), ('attention', '')])
def test_the_step_of_a_tuned_row_is_that_of_its_design(out, reference, ending):
    grid = record.read_grid_json(out)
    step = dict(design='cumulative_tuned', stack='attention+loss', reference=reference)
    record.write_grid(out, grid | dict(comparisons=[*grid['comparisons'], step]))
    text = make_report(out).read_text()
    row = next(line for line in text.splitlines() if line.startswith('| + loss |'))
    cell = row.strip('|').split('|')[2].strip()
    assert cell.startswith('+') and cell.endswith(f'(exploratory){ending}')
    page = (out / 'report' / 'index.html').read_text()
    assert f'(exploratory){ending}' in page


def test_a_choice_that_seeds_share_counts_once(out):
    for seed, choice in enumerate(('one', 'one', 'other')):
        path = out / 'records' / f'attention+loss__seed{seed}.json'
        shared = json.loads(path.read_text())
        record.write_record(out, shared | dict(keys=shared['keys'] | dict(select=choice)))
    section = make_report(out).read_text().partition('### What tuning adds')[2]
    assert '| attention: size=4 (2) |' in section  # seeds 0 and 1 share the first choice
    assert len(tuning_table(read_results(out))) == 9  # a row for each seed, as before


def _tables(out):
    import pandas as pd

    return pd.read_csv(out / 'report' / 'table.csv')


def test_all_trials_are_in_a_table(out):
    table = tuning_table(read_results(out))
    assert len(table) == 9 and table['chosen'].sum() == 3 and table['fold'].isna().all()
    first = table[table['seed'] == 0]
    assert list(first['values']) == ['as in its file', 'size=4', 'size=8'] and list(first['trial']) == [0, 1, 2]
    assert list(first['validation_dice'])[:2] == [80.0, 81.0] and first['validation_dice'].isna().sum() == 1
    make_report(out)
    assert (out / 'report' / 'tuning.csv').read_text().count('\n') == 10


def test_without_tuned_rows_there_is_no_section(tmp_path, synthetic_writer):
    out = synthetic_writer(tmp_path)
    assert 'What tuning adds' not in make_report(out).read_text() and not (out / 'report' / 'tuning.csv').exists()


def test_equal_ends_of_keys_are_told_apart():
    assert settings({'a.opening.radius': 1, 'a.closing.radius': 2}) == 'opening.radius=1, closing.radius=2'


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(chosen=3), r'searches\[0\].chosen.* is 3, which is no trial'),
        (dict(dice=[80.0]), r'searches\[0\].dice.* a number or null for each of the trials'),
        (dict(trials=None), r'searches\[0\].trials.* list is needed'),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(out, change, message):
    with pytest.raises(ValueError, match=message):
        searched(out, 0, dict(technique='attention', trials=TRIALS, dice=[80.0, 81.0, None], chosen=1) | change)


def test_before_any_choice_is_made_the_section_has_no_values(out):
    for seed in range(3):
        path = out / 'records' / f'attention+loss__seed{seed}.json'
        content = json.loads(path.read_text())
        del content['searches']
        record.write_record(out, content)
    section = make_report(out).read_text().partition('### What tuning adds')[2].partition('###')[0]
    (row,) = [line for line in section.splitlines() if line.startswith('| + attention |')]
    assert row.endswith('| – | – |')


def test_trials_that_are_trainings_are_told_and_a_row_may_have_choices_of_both_kinds(out):
    grid = record.read_grid_json(out)
    record.write_grid(out, grid | dict(tuning=grid['tuning'] | dict(trained=['loss'])))
    for seed in range(3):
        path = out / 'records' / f'attention+loss__seed{seed}.json'
        content = json.loads(path.read_text())
        network = dict(technique='loss', trials=[{}, {'a.gamma': 1}], dice=[70.0, None], chosen=0, stage='choose')
        keys = content['keys'] | dict(choose='one', select=f'choice {seed}')
        searches = [network, *(one | dict(stage='select') for one in content['searches'])]
        record.write_record(out, content | dict(searches=searches, keys=keys))
    section = make_report(out).read_text().partition('### What tuning adds')[2]
    assert 'Each trial of loss and of the baseline is a training of its own; one that diverged' in section
    assert '| loss: as in its file (1). attention: size=4 (2); size=8 (1) | 70.0 → 70.0; 80.0 → 82.3 |' in section


def test_the_surface_is_that_of_the_trials_with_numbers(out):
    sizes = [2, 4, 8, 16, 32]
    trials = [{}, *({'inference.refine.crf.size': size} for size in sizes)]
    dice = [80.0, *(90.0 - (n - 2) ** 2 for n in range(5))]  # a parabola in the logarithm of the size
    searched(out, 0, dict(technique='attention', trials=trials, dice=dice, chosen=3))
    table = tuning_table(read_results(out))
    surface = table[table['seed'] == 0]['surface']
    assert surface.isna().tolist() == [True] + [False] * 5
    assert surface.tolist()[1:] == pytest.approx(dice[1:])
    assert table[table['seed'] == 1]['surface'].isna().all()  # two points have no surface
    # Only trials that saw all images are on the surface.
    halved = dict(technique='attention', trials=trials, dice=dice, chosen=3, images=[96, 24, 96, 96, 96, 96])
    searched(out, 0, halved)
    table = tuning_table(read_results(out))
    assert table[table['seed'] == 0]['images'].tolist() == halved['images'] and table['images'].isna().any()
    assert table[table['seed'] == 0]['surface'].isna().tolist() == [True, True] + [False] * 4
    shorter = dict(technique='attention', trials=trials, dice=dice, chosen=3, steps=[1, 0.2, 1, 1, 1, 0.2])
    searched(out, 0, shorter)
    table = tuning_table(read_results(out))
    assert table[table['seed'] == 0]['steps'].tolist() == shorter['steps'] and table['steps'].isna().any()
    assert table[table['seed'] == 0]['surface'].isna().tolist()[1::4] == [True, True]
    with pytest.raises(ValueError, match=r'searches\[0\].images'):
        searched(out, 0, halved | dict(images=[96, 24]))
