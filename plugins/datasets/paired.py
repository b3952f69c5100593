"""Training samples that are the same in every arm of an ablation.

With mmengine's own seeding one extra random draw in one arm (a new transform, another number of workers) shifts every
later draw, and two arms with the same seed no longer see the same data. Here the n-th sample of a run is a
:class:`Draw`: which image it is depends on (seed, n) alone, and each transform of its pipeline draws from a stream of
its own, keyed by (seed, n, transform), so that whatever else a technique draws, shared transforms act alike.

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

from plugins.datasets.wrapped import transforms_of, wrapped


class Draw(int):
    """The index of an image, together with when in the run it was drawn.

    Args:
        index: Index into the data set; the value of the integer itself.
        position: How many samples the run drew before this one, over all ranks.
        seed: Seed of the run.
    """

    def __new__(cls, index: int, position: int, seed: int) -> 'Draw':
        draw = super().__new__(cls, index)
        draw.position = position
        draw.seed = seed
        return draw

    def __reduce__(self):
        return Draw, (int(self), self.position, self.seed)


def stream(*words: int | str) -> int:
    """A 32-bit seed for the random stream named by ``words``; different words give unrelated streams."""
    entropy = [zlib.crc32(word.encode()) if isinstance(word, str) else word for word in words]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])


def seed_transforms(seed: int) -> None:
    """Seed the generators that transforms draw from: those of Python, NumPy and torch on the CPU.

    ``torch.manual_seed`` would seed those of the other devices, too, which the model draws from and which
    :func:`isolated_random_state` does not restore; and where there is no such device, it formats the stack for each
    kind of them and keeps it.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)


@contextmanager
def isolated_random_state() -> Iterator[None]:
    """Leave the global generators as they were found, so that loading a sample never shifts the model's own draws."""
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

    When several ranks share finite epochs and their number does not divide that of the images, an epoch ends with
    images of the beginning of its order, until each rank has as many (as mmengine's DefaultSampler has it): ranks that
    had a batch more would wait for the others for ever.

    Args:
        dataset: The data set to draw from.
        seed: Seed of the run; mmengine's runner passes its own.
        shuffle: Whether to permute the images of each epoch.
        infinite: Draw without end (``IterBasedTrainLoop``), or one epoch per iteration (``EpochBasedTrainLoop``).
    """

    yields_draws = True  # what PairedDataset needs; another sampler that yields Draws says so, too

    def __init__(self, dataset, seed: int, shuffle: bool = True, infinite: bool = True) -> None:
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
        """Samples of one epoch that fall to this rank."""
        return len(range(self.rank, self.epoch_size, self.world_size))

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration draws (finite sampling)."""
        self.epoch = epoch

    def skip(self, num_samples: int) -> None:
        """Start this many samples (of this rank) later, as mmengine asks when it resumes."""
        self.skipped = num_samples


class _StreamedTransform:
    """A transform that draws from a random stream of its own, another one each time that a sample calls it."""

    def __init__(self, transform, name: str, owner: 'PairedDataset') -> None:
        self.transform, self.name, self.owner = transform, name, owner

    def __call__(self, results):
        return self._in_stream(self.transform, self.name, results)

    def __getattr__(self, attribute: str) -> Any:
        """What the transform has beside its call; ``get_indices``, which draws the images to mix, in a stream, too."""
        if attribute.startswith('__') or attribute == 'transform':  # while unpickling there is no transform yet
            raise AttributeError(attribute)
        found = getattr(self.transform, attribute)
        return partial(self._in_stream, found, f'{self.name} indices') if attribute == 'get_indices' else found

    def _in_stream(self, function: Callable, name: str, *arguments) -> Any:
        draw, call = self.owner.current, self.owner.calls[name]
        self.owner.calls[name] += 1
        again = (call,) if call else ()
        seed_transforms(stream(draw.seed, 'augmentation', draw.position, name, *again))
        return function(*arguments)

    def __repr__(self) -> str:
        return repr(self.transform)


@DATASETS.register_module()
class PairedDataset:
    """A data set whose n-th sample is augmented alike in every arm with the same seed.

    Each transform of the wrapped pipelines is seeded by (seed, n, its type, how many of that type stand before it) and,
    when one sample calls it several times (``MultiImageMixDataset`` mixes images), by the number of the call.
    Needs indices that are :class:`Draw`, as :class:`PairedSampler` gives them. The global generators are left as found.

    Args:
        dataset: Config of the data set to wrap; wrappers such as ``RepeatDataset``, ``ConcatDataset`` and
            ``MultiImageMixDataset`` are looked through.
    """

    def __init__(self, dataset: dict) -> None:
        self.dataset = DATASETS.build(dataset)
        self.current: Draw | None = None
        self.calls: Counter[str] = Counter()
        self._stream_pipelines(self.dataset)

    def _stream_pipelines(self, dataset) -> int:
        """Give the transforms of ``dataset`` and of what it wraps their streams.

        Returns:
            How many pipelines a sample passes. A pipeline around others has names of its own, so that how often it
            calls them leaves its own streams alone.
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

    def __getitem__(self, draw: Draw) -> dict:
        if not isinstance(draw, Draw):
            raise TypeError(
                'PairedDataset got a plain index, which does not say when in the run the sample is drawn; '
                "use sampler=dict(type='PairedSampler') or yield plugins.datasets.paired.Draw"
            )
        self.current = draw
        self.calls.clear()
        with isolated_random_state():
            seed_transforms(stream(draw.seed, 'sample', draw.position))
            return self.dataset[int(draw)]
