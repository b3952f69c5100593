"""Does a resolved config build: its model, transforms, hooks, loaders and first test sample?"""

import copy
import warnings
from collections.abc import Callable
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.files import digest
from benchmarks.preflight.legality import LOADER_KEYS, Registries


class BuiltOnce:
    """What has been built, by kind and config: the stacks of a grid share most of their parts."""

    def __init__(self) -> None:
        self._built: dict[tuple[str, str], Any] = {}

    def __call__(self, kind: str, row: Any, build: Callable[[Any], Any]) -> Any:
        """``build(row)`` of the first call with this kind and config."""
        key = kind, digest(row)
        if key not in self._built:
            self._built[key] = build(copy.deepcopy(row))
        return self._built[key]


def check_builds(config: dict, origin: str, once: BuiltOnce | None = None) -> int:
    """Build the model, transforms and hooks of a resolved config once, so that a wrong value fails before any training.

    A hook that has a method ``check(config)`` is asked, too; it raises for a config that it cannot work with.

    Args:
        config: A resolved config.
        origin: Whose config it is, for the message.
        once: What configs before have built.

    Returns:
        The model's number of parameters.

    Raises:
        BadInput: With the library's own message.
    """
    from mmseg.registry import DATASETS, HOOKS, TRANSFORMS

    once = once or BuiltOnce()
    try:
        parameters = once('model', config['model'], _count_parameters)
        for loader in ('train_dataloader', 'test_dataloader'):
            for transform in _pipelines(config[loader]['dataset']):
                once('transform', transform, TRANSFORMS.build)
        for row in [*config['inference']['views'].values(), *config['inference']['refine'].values()]:
            once('transform', {key: value for key, value in row.items() if key != 'order'}, TRANSFORMS.build)
        if DATASETS.get(config['train_dataloader']['dataset']['type']) is None:
            raise KeyError(config['train_dataloader']['dataset']['type'])
        _refuse_empty_spans(config.get('param_scheduler'))
        for row in config.get('custom_hooks') or []:
            hook = once('hook', row, HOOKS.build)
            if hasattr(hook, 'check'):
                hook.check(config)
    except Exception as error:
        raise BadInput(f'{origin} does not build: {type(error).__name__}: {error}') from error
    return parameters


def _count_parameters(model: dict) -> int:
    from mmengine.config import ConfigDict
    from mmseg.registry import MODELS

    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # advice on single losses and norms; the training log has it, too
        built = MODELS.build(ConfigDict(model))
    return sum(parameter.numel() for parameter in built.parameters())


def _refuse_empty_spans(schedulers: Any) -> None:
    for row in schedulers if isinstance(schedulers, (list, tuple)) else []:
        if isinstance(row, dict) and None not in (row.get('begin'), row.get('end')) and row['begin'] >= row['end']:
            raise ValueError(
                f'the learning-rate schedule {row.get("type")} begins at {row["begin"]} and ends at {row["end"]}'
            )


def check_sampling(config: dict, registries: Registries, origin: str) -> None:
    """Refuse what draws training samples in a way that cannot be the same in every arm.

    Args:
        config: A resolved config whose training data are paired (:func:`benchmarks.stacks.protocol.pair_training_data`).
        registries: Where the sampler's class is looked up.
        origin: Whose config it is, for the message.

    Raises:
        BadInput: The sampler's class does not say ``yields_draws = True``, or ranks are seeded differently.
    """
    loader = config['train_dataloader']
    for key in ('sampler', 'batch_sampler'):
        kind = (loader.get(key) or {}).get('type')
        if key == 'batch_sampler' and not loader.get(key):
            continue
        cls = registries.find(kind) if isinstance(kind, str) else kind
        if not getattr(cls, 'yields_draws', False):
            raise BadInput(
                f"{origin}: 'train_dataloader.{key}' is {kind!r}, which does not say when in a run a sample is drawn, "
                f'so arms cannot be given the same samples; use InfiniteSampler or DefaultSampler without a '
                f'batch_sampler, or a class of your own that yields Draws (see the paired data set) and has the '
                f'attribute yields_draws = True'
            )
    if (config.get('randomness') or {}).get('diff_rank_seed'):
        raise BadInput(
            f"{origin}: 'randomness.diff_rank_seed' is True, which seeds the samples' order differently on "
            f'each rank; set it to False (samples differ between ranks anyway)'
        )


def check_loaders(config: dict, origin: str) -> None:
    """Give torch's DataLoader the arguments of both loaders, so that values that do not go together fail now.

    Raises:
        BadInput: With torch's own message.
    """
    from torch.utils.data import DataLoader

    for name in ('train_dataloader', 'test_dataloader'):
        arguments = {key: value for key, value in config[name].items() if key not in LOADER_KEYS | {'_scope_'}}
        try:
            DataLoader([None], **arguments)
        except Exception as error:
            raise BadInput(f"{origin}: '{name}' cannot be built: {error}") from error


def check_test_sample(config: dict, origin: str) -> None:
    """Load the first test image through its pipeline, so that one that cannot be scored fails before any training.

    Raises:
        BadInput: The pipeline fails, gives no ground truth, or one of another size than the image file's.
    """
    from mmengine.registry import DefaultScope
    from mmseg.registry import DATASETS

    place = f"{origin}: the pipeline of 'test_dataloader.dataset'"
    try:
        with DefaultScope.overwrite_default_scope('mmseg'):
            loaded = DATASETS.build(copy.deepcopy(config['test_dataloader']['dataset']))[0]
    except Exception as error:
        raise BadInput(f'{place} cannot load the first test image: {type(error).__name__}: {error}') from error
    sample = loaded.get('data_samples') if isinstance(loaded, dict) else None
    if sample is None or 'inputs' not in loaded:
        raise BadInput(f'{place} gives no inputs and data_samples; end it with PackSegInputs')
    for key in ('img_path', 'ori_shape'):
        if key not in sample.metainfo:
            raise BadInput(f"{place} gives no '{key}'; leave it in the meta_keys of PackSegInputs")
    if 'gt_sem_seg' not in sample:
        raise BadInput(f'{place} gives no gt_sem_seg, so nothing can be scored; add LoadAnnotations')
    found, wanted = tuple(sample.gt_sem_seg.shape), tuple(sample.ori_shape[:2])
    if found != wanted:
        raise BadInput(
            f'{place} gives annotations of {found[0]}×{found[1]} pixels for an image of '
            f'{wanted[0]}×{wanted[1]}; predictions are scored at the size of the image file: put '
            f'LoadAnnotations after what resizes'
        )


def _pipelines(dataset: dict) -> list[dict]:
    inner = [dataset.get('dataset')] if isinstance(dataset.get('dataset'), dict) else dataset.get('datasets', [])
    return list(dataset.get('pipeline', [])) + [step for one in inner for step in _pipelines(one)]
