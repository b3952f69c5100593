"""Tries techniques on one of mmsegmentation's own models: built, trained for a step, tested on a picture."""

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
from mmseg.models import BaseSegmentor
from mmseg.registry import MODELS

from benchmarks.check.baselines import CheckBaseline, on_pictures
from benchmarks.check.global_state import global_state_restored
from benchmarks.check.technique_run import TechniqueRun
from benchmarks.check.toy_data import draw_pictures
from benchmarks.errors import BadInput
from benchmarks.files import ROOT
from benchmarks.preflight.stack import check_stack, check_technique, import_and_register
from benchmarks.session.data import predicted_classes
from benchmarks.stacks.compose import load_config
from benchmarks.stacks.imports import import_modules
from benchmarks.stacks.protocol import apply_protocol
from benchmarks.stacks.technique import Technique, read_technique
from benchmarks.stacks.tree import map_tree
from benchmarks.stages.runner import build_runner

FEW_STEPS = 5
PICTURES = 'pictures_'
PIPELINE: list[dict] = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
TRAINING: list[dict] = PIPELINE[:2] + [
    dict(type='RandomCrop', crop_size=(64, 64)),
    dict(type='RandomFlip', prob=0.5),
    PIPELINE[2],
]


class Trials:
    """A model, and the techniques that are tried on it.

    Args:
        model: mmseg's file.
        folder: Working folder, which does not exist yet.
    """

    def __init__(self, model: Path, folder: Path) -> None:
        self.file, self.folder = model, folder
        self.protocol = load_config(ROOT / 'configs' / '_base_' / 'protocol.py')
        # No two trials need equal weights, and the hooks that give them would be most of the work.
        self.protocol['custom_hooks'] = [hook for hook in self.protocol['custom_hooks'] if 'num_threads' not in hook]
        self.tried = 0
        self.trained: set[str] = set()  # keys of trainings that have worked, such as the model's own

    def find_size(self, sizes_px: Iterable[int]) -> str | None:
        """Find the smallest pictures on which the model itself works.

        Args:
            sizes_px: Sizes of the pictures, smallest first.

        Returns:
            Why the model works on no size; None if it works.
        """
        reason = None
        self.folder.mkdir(parents=True)
        for size_px in sizes_px:
            pictures = self.folder / f'{PICTURES}{size_px}'
            try:
                draw_pictures(pictures, size_px, _num_classes(load_config(self.file)['model']))
                self.baseline = self._check_baseline(pictures, size_px)
                import_modules({}, self.baseline.config)
                self.network = self._built(self.baseline.config)
                alone = TechniqueRun(self.baseline, self.folder / f'alone_{size_px}')
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
            Why the technique does not work, or None if it works; and the seconds of computing time.
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
        """Delete the files of a trial; those of fifty models with all techniques would be a hundred gigabytes."""
        for path in self.folder.iterdir():
            if not path.name.startswith(PICTURES):
                shutil.rmtree(path)

    def _try(self, row: Path) -> str | None:
        technique = read_technique(row)
        if technique.device == 'cuda':
            return 'needs a GPU'
        registries = import_and_register({technique.name: technique}, self.baseline.config)
        run = self._technique_run(technique)
        check_technique(technique, run.baseline.config, run.composed, registries)
        check_stack(run.composed, run.config, f"technique '{technique.name}'", registries, runs_next=True)
        if len(run.cell.steps) > (3 if run.cell.refine else 2):
            for _, key in run.cell.steps:  # several trainings: as a grid runs them
                run.finished(key)
        else:
            self._run(run.cell.config, train=run.cell.train not in self.trained)
            self.trained.add(run.cell.train)
        return None

    def _technique_run(self, technique: Technique) -> TechniqueRun:
        """The technique on the model, trained for one step, or for a few steps if the plan refuses a single one."""
        run = TechniqueRun(self.baseline, self.folder / f'trial_{self.tried}', technique, probing=False)
        return run if _can_be_planned(run) else self._longer_run(technique)

    def _longer_run(self, technique: Technique) -> TechniqueRun:
        config = self.baseline.config
        longer = {**config, 'train_cfg': {**config['train_cfg'], 'max_iters': FEW_STEPS}}
        folder = self.folder / f'longer_{self.tried}'
        return TechniqueRun(replace(self.baseline, config=longer), folder, technique, probing=False)

    def _run(self, config: dict, train: bool) -> None:
        """Train for a step (or not), and test on one image; configs with the model's own network share one network."""
        hooks = {**config['default_hooks'], 'checkpoint': None, 'logger': None}
        own = config['model'] == self.baseline.config['model']
        network = copy.deepcopy(self.network) if own else self._built(config)
        folder = self.folder / f'run_{self.tried}'
        with global_state_restored(), patch.object(Runner, 'build_model', return_value=network):
            runner = build_runner({**config, 'default_hooks': hooks}, folder)
            if train:
                losses = _Losses(runner)
                runner.train()
                losses.refuse_not_finite()
            runner._test_evaluator = Evaluator([_Finite()])
            runner.test()

    @staticmethod
    def _built(config: dict) -> BaseSegmentor:
        with DefaultScope.overwrite_default_scope('mmseg'):
            network = MODELS.build(ConfigDict(copy.deepcopy(config['model'])))
            network.init_weights()
        return network

    def _check_baseline(self, pictures: Path, size_px: int) -> CheckBaseline:
        model = _for_pictures(_offline(load_config(self.file)['model']), size_px)
        classes = tuple(f'class {n}' for n in range(_num_classes(model)))
        base = on_pictures(
            dict(
                default_scope='mmseg',
                model=model,
                train_dataloader=_loader(2, TRAINING, 'InfiniteSampler'),
                test_dataloader=_loader(1, PIPELINE, 'DefaultSampler'),
                optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1e-3), clip_grad=None),
                # Longer than the training, so that a technique can put another schedule before it.
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
        return CheckBaseline(
            self.file.stem, apply_protocol(base, self.protocol, 'cpu')[0], self.protocol, pictures, 'cpu'
        )


class _Losses:
    """Collects the loss of each training step of a runner."""

    def __init__(self, runner: Runner) -> None:
        self.values: list[float] = []
        step = runner.model.train_step

        def train_step(*args: Any, **kwargs: Any) -> dict:
            logs = step(*args, **kwargs)
            self.values.append(float(logs['loss']))
            return logs

        runner.model.train_step = train_step

    def refuse_not_finite(self) -> None:
        wrong = [value for value in self.values if not math.isfinite(value)]
        if wrong or not self.values:
            raise ValueError(f'the loss is {wrong[0] if wrong else "never computed"}')


class _Finite(BaseMetric):
    """Refuses predictions in which a pixel has no probability for any class."""

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
    """``model`` without the weights that mmengine would download."""

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
    """``model`` with the values that depend on the size of images; mmseg's own experiments set them likewise.

    Some backbones have a fixed grid of positions. U-Net files give the windows of a sliding test as single numbers,
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
    """How many classes a model predicts.

    Raises:
        ValueError: The model has no decode head that says so.
    """
    number = predicted_classes(model.get('decode_head'))
    if number is None:
        raise ValueError(f"'{model.get('type')}' has no decode head with num_classes, so nothing to segment with")
    return number


def _can_be_planned(run: TechniqueRun) -> bool:
    """Whether a run has a plan; a technique that keeps several checkpoints refuses a training of one step."""
    try:
        return bool(run.cell.steps)
    except BadInput:
        return False
