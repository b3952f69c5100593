"""Stacks of several networks: ensembles, and a student with its teacher; in the harness and in mmseg's scripts."""

import json
import os
import re
import signal

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.check.cell_again import Ways, fresh_store, plan_again
from benchmarks.stages.parents import by_role

ROWS = ('ensemble_seeds', 'ensemble_checkpoints', 'half_labels', 'pseudo_labels')
CONFIDENCE = 0.6  # of a teacher that has learnt for 12 steps
HEIGHT, WIDTH = 40, 48

LOSS = """
from pathlib import Path

from mmseg.models.losses import CrossEntropyLoss
from mmseg.registry import MODELS


@MODELS.register_module()
class Jammed(CrossEntropyLoss):
    calls = 0  # the trial of one batch before a run makes the first

    def forward(self, *args, **kwargs):
        self.calls += 1
        if self.calls > 1 and Path(__file__).with_name('trouble').exists():
            raise RuntimeError('the lathe is jammed')
        return super().forward(*args, **kwargs)
"""
HALF_JAMMED = """dict(
    ensemble=dict(members=[dict(), dict(model=dict(decode_head=dict(loss_decode=dict(type='Jammed'))))]),
    custom_hooks=dict(_insert_=[dict(type='EnsembleHook')]))
imports = ['plugins.losses.jammed', 'plugins.hooks.ensemble']"""


@pytest.fixture(scope='module')
def checkout(project, tmp_path_factory):
    """A copy of the project in which a teacher may be less sure, and where a member of an ensemble may fail."""
    copy = project.copy(tmp_path_factory.mktemp('checkout'))
    copy.edit('configs/techniques/pseudo_labels.py', 'confidence=0.9', f'confidence={CONFIDENCE}')
    copy.technique('half_jammed', HALF_JAMMED, 'plugins.losses.jammed', LOSS)
    return copy


@pytest.fixture(scope='module')
def grown(checkout, write_grid, tmp_path_factory):
    """Each row alone on the baseline, run to its end; don't write to it."""
    grid = write_grid(tmp_path_factory.mktemp('grown'), ROWS, design='each_alone', name='grown')
    done = checkout.run(grid, '--jobs', '2')
    assert done.status == 0, done.said
    return grid, done


def manifest(grid, kind, key):
    return json.loads((grid.store / kind / key / 'manifest.json').read_text())


def keys(grid, stack):
    return grid.records()[f'{stack}__seed0']['keys']


def checkpoint(grid, stack):
    """What a stack predicts with."""
    kind = 'combine' if 'combine' in keys(grid, stack) else 'train'
    return grid.store / kind / keys(grid, stack)[kind] / 'checkpoint.pth'


def test_each_network_is_trained_once(checkout, grown, tmp_path):
    grid, done = grown
    # The teacher is the very network that learns from half of the labels alone.
    assert 'distinct stages: 7 train, 1 label, 2 combine, 5 predict, 3 profile' in done.stdout
    assert {record['status'] for record in grid.records().values()} == {'ok'} and len(grid.records()) == 5
    student, teacher = keys(grid, 'pseudo_labels'), keys(grid, 'half_labels')
    assert student['train 1'] == teacher['train'] and student['train 2'] == student['train'] != teacher['train']
    again = checkout.run(grid, '--dry-run')
    assert '18 cached, 0 to run' in again.stdout, again.said


def test_the_record_tells_the_cost_of_all_networks(grown):
    grid, _ = grown
    facts = {stack: grid.records()[f'{stack}__seed0']['train'] for stack in ('baseline', *ROWS)}
    assert {stack: one['iterations'] for stack, one in facts.items()} == dict(
        baseline=12, ensemble_seeds=36, ensemble_checkpoints=12, half_labels=12, pseudo_labels=24
    )
    own = keys(grid, 'ensemble_seeds')
    members = [manifest(grid, 'train', own[f'train {n}'])['facts'] for n in (1, 2, 3)]
    for name, together in (('seconds', sum), ('peak_mib', max), ('host_peak_mib', max)):
        assert facts['ensemble_seeds'][name] == pytest.approx(together(one[name] for one in members))
    assert facts['ensemble_seeds']['final_loss'] == pytest.approx(sum(one['final_loss'] for one in members) / 3)
    own = keys(grid, 'pseudo_labels')
    steps = [
        manifest(grid, kind, own[role])['facts']
        for kind, role in (('train', 'train 1'), ('label', 'label'), ('train', 'train 2'))
    ]
    assert facts['pseudo_labels']['seconds'] == pytest.approx(sum(one['seconds'] for one in steps))
    assert facts['pseudo_labels']['final_loss'] == steps[2]['final_loss']
    acted = {stack: grid.records()[f'{stack}__seed0']['acted'] for stack in ROWS}
    # Two members beyond the first on each of the 6 test images.
    for stack in ('ensemble_seeds', 'ensemble_checkpoints'):
        assert acted[stack]['predict EnsembleModel'] == 12
    assert 0 < acted['pseudo_labels']['label pixels'] <= 4 * HEIGHT * WIDTH


def test_the_profile_measures_all_members(grown):
    grid, _ = grown
    profiles = {
        stack: json.loads((grid.out / 'records' / f'{stack}__profile.json').read_text())
        for stack in ('baseline', *ROWS)
    }
    for stack, networks in dict(ensemble_seeds=3, ensemble_checkpoints=3, half_labels=1, pseudo_labels=1).items():
        assert profiles[stack]['params'] == networks * profiles['baseline']['params']
        assert profiles[stack]['flops'] == pytest.approx(networks * profiles['baseline']['flops'], rel=0.01)


def test_members_are_different_networks(grown):
    grid, _ = grown
    for stack in ('ensemble_seeds', 'ensemble_checkpoints'):
        combined = torch.load(checkpoint(grid, stack), weights_only=False)
        weights = [row['state_dict']['decode_head.conv_seg.weight'] for row in combined['ensemble']]
        assert len(weights) == 3 and not any(torch.equal(weights[n], weights[n - 1]) for n in range(3))
        assert torch.equal(combined['state_dict']['decode_head.conv_seg.weight'], weights[0])
    # The last checkpoint is the baseline's: only what is kept differs, so the two are paired.
    plain = torch.load(checkpoint(grid, 'baseline'), weights_only=False)['state_dict']
    assert all(torch.equal(value, combined['state_dict'][name]) for name, value in plain.items())


def test_labels_are_written_for_training_images_without_labels_alone(grown, driving):
    grid, _ = grown
    key = keys(grid, 'pseudo_labels')['label']
    files = sorted((grid.store / 'label' / key / 'labels').iterdir())
    assert len(files) == 4
    labels = [np.asarray(Image.open(path)) for path in files]
    assert all(one.shape == (HEIGHT, WIDTH) and set(np.unique(one)) <= {0, 1, 255} for one in labels)
    share = np.mean([one != 255 for one in labels])
    assert share == pytest.approx(manifest(grid, 'label', key)['facts']['labelled_share'])
    stems = {path.stem.partition('_')[2] for path in files}
    assert len(stems) == 4 and stems < {driving.stem(number) for number in range(8)}


def pooled_miou(grid, stack):
    """Mean over classes of tp / (tp + fp + fn), each summed over the images, in percent."""
    rows = [row for row in grid.counts() if row['cell'] == f'{stack}__seed0']
    scores = []
    for label in {row['class'] for row in rows}:
        tp, fp, fn = (sum(int(row[name]) for row in rows if row['class'] == label) for name in ('tp', 'fp', 'fn'))
        scores.append(tp / (tp + fp + fn))
    return 100 * sum(scores) / len(scores)


@pytest.fixture(scope='module')
def scripts(checkout, grown, driving, tmp_path_factory):
    """What mmseg's ``tools/test.py`` says of some stacks; and the student that its ``tools/train.py`` trains."""
    grid, folder = grown[0], tmp_path_factory.mktemp('plain')
    jobs = {
        name: (stack, script, arguments)
        for name, stack, script, arguments in (
            ('ensemble_seeds', 'ensemble_seeds', 'test.py', [checkpoint(grid, 'ensemble_seeds')]),
            ('pseudo_labels', 'pseudo_labels', 'test.py', [checkpoint(grid, 'pseudo_labels')]),
            ('one member', 'ensemble_seeds', 'test.py', [checkpoint(grid, 'baseline')]),
            ('student', 'pseudo_labels', 'train.py', []),
        )
    }
    said = {}
    for pair in (('ensemble_seeds', 'student'), ('pseudo_labels', 'one member')):
        running = {}
        for name in pair:
            stack, script, arguments = jobs[name]
            running[name] = checkout.mmseg_tool(
                script, grid.out / 'configs' / f'{stack}__seed0.py', *arguments, '--work-dir', folder / name
            )
        said |= {name: driving.finish(process) for name, process in running.items()}
    return said, folder


@pytest.mark.parametrize('stack', ['ensemble_seeds', 'pseudo_labels'])
def test_mmsegs_own_script_gives_the_same_miou(scripts, grown, stack):
    done = scripts[0][stack]
    assert done.status == 0, done.said
    said = float(re.findall(r'mIoU: +([\d.]+)', done.stdout)[-1])
    assert said == pytest.approx(pooled_miou(grown[0], stack), abs=0.01)


def command(checkout, script, *arguments, cwd):
    return checkout.warm.start([str(checkout.root / script), *map(str, arguments)], checkout.environment, cwd)


def test_an_exported_ensemble_predicts_as_the_grid(checkout, grown, pictures, driving, tmp_path):
    grid, _ = grown
    flags = ('--work-dir', grid.work_dir, '--export', 'ensemble_seeds', '--out', tmp_path / 'exported')
    done = driving.finish(command(checkout, 'run_ablation.py', grid.out, *flags, cwd=grid.path.parent))
    assert done.status == 0, done.said
    images = (tmp_path / 'exported', pictures / 'img' / 'test', '--out', tmp_path / 'out', '--probabilities')
    done = driving.finish(command(checkout, 'plugins/tools/segment_folder.py', *images, cwd=tmp_path))
    assert done.status == 0, done.said
    stored = sorted((grid.store / 'predict' / keys(grid, 'ensemble_seeds')['predict'] / 'maps').glob('*.npz'))
    for number, path in enumerate(stored):
        q = np.load(path)['q']
        assert np.array_equal(np.load(tmp_path / 'out' / 'probabilities' / f'{driving.stem(number)}.npz')['q'], q)
        labels = np.asarray(Image.open(tmp_path / 'out' / 'labels' / f'{driving.stem(number)}.png'))
        assert np.array_equal(labels, q.argmax(axis=0))
    assert len(stored) == 6


@pytest.mark.parametrize('stack', ['baseline', *ROWS])
def test_a_dumped_config_plans_the_same_work(grown, tmp_path, stack):
    grid, _ = grown
    record, ways = grid.records()[f'{stack}__seed0'], Ways(tmp_path, 'cpu', 1)
    with fresh_store(tmp_path) as store:
        plan = plan_again(grid.out, record, store, ways)
    assert by_role(plan.cells[0].steps).items() <= record['keys'].items()


def test_a_student_comes_out_again_without_the_labels_of_the_first_run(checkout, grown, driving):
    grid, _ = grown
    labels = grid.store / 'label' / keys(grid, 'pseudo_labels')['label'] / 'labels'
    labels.rename(labels.with_name('hidden'))
    flags = ('--work-dir', grid.work_dir, '--device', 'cpu', '--verify', grid.out, 'pseudo_labels__seed0')
    done = driving.finish(command(checkout, 'run_ablation.py', *flags, cwd=grid.path.parent))
    labels.with_name('hidden').rename(labels)
    assert done.status == 0 and 'pseudo_labels__seed0: all counts of 6 images are equal' in done.stdout, done.said
    assert 'note:' not in done.stdout, done.said


def test_the_checkpoint_of_one_network_is_refused_as_an_ensemble(scripts):
    done = scripts[0]['one member']
    assert done.status != 0 and 'holds one network alone; combine' in done.stdout


def test_mmsegs_own_script_trains_the_same_student(scripts, grown):
    said, folder = scripts
    assert said['student'].status == 0, said['student'].said
    last = (folder / 'student' / 'last_checkpoint').read_text().strip()
    plain = torch.load(last, map_location='cpu', weights_only=False)['state_dict']
    ours = torch.load(checkpoint(grown[0], 'pseudo_labels'), weights_only=False)['state_dict']
    assert ours.keys() == plain.keys() and all(torch.equal(ours[name], plain[name]) for name in ours)


def test_a_killed_driver_loses_the_member_in_flight_alone(checkout, write_grid, driving, tmp_path):
    grid = write_grid(tmp_path / 'killed', ['ensemble_seeds'], design='each_alone')
    driver = checkout.start_warm(grid, '--jobs', '1')

    def second_member_in_flight():
        done = [name for name in grid.manifests() if name.startswith('train/')]
        return len(done) == 2 and list((grid.store / 'running').glob('*/run'))

    driving.wait_until(second_member_in_flight)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.communicate()
    before = grid.manifests()
    done = checkout.run(grid, '--jobs', '2')
    assert done.status == 0, done.said
    after = grid.manifests()
    assert before.items() <= after.items()
    kinds = [name.partition('/')[0] for name in after.keys() - before.keys()]
    assert kinds.count('train') == 2 and kinds.count('combine') == 1 and kinds.count('profile') == 2


def test_a_member_that_fails_fails_its_cell_with_its_reason(checkout, write_grid, tmp_path):
    trouble = checkout.root / 'plugins' / 'losses' / 'trouble'
    trouble.touch()
    grid = write_grid(tmp_path / 'jammed', ['half_jammed'], design='each_alone')
    done = checkout.run(grid, '--jobs', '2')
    assert done.status == 1, done.said
    record = grid.records()['half_jammed__seed0']
    assert (record['status'], record['failed_stage']) == ('failed', 'train') and record['train'] is None
    assert record['reason'] == 'RuntimeError: the lathe is jammed'
    (failed,) = [line for line in done.stderr.splitlines() if line.startswith('failed: ')]
    assert f'/train/{record["keys"]["train 2"]}/log.txt' in failed
    assert [row['status'].partition(':')[0].partition(' ')[0] for row in grid.table()] == ['ok', 'failed']
    before = grid.manifests()
    trouble.unlink()
    assert checkout.run(grid).status == 1 and grid.manifests() == before
    done = checkout.run(grid, '--retry-failed', '--jobs', '2')
    assert done.status == 0, done.said
    after = grid.manifests()
    assert {name.partition('/')[0] for name in after if after[name] != before.get(name)} == {
        'train',
        'combine',
        'predict',
        'profile',
    }
    assert [name for name in before if after[name] != before[name]] == [f'train/{record["keys"]["train 2"]}']
