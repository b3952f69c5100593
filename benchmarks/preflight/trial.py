"""One real batch forward and backward, or one real test image: what fails at the first step fails before any training.

A trial builds mmengine's Runner from the config that a stage would run, with the same hooks, optimiser and schedules.
It differs in what costs time: few images in a batch, no loader processes, no compiler, no downloaded weights.
"""

import contextlib
import copy
import io
import itertools
import os
import tempfile
import time
import warnings
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from benchmarks.preflight.image_choice import IMAGES_IN_A_BATCH, ChosenImage
from benchmarks.probes.truth import Truth
from benchmarks.stacks.several_networks import ENSEMBLE, checkpoints_kept, members
from benchmarks.stacks.tree import map_tree
from benchmarks.stages.checkpoints import stored
from benchmarks.stages.contracts import Checkpoint, EnsembleCheckpoint, EnsembleMember
from benchmarks.stages.outcome import Diverged
from benchmarks.stages.runner import open_inference
from benchmarks.stages.written_places import written_inside

DRAWS_SEARCHED = 20_000
LARGE_IMAGE_S = 5.0  # an image that would take longer than this, by the time of a smaller one, is not tried
LOCAL_BACKENDS = ('LocalVisBackend', 'TensorboardVisBackend')  # others speak to a server
PROCESS_ARGUMENTS = ('persistent_workers', 'prefetch_factor', 'timeout', 'pin_memory')


class _Stepped(Exception):
    """The first step of a training is done."""


class _StopAfterOneStep(Hook):
    priority = 'LOWEST'

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Leave the training loop.

        Raises:
            Diverged: A loss or a weight is not finite after the step.
            _Stepped: All are.
        """
        for name, value in outputs.items():
            if not torch.as_tensor(value).isfinite().all():
                raise Diverged(f"the loss '{name}' of the first step is {float(value):g}")
        for name, weight in runner.model.named_parameters():
            if not weight.isfinite().all():
                raise Diverged(
                    f"the weights of '{name}' are not finite after the first step, because its gradient is not"
                )
        raise _Stepped


class _QuietRunner(Runner):
    """A Runner that neither looks at the machine for its log, which takes a second, nor writes the config."""

    def _log_env(self, env_cfg: dict) -> None:
        pass

    def dump_config(self) -> None:
        """Write nothing."""


class _ChosenFirst:
    """The draws of a sampler, those of chosen images first.

    Args:
        sampler: The loader's own sampler.
        images: The indices of the chosen images.
    """

    def __init__(self, sampler: Any, images: Collection[int]) -> None:
        self.sampler, self.images = sampler, images

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[int]:
        missing = set(self.images)
        others: list[int] = []
        for draw in itertools.islice(self.sampler, DRAWS_SEARCHED):
            if int(draw) in missing:
                missing.remove(int(draw))
                yield draw
            elif len(others) < IMAGES_IN_A_BATCH:
                others.append(draw)
            if not missing and len(others) == IMAGES_IN_A_BATCH:
                break
        yield from others


def try_training(config: dict, images: Sequence[int], batch_size: int | None = IMAGES_IN_A_BATCH) -> None:
    """Train one step; whatever the step raises comes through.

    Args:
        config: The resolved config of a training.
        images: The indices of the training images that the batch shall hold, as far as the sampler draws them.
        batch_size: The most images in the batch; None for as many as the config says.

    Raises:
        Diverged: A loss or a weight is not finite after the step.
    """
    config = {**config, 'train_dataloader': small_loader(config['train_dataloader'], batch_size)}
    with _trial() as folder:
        runner = _runner(config, folder)
        runner._train_loop = runner.build_train_loop(runner._train_loop)
        loader = runner.train_dataloader
        if type(loader.batch_sampler) is torch.utils.data.BatchSampler:
            loader.batch_sampler.sampler = _ChosenFirst(loader.batch_sampler.sampler, images)
        runner.register_hook(_StopAfterOneStep())
        with contextlib.suppress(_Stepped):
            runner.train()


def try_inference(config: dict, images: Sequence[ChosenImage], num_classes: int, ignore_index: int) -> None:
    """Predict test images with all views and refinements of a config, and random weights; score them.

    Args:
        config: The resolved config of a cell.
        images: Index and number of pixels of each image. A later one is left out if it would take too long.
        num_classes: The number of the data set's classes.
        ignore_index: The label of void pixels.

    Raises:
        FailedOnImage: An image cannot be predicted or scored; its cause is the failure.
    """
    loader = {key: value for key, value in config['test_dataloader'].items() if key not in PROCESS_ARGUMENTS}
    config = {**config, 'test_dataloader': {**loader, 'num_workers': 0}}
    with _trial() as folder:
        runner = _runner(config, folder)
        runner._load_from = _random_weights(config, folder, runner)
        model = open_inference(runner)
        loader, per_pixel = runner.test_dataloader, 0.0
        for index, pixels in images:
            if per_pixel * pixels > LARGE_IMAGE_S:
                continue
            start = time.perf_counter()
            try:
                with torch.no_grad():
                    (sample,) = model.test_step(loader.collate_fn([loader.dataset[index]]))
                _score(sample, num_classes, ignore_index)
            except Exception as error:
                raise FailedOnImage(index) from error
            per_pixel = max(per_pixel, (time.perf_counter() - start) / max(pixels, 1))


def _score(sample: SegDataSample, num_classes: int, ignore_index: int) -> None:
    labels = sample.pred_sem_seg.data[0].cpu().numpy()
    if labels.max() >= num_classes:
        raise ValueError(
            f'the network predicts label {labels.max():g}, but the data set has classes 0 to {num_classes - 1}'
        )
    Truth(sample.gt_sem_seg.data[0].cpu().numpy(), num_classes, ignore_index).counts(labels)


class FailedOnImage(Exception):
    """A test image cannot be predicted or scored.

    Args:
        index: The image's index.
    """

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


def small_loader(loader: dict, batch_size: int | None) -> dict:
    """A training loader's config with at most ``batch_size`` images in a batch, and without processes."""
    small = {key: value for key, value in loader.items() if key not in PROCESS_ARGUMENTS}
    if batch_size is not None and 'batch_size' in small:
        small['batch_size'] = min(small['batch_size'], batch_size)
    return {**small, 'num_workers': 0}


def _runner(config: dict, folder: Path) -> Runner:
    cfg = Config(copy.deepcopy(_without_downloads(written_inside(config))))
    cfg.work_dir, cfg.launcher, cfg.log_level = str(folder), 'none', 'CRITICAL'
    cfg.load_from, cfg.resume, cfg.experiment_name = None, False, folder.name
    if cfg.get('visualizer'):
        # mmengine keeps visualizers by name, and one of an earlier trial would write into a folder that is gone.
        local = [row for row in cfg.visualizer.get('vis_backends') or [] if row['type'] in LOCAL_BACKENDS]
        cfg.visualizer = {**cfg.visualizer, 'name': folder.name, 'vis_backends': local}
    return _QuietRunner.from_cfg(cfg)


def _without_downloads(config: dict) -> dict:
    """The config without initial weights that lie elsewhere: random ones show the same faults, and cost no download."""

    def elsewhere(value: Any) -> bool:
        return isinstance(value, str) and not os.path.isfile(value)

    def without(node: Any) -> Any:
        if isinstance(node, dict) and elsewhere(node.get('pretrained')):
            node = {**node, 'pretrained': None}
        rule = node.get('init_cfg') if isinstance(node, dict) else None
        if isinstance(rule, dict) and rule.get('type') == 'Pretrained' and elsewhere(rule.get('checkpoint')):
            node = {**node, 'init_cfg': None}
        return node

    return {**config, 'model': map_tree(config['model'], without)}


def _random_weights(config: dict, folder: Path, runner: Runner) -> str:
    """The name of a checkpoint with random weights, as a training or the stage of an ensemble leaves it."""
    path = folder / 'random.pth'
    checkpoint: Checkpoint | EnsembleCheckpoint = Checkpoint(state_dict=runner.model.state_dict(), meta={})
    if config.get(ENSEMBLE):
        rows = []
        for member in members(config):
            model = _without_downloads(member.config)['model']
            for _ in range(checkpoints_kept(member.config)):
                state = MODELS.build(Config(copy.deepcopy(model))._cfg_dict).state_dict()
                rows.append(EnsembleMember(state_dict=state, model=model))
        checkpoint = EnsembleCheckpoint(state_dict=rows[0]['state_dict'], meta={}, ensemble=rows)
    torch.save(checkpoint, path)
    return stored(path)


@contextlib.contextmanager
def _trial() -> Iterator[Path]:
    """A folder for one trial, which prints nothing."""
    with (
        tempfile.TemporaryDirectory(prefix='trial_') as folder,
        _no_compiler(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
        DefaultScope.overwrite_default_scope('mmseg'),
    ):
        warnings.simplefilter('ignore')
        yield Path(folder)


@contextlib.contextmanager
def _no_compiler() -> Iterator[None]:
    """Compiling takes minutes and changes no result: the parts run as they are."""

    def as_it_is(model: Any = None, **_: Any) -> Any:
        return model if model is not None else lambda decorated: decorated

    with mock.patch.object(torch, 'compile', as_it_is):
        yield
