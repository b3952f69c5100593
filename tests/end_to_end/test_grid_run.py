"""A grid from the command line to the report, and what a second command does with what is there."""

import csv
import json
import shutil
from collections import Counter

import numpy as np

from benchmarks.data.panels import read_panels
from benchmarks.reports.results import read_results

COLUMNS = [
    'stack',
    'techniques',
    'n_seeds',
    'n_images',
    'status',
    'dice',
    'dice_low',
    'dice_high',
    'mdice',
    'miou',
    'boundary_iou',
    'hd95_px',
    'nsd',
    'assd_px',
    'latency_ms_p50',
    'latency_ms_p95',
    'throughput_img_s',
    'train_peak_mib',
    'infer_peak_mib',
    'host_peak_mib',
    'params_m',
    'gflops',
    'train_s',
]
COMPARED = ['design', 'stack', 'reference', 'metric', 'delta', 'low', 'high', 'p', 'p_corrected', 'verdict']


def stages(grid):
    return Counter(name.split('/')[0] for name in grid.manifests())


def stacks(driving):
    return ['+'.join(driving.FULL[:n]) or 'baseline' for n in range(6)]


def test_each_distinct_stage_is_run_once(finished):
    assert stages(finished) == dict(train=4 * 2, predict=5 * 2, refine=2, profile=5)


def test_the_table_has_all_columns_and_no_missing_cell(finished, driving):
    rows = finished.table()
    assert list(rows[0])[: len(COLUMNS)] == COLUMNS
    assert [row['stack'] for row in rows] == stacks(driving)
    missing = [(row['stack'], name) for row in rows for name in COLUMNS if row[name] == '' and name != 'techniques']
    assert missing == []
    assert {(row['status'], row['n_seeds'], row['n_images']) for row in rows} == {('ok', '2', '6')}
    assert float(rows[0]['dice']) > 60, 'the pictures are meant to be learnt'


def test_strata_hold_the_pixels_of_the_counts_and_records_how_the_training_went(finished):
    results = read_results(finished.out)
    assert list(results.strata) == sorted(results.counts.cells) and len(results.strata) == 12
    for cell, strata in results.strata.items():
        tp, _, fn = results.counts.cells[cell].area.transpose(2, 0, 1)
        assert (strata.objects[..., 1].sum(axis=2) == tp + fn).all() and (
            strata.objects[..., 2].sum(axis=2) == tp
        ).all()
        for pixels in strata.pixels.values():
            assert (pixels.sum(axis=1) == np.stack([(tp + fn).sum(axis=1), tp.sum(axis=1)], 1)).all()
        record = results.records[cell]
        assert ('views' in strata.pixels) is (record['views'] > 1 and record['keys']['refine'] is None)
        train = record['train']
        assert len(train['loss_by_tenth']) == len(train['lr_by_tenth']) == 10
        assert (
            train['lr_by_tenth'][0] > train['lr_by_tenth'][-1] > 0
            and train['grad_norm']['updates'] == train['iterations']
        )
    assert {record['views'] for record in results.records.values()} >= {1} and len(results.records) == 12


def test_each_row_is_compared_with_the_row_before_and_with_the_baseline(finished, driving):
    with open(finished.out / 'report' / 'comparisons.csv', newline='') as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0])[: len(COMPARED)] == COMPARED
    names = stacks(driving)
    pairs = [(row['design'], row['stack'], row['reference']) for row in rows if row['metric'] == 'dice']
    assert sorted(pairs) == sorted(
        [('cumulative', *pair) for pair in zip(names[1:], names)]
        + [('cumulative_vs_baseline', name, 'baseline') for name in names[1:]]
    )


def test_report_records_and_configs_are_there(finished, driving):
    names = stacks(driving)
    cells = {f'{name}__seed{seed}' for name in names for seed in (0, 1)}
    assert {path.stem for path in (finished.out / 'configs').iterdir()} == cells
    assert set(finished.records()) == cells
    assert all((finished.out / 'records' / f'{name}__profile.json').is_file() for name in names)
    assert (finished.out / 'report' / 'accuracy_speed.png').read_bytes().startswith(b'\x89PNG')
    report = (finished.out / 'report' / 'README.md').read_text()
    assert all(f'| {row["label"]} |' in report for row in finished.table())
    grid = json.loads((finished.out / 'grid.json').read_text())
    assert grid['classes'] == ['background', 'disc'] and grid['seeds'] == [0, 1]
    assert grid['dataset']['n_images'] == dict(train=8, test=6)
    assert len(finished.counts()) == 12 * 6 * 2  # cells × images × classes
    assert {(row['class'], row['class_name']) for row in finished.counts()} == {('0', 'background'), ('1', 'disc')}


def test_each_view_and_refinement_of_an_inference_is_timed(finished, driving):
    profile = json.loads((finished.out / 'records' / f'{stacks(driving)[-1]}__profile.json').read_text())
    parts, whole = profile['parts_ms'], profile['latency_ms']
    assert len(parts['views']) > 1 and len(parts['refine']) > 1
    for single, step in (([parts['load']], 'preprocess'), *((parts[n].values(), n) for n in ('views', 'refine'))):
        assert (np.sum(list(single), axis=0) <= whole[step]).all() and np.min(list(single)) >= 0


def test_the_report_shows_test_images_with_the_labels_that_were_counted(finished, driving):
    panels, names = read_panels(finished.out), stacks(driving)
    pairs = list(dict.fromkeys((panel.facts['stack'], panel.facts['reference']) for panel in panels))
    assert pairs == list(zip(names[1:], names)) and {panel.facts['seed'] for panel in panels} == {1}
    counts = {(row['cell'], row['image'], row['class']): row for row in finished.counts()}
    for panel in panels:
        facts = panel.facts
        for side, labels, dice in (
            ('stack', panel.stack, facts['dice']),
            ('reference', panel.reference, facts['reference_dice']),
        ):
            tp, fp, fn = (
                ((labels == 1) & (panel.truth == 1)).sum(),
                ((labels == 1) & (panel.truth == 0)).sum(),
                ((labels == 0) & (panel.truth == 1)).sum(),
            )
            row = counts[f'{facts[side]}__seed1', facts['image'], '1']
            assert [str(tp), str(fp), str(fn)] == [row['tp'], row['fp'], row['fn']]
            assert abs(200 * tp / (2 * tp + fp + fn) - dice) < 1e-3
    assert len(list((finished.out / 'report' / 'panels').iterdir())) == len(panels) >= 5


def test_names_of_images_that_are_no_ascii_are_recorded_and_reported(finished, driving):
    stems = {driving.stem(number) for number in range(6)}
    assert not any(stem.isascii() for stem in stems) and {row['image'] for row in finished.counts()} == stems
    shown = {panel.facts['image'] for panel in read_panels(finished.out)}
    page = (finished.out / 'report' / 'index.html').read_text(encoding='utf-8')
    assert shown and shown <= stems and all(stem in page for stem in shown)


def test_stacks_that_differ_in_inference_alone_share_their_training(finished, driving):
    records = finished.records()
    for seed in (0, 1):
        trained, viewed, refined = (records[f'{name}__seed{seed}']['keys'] for name in stacks(driving)[3:])
        assert trained['train'] == viewed['train'] == refined['train']
        assert trained['predict'] != viewed['predict'] == refined['predict']
        assert viewed['refine'] is None and refined['refine']
    assert records['baseline__seed0']['keys']['train'] != records['baseline__seed1']['keys']['train']


def test_running_again_runs_nothing_and_makes_the_same_report(project, finished, tmp_path):
    grid = finished.moved(tmp_path / 'work')
    before = grid.manifests()
    done = project.run(grid)
    assert done.status == 0 and '25 cached, 0 to run' in done.stdout
    assert grid.manifests() == before
    for name in ('table.csv', 'comparisons.csv'):
        assert (grid.out / 'report' / name).read_bytes() == (finished.out / 'report' / name).read_bytes()


def test_a_new_refinement_in_a_second_grid_trains_and_predicts_nothing(project, finished, uninterrupted, tmp_path):
    """Its counts are those of a fresh work dir, too: same seed, same counts, however many ran at once."""
    grid = uninterrupted._replace(work_dir=finished.moved(tmp_path / 'work').work_dir)
    before = grid.manifests()
    done = project.run(grid, '--jobs', '2', '--no-panels')
    assert done.status == 0, done.said
    assert 'Panels' not in (grid.out / 'report' / 'README.md').read_text()
    assert not (grid.out / 'records' / 'labels').exists() and (uninterrupted.out / 'records' / 'labels').exists()
    added = Counter(name.split('/')[0] for name in grid.manifests().keys() - before.keys())
    assert added == dict(refine=1, profile=1)
    assert before.items() <= grid.manifests().items()
    counts = [grid.out / 'records' / 'counts.csv.gz' for grid in (grid, uninterrupted)]
    assert counts[0].read_bytes() == counts[1].read_bytes()


def test_report_only_reads_records_alone(project, finished, driving, tmp_path):
    """No store, no data, no baseline: only what ``--out`` holds."""
    (tmp_path / 'full.py').write_text(finished.path.read_text())
    grid = driving.Grid(tmp_path / 'full.py', tmp_path / 'work')
    shutil.copytree(finished.out, grid.out, ignore=shutil.ignore_patterns('report', 'configs'))
    done = project.run(grid, '--report-only')
    assert done.status == 0, done.said
    assert grid.table() == finished.table()
    assert not grid.store.exists()
    sheets = [folder / 'report' / 'panels' / '00.png' for folder in (grid.out, finished.out)]
    assert sheets[0].read_bytes() == sheets[1].read_bytes()


def test_dry_run_on_a_fresh_work_dir_stores_nothing(project, finished, tmp_path):
    grid = finished._replace(work_dir=tmp_path / 'work')
    done = project.run(grid, '--dry-run', '--jobs', '2')
    assert done.status == 0
    assert '8 train, 10 predict, 2 refine, 5 profile' in done.stdout and '0 cached, 25 to run' in done.stdout
    assert stages(grid) == {} and not grid.out.exists()
