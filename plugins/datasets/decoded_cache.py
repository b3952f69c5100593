"""Training images and masks decoded once, and kept in memory that loader processes share.

A training reads the same files in every epoch, and decoding a large PNG takes longer than cropping it. Here what the
loading transforms make of an image is kept, so that every later epoch begins at the first transform that draws at random.

    train_dataloader = dict(dataset=dict(type='DecodedCache', dataset=dict(type='CityscapesDataset', ...)))
"""

import copy
import mmap
import multiprocessing
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
from mmseg.registry import DATASETS

from plugins.datasets.wrapped import wrapped

# Transforms that make the same of the same file every time; they stand at the head of a pipeline.
LOADING = ('LoadImageFromFile', 'LoadAnnotations')


class _SharedMemory:
    """Memory that forked loader processes share, filled from its beginning; it is gone with the last of them."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.memory = mmap.mmap(-1, max_bytes)  # pages take room once they are written
        self.used, self.hits = multiprocessing.Value('q', 0), multiprocessing.Value('q', 0)

    def __reduce__(self) -> tuple:
        return _SharedMemory, (self.max_bytes,)  # a process that is not forked begins with nothing

    def put(self, content: bytes) -> int | None:
        """Where the content was written; None when there is no room."""
        with self.used.get_lock():
            start = self.used.value
            if start + len(content) > self.max_bytes:
                return None
            self.used.value += len(content)
        self.memory[start : start + len(content)] = content
        return start

    def get(self, start: int, size: int) -> bytes:
        """What was written there."""
        with self.hits.get_lock():
            self.hits.value += 1
        return self.memory[start : start + size]


class _CachedLoading:
    """The loading transforms of a pipeline, asked once for each image."""

    def __init__(self, transforms: list[Callable], memory: _SharedMemory, images: int) -> None:
        self.transforms, self.memory, self.images = transforms, memory, images
        self.places = multiprocessing.Array('q', 2 * images)  # start and size by image; no size, not kept

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


def _loads_something(dataset: Any) -> bool:
    """Whether there is a pipeline at all; without one a data set is only asked what it holds."""
    return bool(_transforms(dataset)) or any(map(_loads_something, wrapped(dataset)))


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and not isinstance(one, np.ndarray) and one == other


@DATASETS.register_module()
class DecodedCache:
    """A data set whose images and masks are decoded once; samples are the same as without it, bit for bit.

    Args:
        dataset: Config of the data set to wrap; wrappers such as ``RepeatDataset`` and ``ConcatDataset`` are looked
            through. Its pipelines begin with ``LoadImageFromFile`` and ``LoadAnnotations``.
        max_gib: The most memory to fill, in GiB; images beyond it are decoded each time. Forked processes of a loader
            share it; started otherwise, each has its own.

    Attributes:
        acted: Samples whose image was not decoded again.

    Raises:
        ValueError: No pipeline of the data set begins with a loading transform, or ``max_gib`` is not positive.
    """

    def __init__(self, dataset: dict, max_gib: float = 4.0) -> None:
        if not max_gib > 0:
            raise ValueError(f'DecodedCache: max_gib={max_gib} must be positive')
        self.dataset = DATASETS.build(dataset)
        self.memory = _SharedMemory(int(max_gib * 2**30))
        if not self._cache_loading(self.dataset) and _loads_something(self.dataset):
            raise ValueError(
                f'DecodedCache: no pipeline of {type(self.dataset).__name__} begins with one of '
                f'{", ".join(LOADING)}, so there is nothing to keep'
            )

    def _cache_loading(self, dataset: Any) -> int:
        """Replace what loads in the pipelines of ``dataset`` and of what it wraps; how many pipelines."""
        found = sum(self._cache_loading(one) for one in wrapped(dataset))
        transforms = _transforms(dataset)
        heads = [type(transform).__name__ in LOADING for transform in transforms]
        number = heads.index(False) if False in heads else len(heads)
        if number:
            transforms[:number] = [_CachedLoading(transforms[:number], self.memory, len(dataset))]
        return found + bool(number)

    @property
    def acted(self) -> int:
        """Samples whose image was not decoded again."""
        return self.memory.hits.value

    @property
    def metainfo(self) -> dict:
        """Classes, palette and the rest, of the wrapped data set."""
        return self.dataset.metainfo

    def full_init(self) -> None:
        """Load the list of images, as mmengine's runner asks every data set to do."""
        self.dataset.full_init()

    def get_data_info(self, idx: int) -> dict:
        """Paths and meta information of one image."""
        return self.dataset.get_data_info(idx)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, idx: int) -> Any:
        return self.dataset[idx]
