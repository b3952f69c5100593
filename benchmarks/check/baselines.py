"""The baselines of checks: those of CPU size, with small pictures as data and a few training steps."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.check.toy_data import CLASSES, NUMBERS, SIZE_PX, dataset
from benchmarks.stacks.compose import load_config, strip_helpers
from benchmarks.stacks.protocol import apply_protocol
from benchmarks.stacks.tree import map_tree

# Enough steps for a gate that starts at zero to open, so that a gradient reaches the layers behind it. With the high
# learning rate, predictions are partly right, partly wrong and partly confident, so that confidence thresholds act.
STEPS = 8
LR_FACTOR = 10
BATCH = 2
NORM_MOMENTUM = 0.5
SMALL_BASELINES = '*_small_icbm152.py'
SEED = 0


@dataclass(frozen=True)
class CheckBaseline:
    """A baseline that is ready for checks.

    Args:
        name: The name of the baseline's file.
        config: Its config under the protocol, before any technique.
        protocol: The values of ``configs/_base_/protocol.py``.
        pictures: The folder of the data.
        device: ``cpu`` or ``cuda``.
    """

    name: str
    config: dict = field(repr=False)
    protocol: dict = field(repr=False)
    pictures: Path
    device: str


def small_baselines(configs: Path, first: str) -> list[Path]:
    """The baselines that are small enough for a CPU; the baseline called ``first`` comes first."""
    paths = sorted((configs / 'baselines').glob(SMALL_BASELINES))
    return sorted(paths, key=lambda path: path.stem != first)


def make_check_baseline(baseline: Path, configs: Path, pictures: Path, device: str) -> CheckBaseline:
    """Read a baseline and make it small.

    Args:
        baseline: Its config file.
        configs: The folder ``configs/``.
        pictures: The folder that :func:`benchmarks.check.toy_data.draw_pictures` has filled.
        device: ``cpu`` or ``cuda``.
    """
    protocol = load_config(configs / '_base_' / 'protocol.py')
    config = _shortened(on_pictures(strip_helpers(load_config(baseline)), pictures))
    return CheckBaseline(baseline.stem, apply_protocol(config, protocol, device)[0], protocol, pictures, device)


def on_pictures(config: dict, pictures: Path, size_px: int = SIZE_PX, classes: tuple[str, ...] = CLASSES) -> dict:
    """``config`` with the pictures as its data; of the pipelines only the sizes of crops change.

    Args:
        config: A baseline's config.
        pictures: The folder that :func:`benchmarks.check.toy_data.draw_pictures` has filled.
        size_px: Height and width of the pictures.
        classes: Names of the classes, as many as the model predicts.
    """
    config = dict(config)
    for split in NUMBERS:
        loader = config.get(f'{split}_dataloader')
        if loader:
            pipeline = _with_crops(loader['dataset']['pipeline'], size_px)
            config[f'{split}_dataloader'] = {**loader, 'dataset': dataset(pictures, split, pipeline, classes)}
    config['train_dataloader'] = {**config['train_dataloader'], 'batch_size': BATCH}
    preprocessor = {**config['model']['data_preprocessor'], 'size': (size_px, size_px)}
    config['model'] = {**config['model'], 'data_preprocessor': preprocessor}
    return config


def _with_crops(pipeline: Any, size_px: int) -> Any:
    def changed(node: Any) -> Any:
        return {**node, 'crop_size': (size_px, size_px)} if isinstance(node, dict) and 'crop_size' in node else node

    return map_tree(pipeline, changed)


def _with_quick_norms(model: dict) -> dict:
    """Let the running means of batch norms follow quickly; otherwise a few batches would predict background alone."""

    def changed(node: Any) -> Any:
        is_norm = isinstance(node, dict) and node.get('type') in ('BN', 'SyncBN')
        return {**node, 'momentum': NORM_MOMENTUM} if is_norm else node

    return map_tree(model, changed)


def _shortened(config: dict) -> dict:
    """``config`` with a training of ``STEPS`` steps; a scheduler that ended with the training still does."""
    config['model'] = _with_quick_norms(config['model'])
    optimizer = config['optim_wrapper']['optimizer']
    config['optim_wrapper'] = {**config['optim_wrapper'], 'optimizer': {**optimizer, 'lr': optimizer['lr'] * LR_FACTOR}}
    length = config['train_cfg']['max_iters']
    config['train_cfg'] = {**config['train_cfg'], 'max_iters': STEPS, 'val_interval': STEPS}
    config['param_scheduler'] = [
        {**scheduler, 'end': STEPS} if scheduler.get('end') == length else scheduler
        for scheduler in config.get('param_scheduler') or []
    ]
    return config
