"""Checkpoints in the store: they are plain, mmseg's loader takes them, and reading one never executes anything."""

import pickle
from contextlib import nullcontext
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import VISBACKENDS
from mmengine.runner import load_checkpoint
from mmengine.visualization import LocalVisBackend
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS, HOOKS
from torch import nn

from benchmarks.check.toy_data import CLASSES, PALETTE
from benchmarks.stages import combine, label, predict, profile, refine, train
from benchmarks.stages.checkpoints import (
    KeepWeightsAlone,
    UnsafeCheckpoint,
    plain,
    read_checkpoint,
    read_training_checkpoint,
)
from benchmarks.stages.maps import SCALE, write_map
from benchmarks.stages.outcome import Diverged
from benchmarks.stages.runner import build_runner
from plugins.hooks.ensemble import EnsembleHook, EnsembleModel
from plugins.hooks.weight_ema import WeightEMAHook

pytestmark = pytest.mark.usefixtures('own_state')


class Malicious:
    """Writes a file when a pickle of it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@DATASETS.register_module(force=True)
class DescribedByNumpy(BaseSegDataset):
    """Its description, which mmengine puts into each checkpoint, is not in Python's own types."""

    METAINFO = dict(classes=CLASSES, palette=np.array(PALETTE), made=np.float32(0.5))


@HOOKS.register_module(force=True)
class WatchesSaving(Hook):
    """Keeps the weights of the model, and of what is about to be saved, each time that mmengine saves."""

    priority = 'VERY_LOW'

    def __init__(self):
        self.model, self.saved = [], []

    def before_save_checkpoint(self, runner, checkpoint):
        self.model.append({name: value.clone() for name, value in runner.model.state_dict().items()})
        self.saved.append({name: value.clone() for name, value in checkpoint['state_dict'].items()})


def trained(config, folder, **changes):
    folder.mkdir()
    train.run({**config, **changes}, folder, {}, 'cpu')
    return folder


def test_a_training_keeps_tensors_and_plain_values_that_mmengine_loads_too(config, tmp_path):
    data = config['train_dataloader']['dataset']
    del data['metainfo']
    data['type'] = 'DescribedByNumpy'
    folder = trained(config, tmp_path / 'train')
    assert sorted(path.name for path in folder.iterdir()) == ['checkpoint.pth', 'progress.json']
    kept = torch.load(folder / 'checkpoint.pth', weights_only=True)  # without any list of allowed types
    assert set(kept) == {'state_dict', 'meta'} and kept['meta']['iter'] == 4
    assert kept['meta']['dataset_meta'] == dict(
        classes=CLASSES, palette=PALETTE, made=0.5, label_map=None, reduce_zero_label=False
    )
    runner = build_runner(config, tmp_path / 'run')
    loaded = load_checkpoint(runner.model, str(folder / 'checkpoint.pth'), strict=True)
    assert loaded['meta'] == kept['meta']
    assert all(torch.equal(value, kept['state_dict'][name]) for name, value in runner.model.state_dict().items())


def test_a_place_elsewhere_that_the_config_names_stays_empty(config, tmp_path):
    elsewhere = tmp_path / 'elsewhere'
    hooks = dict(config['default_hooks'])
    hooks['checkpoint'] = {**hooks['checkpoint'], 'out_dir': str(elsewhere)}
    hooks['logger'] = dict(type='LoggerHook', interval=1, out_dir=str(elsewhere))
    backend = dict(type='LocalVisBackend', save_dir=str(elsewhere))
    visualizer = dict(type='SegLocalVisualizer', name='elsewhere', save_dir=str(elsewhere), vis_backends=[backend])
    folder = trained(config, tmp_path / 'train', default_hooks=hooks, visualizer=visualizer)
    assert sorted(path.name for path in folder.iterdir()) == ['checkpoint.pth', 'progress.json']
    assert not elsewhere.exists()


@VISBACKENDS.register_module(force=True)
class WritesLines(LocalVisBackend):
    """A backend of a user: one line for each scalar, and a last one when it is closed."""

    def _write(self, text):
        Path(self._save_dir).mkdir(parents=True, exist_ok=True)
        with open(Path(self._save_dir) / 'lines.txt', 'a') as file:
            file.write(f'{text}\n')

    def add_scalars(self, scalars, step=0, file_path=None, **kwargs):
        self._write(f'{step} {sorted(scalars)}')

    def close(self):
        self._write('closed')


@pytest.mark.parametrize('lr', [0.1, float('nan')])
def test_what_a_backend_has_written_is_kept_also_of_a_training_that_fails(config, tmp_path, lr):
    visualizer = dict(type='SegLocalVisualizer', name=f'of {lr}', vis_backends=[dict(type='WritesLines')])
    hooks = config['default_hooks'] | dict(logger=dict(type='LoggerHook', interval=1))
    optim = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=lr))
    with nullcontext() if lr == 0.1 else pytest.raises(Diverged):
        trained(config, tmp_path / 'train', visualizer=visualizer, default_hooks=hooks, optim_wrapper=optim)
    lines = (tmp_path / 'train' / 'vis_data' / 'lines.txt').read_text().splitlines()
    assert lines[0].startswith('1 [') and 'loss' in lines[0] and lines[-1] == 'closed'
    assert len(lines) >= (5 if lr == 0.1 else 2)


def test_the_last_checkpoints_are_kept_with_the_averaged_weights(config, tmp_path, monkeypatch):
    watched, made = [], WatchesSaving.__init__
    monkeypatch.setattr(WatchesSaving, '__init__', lambda self: (made(self), watched.append(self))[0])
    hooks = [dict(type=WeightEMAHook.__name__), dict(type='WatchesSaving')]
    folder = trained(config, tmp_path / 'train', custom_hooks=hooks, ensemble=dict(last_checkpoints=2))
    (hook,) = watched
    kept = [read_checkpoint(folder / name)['state_dict'] for name in ('checkpoint.pth', 'checkpoint_2.pth')]
    for weights, saved, model in zip(kept, hook.saved[::-1], hook.model[::-1]):
        assert weights.keys() == model.keys() == saved.keys()
        assert all(torch.equal(value, saved[name]) for name, value in weights.items())
        assert any(not torch.equal(value, model[name]) for name, value in weights.items())  # the average, indeed
    assert any(not torch.equal(value, kept[1][name]) for name, value in kept[0].items())


def test_too_few_checkpoints_are_refused(config, tmp_path):
    hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=4, max_keep_ckpts=2))
    with pytest.raises(RuntimeError, match='left 1 checkpoints, but 2 are wanted'):
        config = {**config, 'default_hooks': hooks}
        folder = tmp_path / 'train'
        folder.mkdir()
        runner = build_runner(config, folder / 'run')
        runner.register_hook(KeepWeightsAlone())
        runner.train()
        train._keep_checkpoints(folder, 2)


def test_a_state_dict_with_objects_is_refused_by_the_training_itself(config, tmp_path, monkeypatch):
    monkeypatch.setattr(nn.Conv2d, 'get_extra_state', lambda self: PurePosixPath('a'), raising=False)
    monkeypatch.setattr(nn.Conv2d, 'set_extra_state', lambda self, state: None, raising=False)
    with pytest.raises(UnsafeCheckpoint, match='pathlib.PurePosixPath besides tensors'):
        trained(config, tmp_path / 'train')


def test_stages_read_what_a_training_and_a_combination_leave(config, tmp_path):
    first, second = (trained(config, tmp_path / str(seed), randomness=dict(seed=seed)) for seed in (0, 1))
    both = dict(
        config, ensemble=dict(seeds=2), custom_hooks=[dict(type=EnsembleHook.__name__), *config['custom_hooks']]
    )
    combined = tmp_path / 'combined'
    combined.mkdir()
    assert combine.run(both, combined, {'train 1': first, 'train 2': second}, 'cpu')['members'] == 2
    predicted = tmp_path / 'predicted'
    predicted.mkdir()
    facts = predict.run(both, predicted, dict(combine=combined), 'cpu')
    assert facts['images'] == 4 and facts['acted'][EnsembleModel.__name__] == 4  # the second member predicted


def bad_file(kind, path, mark):
    """A checkpoint that touches ``mark`` when it is read by a plain pickle."""
    content = dict(state_dict={}, meta=dict(cfg=Malicious(mark)))
    if kind == 'torch file':
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))


def run_stage(kind, config, tmp_path, checkpoint_folder):
    """Run a stage that reads a checkpoint from ``checkpoint_folder``."""
    folder, parents = tmp_path / kind, dict(train=checkpoint_folder)
    folder.mkdir()
    if kind == 'refine':
        parents['predict'] = tmp_path / 'maps'
        parents['predict'].mkdir()
        for index in range(4):
            write_map(parents['predict'], index, np.full((3, 32, 32), SCALE // 3, np.uint16))
    if kind == 'combine':
        parents = {'train 1': checkpoint_folder, 'train 2': checkpoint_folder}
        config = dict(config, ensemble=dict(seeds=2))
    module = dict(combine=combine, label=label, predict=predict, profile=profile, refine=refine)[kind]
    return module.run(config, folder, parents, 'cpu')


@pytest.mark.parametrize('file', ['torch file', 'bare pickle'])
@pytest.mark.parametrize('kind', ['combine', 'label', 'predict', 'profile', 'refine'])
def test_no_stage_executes_what_a_checkpoint_holds(config, tmp_path, kind, file):
    mark, stored = tmp_path / 'executed', tmp_path / 'stored'
    stored.mkdir()
    bad_file(file, stored / 'checkpoint.pth', mark)
    with pytest.raises(UnsafeCheckpoint, match='checkpoint.pth holds .* besides tensors and plain values'):
        run_stage(kind, config, tmp_path, stored)
    assert not mark.exists()
    torch.load(stored / 'checkpoint.pth', weights_only=False) if file == 'torch file' else pickle.loads(
        (stored / 'checkpoint.pth').read_bytes()
    )
    assert mark.exists()  # it would have been executed


@pytest.mark.parametrize('file', ['torch file', 'bare pickle'])
def test_the_readers_refuse_it_too(tmp_path, file):
    mark = tmp_path / 'executed'
    bad_file(file, tmp_path / 'a.pth', mark)
    for read in (read_checkpoint, read_training_checkpoint):
        with pytest.raises(UnsafeCheckpoint):
            read(tmp_path / 'a.pth')
    assert not mark.exists()


def test_a_whole_training_state_is_read_by_its_own_reader_alone(config, tmp_path):
    runner = build_runner(config, tmp_path / 'run')
    runner.train()  # without the hook of the stage
    path = tmp_path / 'run' / 'iter_4.pth'
    weights = read_training_checkpoint(path)['state_dict']
    assert all(torch.equal(value, weights[name]) for name, value in runner.model.state_dict().items())
    with pytest.raises(UnsafeCheckpoint):
        read_checkpoint(path)


def test_plain_values():
    given = dict(a=(1, np.int64(2)), b=np.array([[1.5]]), c={np.str_('x')}, d=PurePosixPath('p'), e=[None, True, b'x'])
    assert plain(given) == dict(a=(1, 2), b=[[1.5]], c={'x'}, d='p', e=[None, True, b'x'])
    assert type(plain(np.float64(0.5))) is float and type(plain(np.bool_(True))) is bool
