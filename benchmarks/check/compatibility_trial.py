"""One of mmsegmentation's own models under each technique: built, trained a step, tested on a picture."""

import copy
import math
import shutil
import time
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from mmengine.config import ConfigDict
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmseg.registry import MODELS
from torch import nn

from benchmarks.check.baselines import Arena, on_pictures
from benchmarks.check.global_state import fresh_process
from benchmarks.check.technique_run import Subject
from benchmarks.check.toy_data import draw_pictures
from benchmarks.errors import BadInput
from benchmarks.preflight.legality import Judge, Registries
from benchmarks.stacks.compose import load_config
from benchmarks.stacks.imports import import_modules
from benchmarks.stacks.protocol import apply_protocol
from benchmarks.stacks.technique import Technique, read_technique
from benchmarks.stacks.tree import map_tree
from benchmarks.stages.runner import build_runner

ROOT = Path(__file__).resolve().parents[2]
FEW_STEPS = 5
PICTURES = 'pictures_'
PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
TRAINING = PIPELINE[:2] + [dict(type='RandomCrop', crop_size=(64, 64)), dict(type='RandomFlip', prob=0.5), PIPELINE[2]]


class Trials:
    """A model, and what is tried on it.

    Args:
        model: mmseg's file.
        folder: Working folder; it does not exist yet.
    """

    def __init__(self, model: Path, folder: Path) -> None:
        self.file, self.folder = model, folder
        self.protocol = load_config(ROOT / 'configs' / '_base_' / 'protocol.py')
        # Weights are the same for no two trials; what it takes to make them so would be most of the work.
        self.protocol['custom_hooks'] = [hook for hook in self.protocol['custom_hooks'] if 'num_threads' not in hook]
        self.registries = Registries()
        self.tried = 0
        self.trained: set[str] = set()  # keys of trainings that have worked: that of the model itself, for one

    def find_size(self, sizes_px: Iterable[int]) -> str | None:
        """Find the smallest pictures on which the model itself works.

        Args:
            sizes_px: To try, smallest first.

        Returns:
            Why it does not work on any; None when it does.
        """
        reason = None
        self.folder.mkdir(parents=True)
        for size_px in sizes_px:
            pictures = self.folder / f'{PICTURES}{size_px}'
            try:
                draw_pictures(pictures, size_px, _num_classes(load_config(self.file)['model']))
                self.arena = self._arena(pictures, size_px)
                import_modules({}, self.arena.base)
                self.network = self._built(self.arena.base)
                alone = Subject(self.arena, self.folder / f'alone_{size_px}')
                self._run(alone.cell.config, train=True)
                self.trained.add(alone.cell.train)
                return None
            except Exception as error:
                traceback.print_exc()
                reason = reason or f'{type(error).__name__}: {error}'
            finally:
                self._tidy_up()
        return reason

    def run(self, row: Path) -> tuple[str | None, float]:
        """Try one technique.

        Returns:
            Why it does not work (None when it does), and the seconds of computing that it took.
        """
        start = time.process_time()
        self.tried += 1
        try:
            reason = self._try(row)
        except BadInput as error:
            reason = str(error)
        except Exception as error:
            traceback.print_exc()
            reason = f'{type(error).__name__}: {error}'
        finally:
            self._tidy_up()
        return reason, time.process_time() - start

    def _tidy_up(self) -> None:
        """Give the disk back what a trial has stored: fifty models with all techniques are a hundred gigabytes."""
        for path in self.folder.iterdir():
            if not path.name.startswith(PICTURES):
                shutil.rmtree(path)

    def _try(self, row: Path) -> str | None:
        technique = read_technique(row)
        if technique.device == 'cuda':
            return 'needs a GPU'
        import_modules({technique.name: technique}, self.arena.base)
        subject = self._subject(technique)
        Judge(self.registries).check(technique.overlay, subject.arena.base, subject.composed, f"'{technique.name}'")
        if len(subject.cell.steps) > (3 if subject.cell.refine else 2):
            subject.prediction  # several trainings: as a grid runs them
        else:
            self._run(subject.cell.config, train=subject.cell.train not in self.trained)
            self.trained.add(subject.cell.train)
        return None

    def _subject(self, technique: Technique) -> Subject:
        """The technique on the model, trained for a step, or a few where one is too short."""
        subject = Subject(self.arena, self.folder / f'trial_{self.tried}', technique, watching=False)
        try:
            subject.cell
        except BadInput:
            longer = {**self.arena.base, 'train_cfg': {**self.arena.base['train_cfg'], 'max_iters': FEW_STEPS}}
            subject = Subject(
                replace(self.arena, base=longer), self.folder / f'longer_{self.tried}', technique, watching=False
            )
        return subject

    def _run(self, config: dict, train: bool) -> None:
        """One training step (or none), and one test image; one network serves all configs that do not change it."""
        hooks = {**config['default_hooks'], 'checkpoint': None, 'logger': None}
        own = config['model'] == self.arena.base['model']
        network = copy.deepcopy(self.network) if own else self._built(config)
        folder = self.folder / f'run_{self.tried}'
        with fresh_process(), patch.object(Runner, 'build_model', return_value=network):
            runner = build_runner({**config, 'default_hooks': hooks}, folder)
            if train:
                losses = _Losses(runner)
                runner.train()
                losses.refuse_not_finite()
            runner._test_evaluator = Evaluator([_Finite()])
            runner.test()

    @staticmethod
    def _built(config: dict) -> nn.Module:
        with DefaultScope.overwrite_default_scope('mmseg'):
            network = MODELS.build(ConfigDict(copy.deepcopy(config['model'])))
            network.init_weights()
        return network

    def _arena(self, pictures: Path, size_px: int) -> Arena:
        model = _for_pictures(_offline(load_config(self.file)['model']), size_px)
        classes = tuple(f'class {n}' for n in range(_num_classes(model)))
        base = on_pictures(
            dict(
                default_scope='mmseg',
                model=model,
                train_dataloader=_loader(2, TRAINING, 'InfiniteSampler'),
                test_dataloader=_loader(1, PIPELINE, 'DefaultSampler'),
                optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1e-3), clip_grad=None),
                # Longer than the training, so that there is room for a part before it.
                param_scheduler=[dict(type='PolyLR', eta_min=1e-5, power=0.9, begin=0, end=100, by_epoch=False)],
                train_cfg=dict(type='IterBasedTrainLoop', max_iters=1, val_interval=1),
                test_cfg=dict(type='TestLoop'),
                default_hooks=dict(
                    timer=dict(type='IterTimerHook'),
                    logger=dict(type='LoggerHook', log_metric_by_epoch=False),
                    param_scheduler=dict(type='ParamSchedulerHook'),
                    checkpoint=dict(type='CheckpointHook', by_epoch=False),
                    sampler_seed=dict(type='DistSamplerSeedHook'),
                ),
                log_processor=dict(by_epoch=False),
                test_evaluator=dict(type='IoUMetric'),
            ),
            pictures,
            size_px,
            classes,
        )
        base['test_dataloader']['dataset']['indices'] = 1
        return Arena(self.file.stem, apply_protocol(base, self.protocol, 'cpu')[0], self.protocol, pictures, 'cpu')


class _Losses:
    """What the training steps of a runner lose."""

    def __init__(self, runner: Runner) -> None:
        self.values: list[float] = []
        step = runner.model.train_step

        def watched(*args, **kwargs):
            logs = step(*args, **kwargs)
            self.values.append(float(logs['loss']))
            return logs

        runner.model.train_step = watched

    def refuse_not_finite(self) -> None:
        wrong = [value for value in self.values if not math.isfinite(value)]
        if wrong or not self.values:
            raise ValueError(f'the loss is {wrong[0] if wrong else "never computed"}')


class _Finite(BaseMetric):
    """Refuses predictions that are none."""

    def process(self, data_batch, data_samples) -> None:
        for sample in data_samples:
            probabilities = sample['seg_logits']['data']
            if len(probabilities) > 1 and not bool(probabilities.any(0).all()):
                raise ValueError('at some pixels no class has a probability')
            self.results.append(None)

    def compute_metrics(self, results) -> dict:
        return dict(images=len(results))


def _loader(batch: int, pipeline: list[dict], sampler: str) -> dict:
    return dict(
        batch_size=batch,
        num_workers=0,
        persistent_workers=False,
        sampler=dict(type=sampler, shuffle=batch > 1),
        dataset=dict(pipeline=pipeline),
    )


def _offline(model: dict) -> dict:
    """``model`` without weights that would be downloaded."""

    def changed(node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        return {
            key: value
            for key, value in node.items()
            if key != 'pretrained' and not (key == 'init_cfg' and _is_pretrained(value))
        }

    return map_tree(model, changed)


def _for_pictures(model: dict, size_px: int) -> dict:
    """With what depends on the size of images as mmseg's own experiments put it in: that of the pictures.

    Some backbones have a fixed grid of positions; and U-Net files leave the windows of a sliding test as single numbers,
    which mmseg's own test refuses.
    """
    backbone, test_cfg = model.get('backbone', {}), model['test_cfg']
    if 'img_size' in backbone:
        model = {**model, 'backbone': {**backbone, 'img_size': (size_px, size_px)}}
    if isinstance(test_cfg.get('crop_size'), int):
        window = dict(crop_size=(size_px, size_px), stride=(size_px * 2 // 3, size_px * 2 // 3))
        model = {**model, 'test_cfg': {**test_cfg, **window}}
    return model


def _is_pretrained(init_cfg: Any) -> bool:
    return isinstance(init_cfg, Mapping) and init_cfg.get('type') == 'Pretrained'


def _num_classes(model: Mapping[str, Any]) -> int:
    head = model.get('decode_head', {})
    head = head[-1] if isinstance(head, (list, tuple)) else head
    if 'num_classes' not in head:
        raise ValueError(f"'{model.get('type')}' has no decode head with num_classes, so nothing to segment with")
    return head['num_classes']
