"""Parts of a training split: images that count as labelled, and images that count as unlabelled.

They serve experiments with few labels and with pseudo-labels (Lee 2013, "Pseudo-Label: The Simple and Efficient
Semi-Supervised Learning Method for Deep Neural Networks", ICML workshop). A teacher trains on :class:`LabelledPart` and
writes a label file for each image of :class:`UnlabelledPart`. A student trains on :class:`PseudoLabelled`, the union of
both. For the same ``dataset``, ``fraction`` and ``seed``, the three classes divide the images in the same way. The true
masks of the unlabelled images are never read.

    train_dataloader = dict(dataset=dict(type='LabelledPart', fraction=0.5, dataset=dict(type='ADE20KDataset', ...)))
"""

import copy
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmseg.registry import DATASETS

from plugins.arguments import check_number, check_whole


def carve(groups: Sequence[str], fraction: float, seed: int) -> np.ndarray:
    """Choose whole groups at random, so that their share of the images is as close as possible to ``fraction``.

    Groups are numbered in the order of their first image, so the choice depends neither on names nor on paths.

    Args:
        groups: The group of each of the N images. Images of one group are not independent (a patient, a scene).
        fraction: Share of the images to choose, above 0 and below 1.
        seed: Seed of the choice.

    Returns:
        Whether each image is chosen, bool (N,). At least one group is chosen, and at least one is not.

    Raises:
        ValueError: There are fewer than two groups, or ``fraction`` is out of range.
    """
    if not 0 < fraction < 1:
        raise ValueError(f'fraction is {fraction}; give a share above 0 and below 1')
    numbers = {name: number for number, name in enumerate(dict.fromkeys(groups))}
    if len(numbers) < 2:
        raise ValueError(
            f'{len(groups)} images in {len(numbers)} group(s) cannot be parted: at least two groups are '
            'needed, one with labels and one without'
        )
    member = np.array([numbers[name] for name in groups])
    order = np.random.default_rng(seed).permutation(len(numbers))
    sizes = np.cumsum(np.bincount(member)[order])
    chosen = order[: 1 + np.argmin(np.abs(sizes[:-1] - fraction * len(groups)))]
    return np.isin(member, chosen)


class CarvedPart:
    """A part of another data set.

    In wrappers such as ``RepeatDataset`` and ``ConcatDataset``, each inner data set is divided separately, and the
    wrapper gets its part.

    Args:
        dataset: Config of the data set to divide, derived from mmengine's ``BaseDataset``. The groups are the ``group``
            of its data infos; without them, each image is a group.
        fraction: Share of the images that count as labelled.
        seed: Seed of the division. It is independent of the seed of a run: all runs use the same part.
        label_dir: Folder of the label files of the unlabelled images; '' if it is not known yet, None if no label file
            is read.

    Raises:
        TypeError: A data set is not derived from mmengine's ``BaseDataset``.
        ValueError: There are fewer than two groups, the ``metainfo`` alone declares groups, or ``fraction`` is out of
            range.
    """

    def __init__(self, dataset: dict, fraction: float, seed: int = 0, label_dir: str | None = '') -> None:
        check_number('fraction', fraction)
        check_whole('seed', seed, least=0)
        if not 0 < fraction < 1:
            raise ValueError(f'fraction is {fraction}; give a share above 0 and below 1')
        self.fraction, self.seed, self.label_dir = fraction, seed, label_dir
        inner = self._inside_wrapper(dataset)
        self.dataset = DATASETS.build(inner or dataset)
        if inner is None:
            self._show(self._infos())

    def _inside_wrapper(self, dataset: dict) -> dict | None:
        """The config of a wrapper whose inner data sets are replaced by their parts; None if it is no wrapper."""
        if 'dataset' in dataset:
            return {**copy.deepcopy(dict(dataset)), 'dataset': self._part_of(dataset['dataset'], self.label_dir)}
        if 'datasets' in dataset:  # one folder each, as image names may repeat
            parts = [
                self._part_of(one, self.label_dir and os.path.join(self.label_dir, str(number)))
                for number, one in enumerate(dataset['datasets'])
            ]
            return {**copy.deepcopy(dict(dataset)), 'datasets': parts}
        return None

    def _part_of(self, dataset: dict, label_dir: str | None) -> dict:
        options = dict(fraction=self.fraction, seed=self.seed, label_dir=label_dir)
        return dict(
            type=type(self).__name__,
            dataset=copy.deepcopy(dataset),
            **{name: value for name, value in options.items() if value is not None},
        )

    def _infos(self) -> list[dict]:
        """The data infos of the part."""
        raise NotImplementedError

    def _carved(self) -> tuple[list[dict], list[dict]]:
        """The data infos of the labelled images, and those of the others with their label files as ``seg_map_path``."""
        if not isinstance(self.dataset, BaseDataset):
            raise TypeError(
                f'{type(self).__name__} cannot carve {type(self.dataset).__name__}, which is no mmengine '
                'BaseDataset; put it around the data set inside'
            )
        self.dataset.full_init()
        infos = [self.dataset.get_data_info(n) for n in range(len(self.dataset))]
        if 'group' in self.dataset.metainfo and not any('group' in info for info in infos):
            raise ValueError(
                f"{type(self).__name__} divides images by their groups, and does not read those of metainfo's 'group'; "
                f"let the data set give them itself: 'group' in its data infos, or ImagesAndMasks with group=…"
            )
        labelled = carve([str(info.get('group', n)) for n, info in enumerate(infos)], self.fraction, self.seed)
        rest = [{**info, 'seg_map_path': self._label_file(n, info)} for n, info in enumerate(infos) if not labelled[n]]
        return [info for info, chosen in zip(infos, labelled) if chosen], rest

    def _label_file(self, number: int, info: dict) -> str:
        """The label file of an image. Its name contains the index, as images in different folders may share a name."""
        name = os.path.splitext(os.path.basename(info['img_path']))[0]
        return self.label_dir and os.path.join(self.label_dir, f'{number:06d}_{name}.png')  # type: ignore[return-value]

    def _show(self, infos: list[dict]) -> None:
        """Make ``infos`` the whole list of images of the wrapped data set."""
        self.dataset.data_list = infos
        if self.dataset.serialize_data:
            self.dataset.data_bytes, self.dataset.data_address = self.dataset._serialize_data()

    @property
    def metainfo(self) -> dict:
        """The meta information of the wrapped data set: classes, palette and more."""
        return self.dataset.metainfo

    def full_init(self) -> None:
        """Do nothing: the constructor has loaded the list of images."""

    def get_data_info(self, idx: int) -> dict:
        """The paths and the meta information of one image."""
        return self.dataset.get_data_info(idx)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, idx: int) -> Any:
        return self.dataset[idx]


@DATASETS.register_module()
class LabelledPart(CarvedPart):
    """The images that count as labelled, with their true masks.

    Args:
        dataset: As in :class:`CarvedPart`.
        fraction: As in :class:`CarvedPart`.
        seed: As in :class:`CarvedPart`.
    """

    def __init__(self, dataset: dict, fraction: float, seed: int = 0) -> None:
        super().__init__(dataset, fraction, seed, label_dir=None)

    def _infos(self) -> list[dict]:
        return self._carved()[0]


@DATASETS.register_module()
class UnlabelledPart(CarvedPart):
    """The images that count as unlabelled. Their ``seg_map_path`` is the label file that a teacher writes.

    A label file is an 8-bit PNG of the size of its image. It holds the class of each pixel, or the data set's
    ``ignore_index`` if the teacher is not confident. If the data set has ``reduce_zero_label``, the file holds the
    class plus 1. Without ``label_dir``, ``seg_map_path`` is ''.
    """

    def _infos(self) -> list[dict]:
        return self._carved()[1]


@DATASETS.register_module()
class PseudoLabelled(CarvedPart):
    """The labelled images with their true masks, then the unlabelled images with the label files in ``label_dir``.

    Without ``label_dir`` the data set lists the labelled images alone, and loading any of them fails: otherwise a
    student could train without the labels of its teacher.

    Raises:
        FileNotFoundError: ``label_dir`` lacks the label file of an image.
    """

    def _infos(self) -> list[dict]:
        labelled, rest = self._carved()
        if not self.label_dir:
            return labelled
        lost = [info['seg_map_path'] for info in rest if not os.path.isfile(info['seg_map_path'])]
        if lost:
            raise FileNotFoundError(
                f'{len(lost)} of {len(rest)} label files are missing in {self.label_dir}, the '
                f'first is {lost[0]}; write them with a teacher, with the same fraction and seed'
            )
        return labelled + [_as_written(info) for info in rest]

    def __getitem__(self, idx: int) -> Any:
        if not self.label_dir:
            raise RuntimeError(
                "PseudoLabelled has no label_dir: name the folder of the teacher's label files, or use "
                'LabelledPart to train on the labelled images alone'
            )
        return super().__getitem__(idx)


def _as_written(info: dict) -> dict:
    """A data info without ``label_map``, because a label file holds the classes after this mapping."""
    return {**info, 'label_map': None}
