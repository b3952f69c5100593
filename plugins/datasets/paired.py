"""Training samples that are the same in every arm of an ablation.

With mmengine's seeding, an additional random draw in one arm (a new transform, another number of workers) shifts all
later draws, and two arms with the same seed no longer train on the same data. Here the n-th sample of a run is a
:class:`Draw`. Its image depends on (seed, n) alone. Each transform of the pipeline draws from its own random stream,
seeded by (seed, n, transform), so a transform that two arms share acts in the same way in both.

    train_dataloader = dict(
        sampler=dict(type='PairedSampler'),
        dataset=dict(type='PairedDataset', dataset=dict(type='CityscapesDataset', ...)))
"""

import itertools
import random
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from typing import Any, Iterator

import numpy as np
import torch
from mmengine.dist import get_dist_info
from mmseg.registry import DATA_SAMPLERS, DATASETS
from torch.utils.data import Sampler

from plugins.arguments import check_whole
from plugins.datasets.wrapped import transforms_of, wrapped


class Draw(int):
    """The index of an image, together with the position of its draw in the run.

    Args:
        index: Index into the data set; the value of the integer.
        position: The number of samples that the run drew before this one, over all ranks.
        seed: Seed of the run.
    """

    def __new__(cls, index: int, position: int, seed: int) -> 'Draw':
        draw = super().__new__(cls, index)
        draw.position = position  # type: ignore[attr-defined]
        draw.seed = seed  # type: ignore[attr-defined]
        return draw

    def __reduce__(self):
        return Draw, (int(self), self.position, self.seed)


def stream(*words: int | str) -> int:
    """A 32-bit seed for the random stream with the name ``words``; different words give unrelated streams."""
    entropy = [zlib.crc32(word.encode()) if isinstance(word, str) else word for word in words]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])


def seed_transforms(seed: int) -> None:
    """Seed the generators from which transforms draw: those of Python, NumPy and torch on the CPU.

    ``torch.manual_seed`` would also seed the generators of other devices, from which the model draws and which
    :func:`isolated_random_state` does not restore. Without such devices, it would format and store the stack for each
    kind of device, which costs time.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)


@contextmanager
def isolated_random_state() -> Iterator[None]:
    """Restore the global generators afterwards, so that loading a sample never shifts the draws of the model."""
    state = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(state[0])
        np.random.set_state(state[1])
        torch.set_rng_state(state[2])


@DATA_SAMPLERS.register_module()
class PairedSampler(Sampler):
    """Draw each image once per epoch in an order that depends on (seed, epoch) alone.

    With finite epochs and several ranks, each rank must get the same number of samples; otherwise a rank with one more
    batch would wait forever for the others. If the number of images is not divisible by the number of ranks, the epoch
    ends with images from its beginning, as in mmengine's DefaultSampler.

    Args:
        dataset: The data set to draw from.
        seed: Seed of the run; mmengine's runner passes its own.
        shuffle: Whether to permute the images of each epoch.
        infinite: True draws without end, for ``IterBasedTrainLoop``. False draws one epoch per iteration, for
            ``EpochBasedTrainLoop``.

    Raises:
        ValueError: The data set is empty.
    """

    yields_draws = True  # PairedDataset needs Draws; every sampler that yields Draws has this attribute

    def __init__(self, dataset, seed: int, shuffle: bool = True, infinite: bool = True) -> None:
        check_whole('seed', seed)
        if len(dataset) == 0:
            raise ValueError('PairedSampler needs at least one image')
        self.dataset, self.seed, self.shuffle, self.infinite = dataset, seed, shuffle, infinite
        self.rank, self.world_size = get_dist_info()
        self.epoch_size = len(dataset) + (0 if infinite else -len(dataset) % self.world_size)  # draws of all ranks
        self.epoch = 0
        self.skipped = 0

    def _order(self, epoch: int) -> list[int]:
        order = range(len(self.dataset))
        if self.shuffle:
            order = np.random.default_rng(stream(self.seed, 'order', epoch)).permutation(len(self.dataset)).tolist()
        return list(itertools.islice(itertools.cycle(order), self.epoch_size))

    def _draws(self, epochs) -> Iterator[Draw]:
        for epoch in epochs:
            for n, index in enumerate(self._order(epoch)):
                yield Draw(index, epoch * self.epoch_size + n, self.seed)

    def __iter__(self) -> Iterator[Draw]:
        epochs = itertools.count() if self.infinite else [self.epoch]
        return itertools.islice(self._draws(epochs), self.rank + self.skipped * self.world_size, None, self.world_size)

    def __len__(self) -> int:
        """The number of samples of this rank in one epoch."""
        return len(range(self.rank, self.epoch_size, self.world_size))

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration, for finite sampling."""
        self.epoch = epoch

    def skip(self, num_samples: int) -> None:
        """Skip this many samples of this rank; mmengine calls this when it resumes a training."""
        self.skipped = num_samples


class _StreamedTransform:
    """A transform with its own random streams: a new stream for each sample and each call within a sample."""

    def __init__(self, transform, name: str, owner: 'PairedDataset') -> None:
        self.transform, self.name, self.owner = transform, name, owner

    def __call__(self, results):
        return self._in_stream(self.transform, self.name, results)

    def __getattr__(self, attribute: str) -> Any:
        """Other attributes of the transform. ``get_indices``, which draws the images to mix, also gets a stream."""
        if attribute.startswith('__') or attribute == 'transform':  # during unpickling the transform is not set yet
            raise AttributeError(attribute)
        found = getattr(self.transform, attribute)
        return partial(self._in_stream, found, f'{self.name} indices') if attribute == 'get_indices' else found

    def _in_stream(self, function: Callable, name: str, *arguments) -> Any:
        draw, call = self.owner.current, self.owner.calls[name]
        self.owner.calls[name] += 1
        again = (call,) if call else ()
        seed_transforms(stream(draw.seed, 'augmentation', draw.position, name, *again))  # type: ignore[union-attr]
        return function(*arguments)

    def __repr__(self) -> str:
        return repr(self.transform)


@DATASETS.register_module()
class PairedDataset:
    """A data set whose n-th sample is augmented in the same way in every arm with the same seed.

    The seed of a transform is (seed, n, its type, the number of transforms of that type before it). If one sample calls
    a transform several times, as ``MultiImageMixDataset`` does to mix images, the number of the call is part of the
    seed. Indices must be :class:`Draw`, as from :class:`PairedSampler`. The global generators are restored after each
    sample.

    Args:
        dataset: Config of the data set to wrap. Pipelines inside wrappers such as ``RepeatDataset``, ``ConcatDataset``
            and ``MultiImageMixDataset`` get streams as well.
    """

    def __init__(self, dataset: dict) -> None:
        self.dataset = DATASETS.build(dataset)
        self.current: Draw | None = None
        self.calls: Counter[str] = Counter()
        self._stream_pipelines(self.dataset)

    def _stream_pipelines(self, dataset) -> int:
        """Give streams to the transforms of ``dataset`` and of the data sets that it wraps.

        Returns:
            The number of nested pipelines. The names of transforms contain this level, so that the streams of an outer
            pipeline do not depend on how often it calls the inner pipelines.
        """
        level = max(map(self._stream_pipelines, wrapped(dataset)), default=0)
        transforms = transforms_of(dataset)
        if transforms is None:
            return level
        seen: dict[str, int] = {}
        for i, transform in enumerate(transforms):
            kind = type(transform).__name__
            seen[kind] = seen.get(kind, 0) + 1
            transforms[i] = _StreamedTransform(transform, f'{"mixed " * level}{kind}#{seen[kind]}', self)
        return level + 1

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

    def __getitem__(self, draw: Draw) -> dict:
        if not isinstance(draw, Draw):
            raise TypeError(
                'PairedDataset got a plain index, which does not say when in the run the sample is drawn; '
                "use sampler=dict(type='PairedSampler') or yield plugins.datasets.paired.Draw"
            )
        self.current = draw
        self.calls.clear()
        with isolated_random_state():
            seed_transforms(stream(draw.seed, 'sample', draw.position))  # type: ignore[attr-defined]
            return self.dataset[int(draw)]
