"""A grid whose trainings are tuned, from its file to its report: a planted optimum is found, nothing runs again."""

import json

import pytest
from mmengine.config import Config

FLAGS = ('--cfg-options', 'train_cfg.max_iters=10', 'param_scheduler.0.end=10')
ROW, BASELINE = 'slow[tuned]', 'baseline[tuned]'
# Of its learning rates one learns nothing, one is that of the baseline but for a trifle, one diverges at once.
SLOW = """
title = 'slow'
description = 'A learning rate that learns nothing.'
overlay = dict(optim_wrapper=dict(optimizer=dict(lr=1e-9)))
search = dict(space={'lr': [1e-9, 0.011, 1e18]}, trials=3)
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def tuned(project, write_grid, tmp_path_factory):
    """The grid after its run, and what the run said."""
    folder = tmp_path_factory.mktemp('tuned_trainings')
    (folder / 'techniques').mkdir()
    (folder / 'techniques' / 'slow.py').write_text(SLOW)
    grid = write_grid(folder, ['slow'], design='each_alone')
    # The baseline's second trial learns nothing.
    search = "baseline_search = dict(space={'optim_wrapper.optimizer.lr': [0.01, 2e-9]})"
    grid.path.write_text(grid.path.read_text() + f'\nvalidation_share = 0.25\ntune = 3\n{search}\n')
    return project.run(grid, *FLAGS, '--max-maps', '0B'), grid  # counts suffice for a choice


def test_the_planted_optimum_is_found_and_a_trial_that_diverged_stops_nothing(tuned):
    done, grid = tuned
    assert done.status == 0, done.said
    assert '5 train, 2 take, ' in done.stdout and '3 of the 5 trainings are for trials alone' in done.stdout
    assert '3 trials for each of the baseline, slow; values are chosen on 2 validation images' in done.stdout
    records = grid.records()
    (search,) = records[f'{ROW}__seed0']['searches']
    assert search['chosen'] == 1 and search['dice'][2] is None and search['dice'][1] > search['dice'][0]
    assert search['trials'] == [{}, {'optim_wrapper.optimizer.lr': 0.011}, {'optim_wrapper.optimizer.lr': 1e18}]
    (of_baseline,) = records[f'{BASELINE}__seed0']['searches']
    assert len(of_baseline['dice']) == 2 and of_baseline['chosen'] == 0


def test_the_tuned_row_has_the_network_of_its_trial_and_its_dumped_config_the_chosen_values(tuned):
    _, grid = tuned
    records = grid.records()
    assert records[f'{BASELINE}__seed0']['keys']['train'] == records['baseline__seed0']['keys']['train']
    keys = records[f'{ROW}__seed0']['keys']
    manifest = json.loads((grid.store / 'train' / keys['train'] / 'manifest.json').read_text())
    assert manifest['label'] == f'{ROW}__seed0 trial 2'
    assert records[f'{ROW}__seed0']['train']['seconds'] == manifest['facts']['seconds']
    config = Config.fromfile(grid.out / 'configs' / f'{ROW}__seed0.py', import_custom_modules=False)
    assert config.optim_wrapper.optimizer.lr == 0.011
    assert not {'search', 'training', 'alternatives'} & config.keys()


def test_the_report_compares_tuned_rows_with_the_tuned_baseline(tuned):
    _, grid = tuned
    report = (grid.out / 'report' / 'README.md').read_text()
    section = report.partition('### What tuning adds')[2].partition('###')[0]
    assert 'Each trial of slow and of the baseline is a training of its own' in section
    assert 'slow: lr=0.011 (1)' in section and 'baseline: as in its file (1)' in section
    assert '(to “baseline, tuned”)' in report.partition('\n## ')[0]  # in the column of differences from the baseline
    compared = json.loads((grid.out / 'grid.json').read_text())['comparisons']
    assert dict(design='each_alone_tuned', stack=ROW, reference=BASELINE) in compared


def test_a_second_run_computes_nothing_and_a_cell_comes_out_again(tuned, project):
    _, grid = tuned
    said = project.run(grid, *FLAGS, '--dry-run').stdout
    assert ' 0 to run' in said and 'a planted' not in said
    done = project.run(grid, '--report-only')
    assert done.status == 0 and 'no longer has' not in done.said


def test_a_further_trial_trains_that_trial_alone(tuned, project):
    _, grid = tuned
    text = grid.path.read_text()
    grid.path.write_text(text.replace('[0.01, 2e-9]', '[0.01, 2e-9, 1e-8]'))
    said = project.run(grid, *FLAGS, '--dry-run').stdout
    grid.path.write_text(text)
    assert 'of these for trials of tuned rows alone: 1 training (training steps: 10)' in said


def test_of_trials_in_rounds_the_best_are_trained_to_the_end(project, write_grid, tmp_path):
    (tmp_path / 'techniques').mkdir()
    in_rounds = SLOW.replace('1e18]', '1e18, 2e-9]').replace('trials=3', 'trials=4, steps=[0.5, 1]')
    (tmp_path / 'techniques' / 'slow.py').write_text(in_rounds)
    grid = write_grid(tmp_path, ['slow'], design='each_alone')
    search = "baseline_search = dict(space={'optim_wrapper.optimizer.lr': [0.01, 2e-9]}, trials=2)"
    grid.path.write_text(grid.path.read_text() + f'\nvalidation_share = 0.25\ntune = 4\n{search}\n')
    done = project.run(grid, *FLAGS, '--max-maps', '0B')
    assert done.status == 0, done.said
    # 4 of half the steps, and a rival to the end; of the baseline one.
    assert '6 of the 8 trainings are for trials alone' in done.stdout
    record = grid.records()[f'{ROW}__seed0']
    (search,) = record['searches']
    assert (search['chosen'], search['steps'], search['dice'][2]) == (1, [1, 1, 0.5, 0.5], None)
    manifest = json.loads((grid.store / 'train' / record['keys']['train'] / 'manifest.json').read_text())
    assert manifest['label'] == f'{ROW}__seed0 round 2 trial 2' and manifest['facts']['iterations'] == 10
    config = Config.fromfile(grid.out / 'configs' / f'{ROW}__seed0.py', import_custom_modules=False)
    assert config.optim_wrapper.optimizer.lr == 0.011 and not {'alternatives', 'rank'} & config.keys()


def test_trials_of_a_loss_are_checked_and_planned_before_anything_runs(project, write_grid, tmp_path):
    grid = write_grid(tmp_path, ['focal_dice_boundary_ramp'], design='each_alone')
    grid.path.write_text(grid.path.read_text() + '\nvalidation_share = 0.25\n')
    done = project.run(grid, '--tune', '2', '--dry-run')
    assert done.status == 0, done.said
    assert 'of these for trials of tuned rows alone: 2 trainings' in done.stdout
