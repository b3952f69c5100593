"""What techniques are checked on: the CPU-size baselines, with small pictures as data and a few training steps."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.check.toy_data import CLASSES, NUMBERS, SIZE_PX, dataset
from benchmarks.stacks.compose import load_config, strip_helpers
from benchmarks.stacks.protocol import apply_protocol
from benchmarks.stacks.tree import map_tree

# Enough for a gate that starts at zero to open and let a gradient through to what is behind it, and, at a high learning
# rate, for predictions that are right here, wrong there, and sure in places: thresholds of confidence have work to do.
STEPS = 8
LR_FACTOR = 10
BATCH = 2
NORM_MOMENTUM = 0.5
SMALL_BASELINES = '*_small_icbm152.py'
SEED = 0


@dataclass(frozen=True)
class Arena:
    """A baseline, ready for checks.

    Args:
        name: Of the baseline's file.
        base: Its config under the protocol, before any technique.
        protocol: The values of ``configs/_base_/protocol.py``.
        pictures: Where the data is.
        device: ``cpu`` or ``cuda``.
    """

    name: str
    base: dict = field(repr=False)
    protocol: dict = field(repr=False)
    pictures: Path
    device: str


def small_baselines(configs: Path, first: str) -> list[Path]:
    """The baselines that checks use: those small enough for a CPU, the one called ``first`` before the others."""
    found = sorted((configs / 'baselines').glob(SMALL_BASELINES))
    return sorted(found, key=lambda path: path.stem != first)


def make_arena(baseline: Path, configs: Path, pictures: Path, device: str) -> Arena:
    """Read a baseline and make it small.

    Args:
        baseline: Its config file.
        configs: The folder ``configs/`` of this checkout.
        pictures: Where :func:`benchmarks.check.toy_data.draw_pictures` has drawn.
        device: ``cpu`` or ``cuda``.
    """
    protocol = load_config(configs / '_base_' / 'protocol.py')
    config = _shortened(on_pictures(strip_helpers(load_config(baseline)), pictures))
    return Arena(baseline.stem, apply_protocol(config, protocol, device)[0], protocol, pictures, device)


def on_pictures(config: dict, pictures: Path, size_px: int = SIZE_PX, classes: tuple[str, ...] = CLASSES) -> dict:
    """``config`` with its data replaced; pipelines stay as they are, except for the sizes of crops.

    Args:
        config: A baseline's config.
        pictures: Where :func:`benchmarks.check.toy_data.draw_pictures` has drawn.
        size_px: Height and width of the pictures.
        classes: Names of as many classes as the model predicts.
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
    """Batch norms whose running means follow the few batches quickly; else every prediction would be background."""

    def changed(node: Any) -> Any:
        is_norm = isinstance(node, dict) and node.get('type') in ('BN', 'SyncBN')
        return {**node, 'momentum': NORM_MOMENTUM} if is_norm else node

    return map_tree(model, changed)


def _shortened(config: dict) -> dict:
    """``config`` with a schedule of ``STEPS`` steps; a scheduler that ended with the training still does."""
    config['model'] = _with_quick_norms(config['model'])
    optimizer = config['optim_wrapper']['optimizer']
    config['optim_wrapper'] = {**config['optim_wrapper'], 'optimizer': {**optimizer, 'lr': optimizer['lr'] * LR_FACTOR}}
    before = config['train_cfg']['max_iters']
    config['train_cfg'] = {**config['train_cfg'], 'max_iters': STEPS, 'val_interval': STEPS}
    config['param_scheduler'] = [
        {**one, 'end': STEPS} if one.get('end') == before else one for one in config.get('param_scheduler') or []
    ]
    return config
