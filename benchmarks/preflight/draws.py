"""Do the loaders draw what training and test need? Their samplers are asked; no image is loaded.

A test draws each image once, in the order of its data set: stored maps and counts are found by that order. An epoch
ends, and a pass through the training data has at least one batch.
"""

import copy
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.data.dataset_configs import without_pipelines
from benchmarks.errors import BadInput, Mistakes
from benchmarks.stacks.tree import mappings

PROCESS_ARGUMENTS = ('persistent_workers', 'prefetch_factor', 'timeout', 'pin_memory')
BATCH_NORMS = ('BN', 'BN1d', 'BN2d', 'SyncBN')
FINITE = "sampler=dict(type='DefaultSampler', shuffle={})"


def check_test_draws(config: Mapping[str, Any], origin: str) -> None:
    """Refuse a test loader that leaves images out, draws them twice, shuffles them, or never ends.

    Args:
        config: A resolved config.
        origin: The config's name in messages.

    Raises:
        BadInput: Names the key and the cure.
    """
    loader, place = config['test_dataloader'], f"{origin}: 'test_dataloader'"
    batches, images = _batches(loader, place)
    drawn = [int(index) for batch in itertools.islice(batches, images + 1) for index in batch]
    if drawn == list(range(images)):
        return
    cure = f'give test_dataloader {FINITE.format(False)}'
    if len(drawn) > images:
        raise BadInput(f'{place} draws more than the {images} test images, or never ends; {cure}')
    if sorted(drawn) == list(range(images)):
        raise BadInput(
            f'{place} draws the test images in another order than that of their data set, by which stored maps are '
            f'found again; {cure}'
        )
    if loader.get('drop_last'):
        cure = 'set test_dataloader.drop_last=False'
    elif loader.get('num_batch_per_epoch') is not None:
        cure = 'take num_batch_per_epoch out of test_dataloader'
    raise BadInput(f'{place} draws {len(set(drawn))} of {images} test images; {cure}')


def check_training_draws(config: Mapping[str, Any], origin: str) -> None:
    """Refuse a training loader without any batch, and one without an end in a loop that counts epochs.

    Args:
        config: A resolved config with paired training data.
        origin: The config's name in messages.

    Raises:
        BadInput: Names the key and the cure.
    """
    loader, place = config['train_dataloader'], f"{origin}: 'train_dataloader'"
    batches, images = _batches(loader, place)
    mistakes = Mistakes()
    drawn = list(itertools.islice(batches, 1))
    if not drawn:
        size = loader.get('batch_size')
        mistakes.all.append(
            f'{place} gives no batch: {images} images are less than one batch of {size}, and drop_last=True drops it; '
            f'set train_dataloader.batch_size to {images} at most, or drop_last=False'
            if loader.get('drop_last')
            else f'{place} gives no batch of its {images} images; correct its sampler'
        )
    elif _counts_epochs(config) and _is_endless(batches, steps := max(images // (loader.get('batch_size') or 1), 1)):
        mistakes.all.append(
            f"{place} draws without end, so an epoch of 'train_cfg' (EpochBasedTrainLoop) never ends. Give "
            f'train_dataloader {FINITE.format(True)}, or count iterations: train_cfg of type IterBasedTrainLoop with '
            f'max_iters, of which {steps} go once through the images'
        )
    mistakes.refuse()


def lone_image_warning(config: Mapping[str, Any], images: int | None) -> str | None:
    """A warning, if each pass through the training data ends with a batch of one image, under batch norm.

    Batch norm then normalises by one image, and fails in a layer that sees one value per channel (a pooled branch).

    Args:
        config: A resolved config with paired training data.
        images: The number of images drawn in one pass; None if it is not known.
    """
    loader = config['train_dataloader']
    size, sampler = loader.get('batch_size') or 1, loader.get('sampler') or {}
    endless = sampler.get('infinite', True)  # batches of an endless sampler go over the end of a pass
    if images is None or size == 1 or images % size != 1 or endless or loader.get('drop_last'):
        return None
    if loader.get('batch_sampler') or not any(node.get('type') in BATCH_NORMS for node in mappings(config['model'])):
        return None
    return (
        f'the last batch of each pass through the training data holds one image ({images} images, '
        f'train_dataloader.batch_size={size}), and batch norm normalises by that image alone; it fails where a layer '
        f'sees one value per channel. Set train_dataloader.drop_last=True'
    )


def _counts_epochs(config: Mapping[str, Any]) -> bool:
    """Whether mmengine's loop, or one derived from it, waits for the end of each epoch."""
    from mmengine.registry import LOOPS
    from mmengine.runner import EpochBasedTrainLoop

    loop = config.get('train_cfg') or {}
    kind = loop.get('type') or ('EpochBasedTrainLoop' if loop.get('by_epoch', True) else None)
    cls = LOOPS.get(kind) if isinstance(kind, str) else kind
    return isinstance(cls, type) and issubclass(cls, EpochBasedTrainLoop)


def refuse_no_length(loop: Mapping[str, Any]) -> None:
    """Refuse a training loop whose length is no positive whole number.

    Args:
        loop: The config's ``train_cfg``.

    Raises:
        BadInput: Names the key.
    """
    for key in ('max_iters', 'max_epochs'):
        value = loop.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            kind = 'a text' if isinstance(value, str) else 'not a whole number from 1'
            raise BadInput(f"'train_cfg.{key}' is {value!r}, {kind}; give the number of steps, such as {key}=100")


def _is_endless(batches: Iterator, usual: int) -> bool:
    """Whether there are far more batches than a pass through the images usually has."""
    return next(itertools.islice(batches, 10 * usual + 100, None), None) is not None


def _batches(loader: Mapping[str, Any], place: str) -> tuple[Iterator[list], int]:
    """The batches of indices that a loader draws, and the number of its images.

    Raises:
        BadInput: The loader cannot be built.
    """
    from mmengine.config import ConfigDict
    from mmengine.registry import DefaultScope
    from mmengine.runner import Runner
    from mmseg.registry import DATASETS

    row = {key: value for key, value in loader.items() if key not in PROCESS_ARGUMENTS}
    row = {**row, 'num_workers': 0, 'dataset': without_pipelines(loader['dataset'])}
    try:
        with DefaultScope.overwrite_default_scope('mmseg'):
            row['dataset'] = DATASETS.build(copy.deepcopy(row['dataset']))
            built = Runner.build_dataloader(ConfigDict(row), seed=0)
    except Exception as error:
        raise BadInput(f'{place} cannot be built: {type(error).__name__}: {error}') from error
    return iter(built.batch_sampler), len(row['dataset'])
