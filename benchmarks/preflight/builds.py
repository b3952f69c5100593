"""Can a resolved config be built: its model, transforms, hooks, loaders and first test sample?"""

import copy
import difflib
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.errors import BadInput, Mistakes
from benchmarks.files import digest
from benchmarks.preflight.draws import refuse_no_length
from benchmarks.preflight.legality import LOADER_KEYS, Registries
from benchmarks.preflight.windows import check_windows


class BuiltOnce:
    """Builds each distinct part once, because the stacks of a grid share most of their parts."""

    def __init__(self) -> None:
        self._built: dict[tuple[str, str], Any] = {}

    def __call__(self, kind: str, row: Any, build: Callable[[Any], Any]) -> Any:
        """The result of ``build(row)``, of the first call with this kind and config."""
        key = kind, digest(row)
        if key not in self._built:
            self._built[key] = build(copy.deepcopy(row))
        return self._built[key]


def check_builds(config: dict, origin: str, built: BuiltOnce | None = None) -> int:
    """Build the model, transforms and hooks of a resolved config once, so that a wrong value fails before any training.

    A hook may have a method ``check(config)``, which raises for a config that the hook cannot work with; it is called.

    Args:
        config: A resolved config.
        origin: The name of the config in messages.
        built: The parts that earlier configs have built.

    Returns:
        The model's number of parameters.

    Raises:
        BadInput: Parts cannot be built; gives the library's own message for each.
    """
    from mmseg.registry import DATASETS, HOOKS, TRANSFORMS

    parts = _Parts(origin, built or BuiltOnce())
    parameters = parts.build('model', config['model'], _count_parameters)
    with parts.noted('model.test_cfg'):
        check_windows(config['model'])
    for loader in ('train_dataloader', 'test_dataloader'):
        for place, transform in _pipelines(config[loader]['dataset'], f'{loader}.dataset'):
            parts.build('transform', transform, TRANSFORMS.build, place)
        for kind in _data_set_types(config[loader]['dataset']):
            with parts.noted():
                _refuse_unknown_dataset(DATASETS, kind)
    for kind in ('views', 'refine'):
        for name, row in config['inference'][kind].items():
            own = {key: value for key, value in row.items() if key != 'order'}
            parts.build('transform', own, TRANSFORMS.build, f'inference.{kind}.{name}')
    with parts.noted():
        _refuse_empty_spans(config.get('param_scheduler'))
    with parts.noted():
        refuse_no_length(config['train_cfg'])
    for number, row in enumerate(config.get('custom_hooks') or []):
        hook = parts.build('hook', row, HOOKS.build, f'custom_hooks.{number}')
        if hasattr(hook, 'check'):
            with parts.noted():
                hook.check(config)
    if parts.mistakes:
        raise BadInput(*parts.mistakes)
    return parameters


class _Parts:
    """Builds the parts of a config, and notes why some cannot be built.

    Args:
        origin: The name of the config in messages.
        built: The parts that earlier configs have built.
    """

    def __init__(self, origin: str, built: BuiltOnce) -> None:
        self.origin, self.built = origin, built
        self.mistakes: list[str] = []

    @contextmanager
    def noted(self, place: str = '') -> Iterator[None]:
        """Note why the block fails, and the place in the config; what comes after it goes on."""
        try:
            yield
        except BadInput as error:
            self.mistakes += [f'{self.origin} does not build: {mistake}' for mistake in error.args]
        except Exception as error:
            where = f'; correct {place}' if place else ''
            mistake = f'{self.origin} does not build: {type(error).__name__}: {_reason(error)}'
            # A hook's own check may meet a part again whose place is told already.
            if place or not any(known.startswith(f'{mistake}; correct') for known in self.mistakes):
                self.mistakes.append(mistake + where)

    def build(self, kind: str, row: Any, build: Callable[[Any], Any], place: str = '') -> Any:
        """The result of ``build(row)``; None if it fails, which is noted with the place of ``row``."""
        result = None
        named = place and f"'{place}' ({row.get('type')})" if isinstance(row, dict) else place
        with self.noted(named):
            result = self.built(kind, row, build)
        return result


def _refuse_unknown_dataset(datasets: Any, kind: Any) -> None:
    if isinstance(kind, str) and datasets.get(kind) is None:
        known = {*datasets.module_dict, *(datasets.parent.module_dict if datasets.parent else ())}
        lower = {name.lower(): name for name in known}
        close = [lower[name] for name in difflib.get_close_matches(kind.lower(), lower, n=2, cutoff=0.75)]
        meant = f'did you mean {" or ".join(map(repr, close))}? Otherwise ' if close else ''
        raise LookupError(
            f"no imported module registers the data set '{kind}'; {meant}name the module that does in "
            f"custom_imports = dict(imports=['...'])"
        )


def _data_set_types(dataset: dict) -> Iterator[Any]:
    """The types of a data set and of the data sets that it wraps."""
    yield dataset.get('type')
    for _, inner in _inside(dataset):
        yield from _data_set_types(inner)


def _count_parameters(model: dict) -> int:
    from mmengine.config import ConfigDict
    from mmseg.registry import MODELS

    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # advice on losses and norms; the training log has it, too
        network = MODELS.build(ConfigDict(model))
    return sum(parameter.numel() for parameter in network.parameters())


def _refuse_empty_spans(schedulers: Any) -> None:
    for row in schedulers if isinstance(schedulers, (list, tuple)) else []:
        if isinstance(row, dict) and None not in (row.get('begin'), row.get('end')) and row['begin'] >= row['end']:
            raise ValueError(
                f'the learning-rate schedule {row.get("type")} begins at {row["begin"]} and ends at {row["end"]}'
            )


def check_sampling(config: dict, registries: Registries, origin: str) -> None:
    """Refuse a sampler that cannot draw the same training samples in every arm.

    Args:
        config: A resolved config with paired training data (:func:`benchmarks.stacks.protocol.pair_training_data`).
        registries: Looks up the sampler's class.
        origin: The name of the config in messages.

    Raises:
        BadInput: The sampler's class does not say ``yields_draws = True``, or ranks are seeded differently, or both.
    """
    loader, mistakes = config['train_dataloader'], Mistakes()
    for key in ('sampler', 'batch_sampler'):
        kind = (loader.get(key) or {}).get('type')
        if key == 'batch_sampler' and not loader.get(key):
            continue
        cls = registries.find(kind) if isinstance(kind, str) else kind
        if not getattr(cls, 'yields_draws', False):
            mistakes.all.append(
                f"{origin}: 'train_dataloader.{key}' is {kind!r}, which does not say when in a run a sample is drawn, "
                f'so arms cannot be given the same samples; use InfiniteSampler or DefaultSampler without a '
                f'batch_sampler, or a class of your own that yields Draws (see the paired data set) and has the '
                f'attribute yields_draws = True'
            )
    if (config.get('randomness') or {}).get('diff_rank_seed'):
        mistakes.all.append(
            f"{origin}: 'randomness.diff_rank_seed' is True, which seeds the samples' order differently on "
            f'each rank; set it to False (samples differ between ranks anyway)'
        )
    mistakes.refuse()


def check_loaders(config: dict, origin: str) -> None:
    """Give torch's DataLoader the arguments of both loaders, so that values that exclude each other fail now.

    Raises:
        BadInput: Loaders refuse their arguments; gives torch's own message for each.
    """
    from torch.utils.data import DataLoader

    samples: Any = [None]
    mistakes = []
    for name in ('train_dataloader', 'test_dataloader'):
        arguments = {key: value for key, value in config[name].items() if key not in LOADER_KEYS | {'_scope_'}}
        texts = [key for key, value in arguments.items() if isinstance(value, str) and value.lstrip('-').isdigit()]
        mistakes += [
            f"{origin}: '{name}.{key}' is the text {arguments[key]!r}; write the number without quotes: "
            f'{key}={arguments[key]}'
            for key in texts
        ]
        if texts:
            continue
        try:
            DataLoader(samples, **arguments)
        except Exception as error:
            mistakes.append(f"{origin}: '{name}' cannot be built: {error}")
    if mistakes:
        raise BadInput(*mistakes)


def check_test_sample(config: dict, origin: str) -> None:
    """Load the first test image through its pipeline, so that an image that cannot be scored fails before any training.

    Raises:
        BadInput: The pipeline fails, draws at random, gives no ground truth, moves it, or gives it in another size than
            the image file's.
    """
    from mmengine.registry import DefaultScope
    from mmseg.registry import DATASETS

    from benchmarks.preflight.steady_samples import refuse_unsteady

    place = f"{origin}: the pipeline of 'test_dataloader.dataset'"
    try:
        with DefaultScope.overwrite_default_scope('mmseg'):
            dataset = DATASETS.build(copy.deepcopy(config['test_dataloader']['dataset']))
        loaded = dataset[0]
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
    shape = tuple(sample.gt_sem_seg.data.shape)
    if len(shape) > 3 or (len(shape) == 3 and shape[0] != 1):
        raise BadInput(
            f'{place} gives annotations of the shape {shape}, which is not one label per pixel; load masks with one '
            f"channel (imdecode_backend='pillow' of LoadAnnotations keeps the indices of a palette)"
        )
    given, wanted = tuple(sample.gt_sem_seg.shape), tuple(sample.ori_shape[:2])
    if given != wanted:
        raise BadInput(
            f'{place} gives annotations of {given[0]}×{given[1]} pixels for an image of '
            f'{wanted[0]}×{wanted[1]}; predictions are scored at the size of the image file: put '
            f'LoadAnnotations after the transforms that resize'
        )
    refuse_unsteady(dataset, place)


def _pipelines(dataset: dict, path: str) -> Iterator[tuple[str, dict]]:
    """All transforms of a data set, and of the data sets that it wraps, with their places in the config."""
    for number, step in enumerate(dataset.get('pipeline', [])):
        yield f'{path}.pipeline.{number}', step
    for place, part in _inside(dataset):
        yield from _pipelines(part, f'{path}.{place}')


def _inside(dataset: dict) -> list[tuple[str, dict]]:
    """The data sets right inside a wrapper, with their places in it."""
    wrapped = dataset.get('dataset')
    if isinstance(wrapped, dict):
        return [('dataset', wrapped)]
    return [(f'datasets.{number}', part) for number, part in enumerate(dataset.get('datasets', []))]


def _reason(error: Exception) -> str:
    """The library's message; of an assertion without one, the condition that does not hold."""
    text = str(error).strip()
    if text:
        return text
    frames = traceback.extract_tb(error.__traceback__)
    return frames[-1].line or '' if frames else ''
