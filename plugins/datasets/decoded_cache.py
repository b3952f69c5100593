"""Decode training images and masks once, and keep them in memory that loader processes share.

A training reads the same files in each epoch, and decoding a large PNG takes longer than cropping it. The cache keeps
the result of the loading transforms, so that later epochs begin with the first random transform.

    train_dataloader = dict(dataset=dict(type='DecodedCache', dataset=dict(type='CityscapesDataset', ...)))
"""

import copy
import mmap
import multiprocessing
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
from mmcv.transforms import LoadAnnotations, LoadImageFromFile
from mmseg.registry import DATASETS

from plugins.arguments import check_number
from plugins.datasets.wrapped import wrapped


class _SharedMemory:
    """Memory that forked loader processes share, filled from its beginning; freed when the last process ends."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.memory = mmap.mmap(-1, max_bytes)  # pages take memory once they are written
        self.used, self.hits = multiprocessing.Value('q', 0), multiprocessing.Value('q', 0)

    def __reduce__(self) -> tuple:
        return _SharedMemory, (self.max_bytes,)  # a process that is not forked begins with an empty cache

    def put(self, content: bytes) -> int | None:
        """Write the content, and return its start; None if it does not fit."""
        with self.used.get_lock():
            start = self.used.value
            if start + len(content) > self.max_bytes:
                return None
            self.used.value += len(content)
        self.memory[start : start + len(content)] = content
        return start

    def get(self, start: int, size: int) -> bytes:
        """The content at ``start``."""
        with self.hits.get_lock():
            self.hits.value += 1
        return self.memory[start : start + size]


class _CachedLoading:
    """The loading transforms of a pipeline, computed once for each image."""

    def __init__(self, transforms: list[Callable], memory: _SharedMemory, images: int) -> None:
        self.transforms, self.memory, self.images = transforms, memory, images
        self.places = multiprocessing.Array('q', 2 * images)  # start and size for each image; size 0: not in the cache

    def __reduce__(self) -> tuple:
        return _CachedLoading, (self.transforms, self.memory, self.images)

    def __call__(self, results: dict) -> dict | None:
        image = results['sample_idx']
        with self.places.get_lock():
            start, size = self.places[2 * image : 2 * image + 2]
        if size:
            return {**results, **pickle.loads(self.memory.get(start, size))}
        before = copy.deepcopy(results)
        for transform in self.transforms:
            results = transform(results)
            if results is None:
                return None
        self._keep(
            image, {key: value for key, value in results.items() if key not in before or not _same(value, before[key])}
        )
        return results

    def _keep(self, image: int, loaded: dict) -> None:
        content = pickle.dumps(loaded, protocol=pickle.HIGHEST_PROTOCOL)
        start = self.memory.put(content)
        if start is not None:
            with self.places.get_lock():
                self.places[2 * image : 2 * image + 2] = start, len(content)

    def __repr__(self) -> str:
        return f'Cached({self.transforms})'


def _transforms(dataset: Any) -> list[Callable]:
    return getattr(getattr(dataset, 'pipeline', None), 'transforms', [])


def _loads(transform: Callable) -> bool:
    """Whether a transform loads a file, and so gives the same each time: mmcv's loaders, and those called Load…."""
    return isinstance(transform, (LoadImageFromFile, LoadAnnotations)) or type(transform).__name__.startswith('Load')


def _loads_something(dataset: Any) -> bool:
    """Whether a data set has a pipeline. Without one it is only used to list images."""
    return bool(_transforms(dataset)) or any(map(_loads_something, wrapped(dataset)))


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and not isinstance(one, np.ndarray) and one == other


@DATASETS.register_module()
class DecodedCache:
    """A data set whose images and masks are decoded once; samples are the same as without the cache, bit for bit.

    Args:
        dataset: Config of the data set to wrap. Data sets inside wrappers such as ``RepeatDataset`` and
            ``ConcatDataset`` are cached as well. Cached are the transforms at the beginning of a pipeline that derive
            from mmcv's ``LoadImageFromFile`` or ``LoadAnnotations``, or whose name begins with ``Load``: they must load
            the same each time.
        max_gib: Upper bound of the memory, in GiB. Images beyond it are decoded each time. Forked loader processes
            share the memory; processes that are started in another way have a cache each.

    Attributes:
        acted: The number of samples whose image came from the cache.

    Raises:
        ValueError: No pipeline of the data set begins with a loading transform, or ``max_gib`` is not positive.
    """

    def __init__(self, dataset: dict, max_gib: float = 4.0) -> None:
        check_number('DecodedCache: max_gib', max_gib, above=0)
        self.dataset = DATASETS.build(dataset)
        self.memory = _SharedMemory(int(max_gib * 2**30))
        if not self._cache_loading(self.dataset) and _loads_something(self.dataset):
            raise ValueError(
                f'DecodedCache: no pipeline of {type(self.dataset).__name__} begins with a transform that loads a '
                f'file, so there is nothing to keep; call your own loader Load…, or derive it from LoadImageFromFile'
            )

    def _cache_loading(self, dataset: Any) -> int:
        """Cache the loading transforms in the pipelines of ``dataset`` and its inner data sets; return their number."""
        found = sum(self._cache_loading(one) for one in wrapped(dataset))
        transforms = _transforms(dataset)
        heads = list(map(_loads, transforms))
        number = heads.index(False) if False in heads else len(heads)
        if number:
            transforms[:number] = [_CachedLoading(transforms[:number], self.memory, len(dataset))]
        return found + bool(number)

    @property
    def acted(self) -> int:
        """The number of samples whose image came from the cache."""
        return self.memory.hits.value

    @property
    def metainfo(self) -> dict:
        """The meta information of the wrapped data set: classes, palette and more."""
        return self.dataset.metainfo

    def full_init(self) -> None:
        """Load the list of images; mmengine's runner calls this for every data set."""
        self.dataset.full_init()

    def get_data_info(self, idx: int) -> dict:
        """The paths and the meta information of one image."""
        return self.dataset.get_data_info(idx)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, idx: int) -> Any:
        return self.dataset[idx]
