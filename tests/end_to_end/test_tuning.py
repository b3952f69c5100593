"""A grid with tuned rows from its file to its report, and one of its tuned cells in mmsegmentation's own tools."""

import re

import pytest
from mmengine.config import Config

FLAGS = ('--cfg-options', 'train_cfg.max_iters=4', '--tune', '4')
ROW = 'small_components[tuned]'


@pytest.fixture(scope='module')
def tuned(project, write_grid, tmp_path_factory):
    """The grid after its run, and what the run said."""
    grid = write_grid(tmp_path_factory.mktemp('tuned'), ['small_components'], seeds=2)
    grid.path.write_text(grid.path.read_text() + '\nvalidation_share = 0.25\n')
    return project.run(grid, *FLAGS), grid


def test_each_seed_chooses_among_the_trials_and_the_report_says_what(tuned):
    done, grid = tuned
    assert done.status == 0, done.said
    assert '2 train, 4 predict, 2 select, 4 refine, 3 profile' in done.stdout
    assert '4 trials for each of small_components; values are chosen on 2 validation images' in done.stdout
    records = grid.records()
    for seed in (0, 1):
        (search,) = records[f'{ROW}__seed{seed}']['searches']
        assert len(search['trials']) == len(search['dice']) == 4 and search['trials'][0] == {}
        assert search['dice'][search['chosen']] == max(search['dice'])
        assert 'searches' not in records[f'small_components__seed{seed}']
        config = Config.fromfile(grid.out / 'configs' / f'{ROW}__seed{seed}.py', import_custom_modules=False)
        chosen = search['trials'][search['chosen']].get('inference.refine.small.min_size', 16)
        assert config.inference.refine.small.min_size == chosen and 'search' not in config
    report = (grid.out / 'report' / 'README.md').read_text()
    assert '### What tuning adds' in report and '| + remove small components, tuned |' in report
    assert len((grid.out / 'report' / 'tuning.csv').read_text().splitlines()) == 9


def test_a_second_run_finds_all_of_it_and_a_report_made_anew_is_of_the_same_grid(tuned, project):
    _, grid = tuned
    assert '15 cached, 0 to run' in project.run(grid, *FLAGS, '--dry-run').stdout
    before = (grid.out / 'report' / 'README.md').read_bytes()
    done = project.run(grid, '--report-only')
    assert done.status == 0 and 'no longer has' not in done.said
    assert (grid.out / 'report' / 'README.md').read_bytes() == before


def test_another_number_of_trials_predicts_nothing_again(tuned, project):
    _, grid = tuned
    said = project.run(grid, *FLAGS[:-1], '5', '--dry-run').stdout
    assert '10 cached, 5 to run' in said and 'select    2 × changed: config search' in said


def test_its_dumped_config_gives_the_same_score_in_mmsegs_own_tool(tuned, project, driving, tmp_path):
    _, grid = tuned
    cell = f'{ROW}__seed0'
    checkpoint = grid.store / 'train' / grid.records()[cell]['keys']['train'] / 'checkpoint.pth'
    config = grid.out / 'configs' / f'{cell}.py'
    done = driving.finish(project.mmseg_tool('test.py', config, checkpoint, '--work-dir', tmp_path))
    assert done.status == 0, done.said
    of_cell = [row for row in grid.counts() if row['cell'] == cell]
    ious = []
    for label in ('0', '1'):
        tp, fp, fn = (sum(int(row[name]) for row in of_cell if row['class'] == label) for name in ('tp', 'fp', 'fn'))
        ious.append(100 * tp / (tp + fp + fn))
    assert float(re.findall(r'mIoU: +([\d.]+)', done.stdout)[-1]) == pytest.approx(sum(ious) / 2, abs=0.01)
