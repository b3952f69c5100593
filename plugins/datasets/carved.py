"""Parts of a training split: the images whose masks may be used, and the rest, which counts as unlabelled.

For experiments on few labels, and for pseudo-labels (Lee 2013, "Pseudo-Label: The Simple and Efficient Semi-Supervised
Learning Method for Deep Neural Networks", ICML workshop): a teacher learns from :class:`LabelledPart`, writes a label
file for each image of :class:`UnlabelledPart`, and a student learns from :class:`PseudoLabelled`, which is both. The
three carve alike for the same ``dataset``, ``fraction`` and ``seed``; no true mask of the other images is ever read.

    train_dataloader = dict(dataset=dict(type='LabelledPart', fraction=0.5, dataset=dict(type='ADE20KDataset', ...)))
"""

import copy
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmseg.registry import DATASETS


def carve(groups: Sequence[str], fraction: float, seed: int) -> np.ndarray:
    """Chooses whole groups at random until as near as possible to ``fraction`` of the images are chosen.

    Groups are numbered in the order of their first image and dealt by ``seed``, so neither names nor paths matter.

    Args:
        groups: The group of each image; images of one group are not independent of each other (a patient, a scene).
        fraction: Share of the images to choose, above 0 and below 1.
        seed: Seed of the dealing.

    Returns:
        bool (N,), True for the chosen images; at least one group is chosen, and at least one is not.

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
    """A data set that shows a part of another one.

    Wrappers such as ``RepeatDataset`` and ``ConcatDataset`` are looked through: each data set inside is carved for
    itself, and the wrapper sees its part only.

    Args:
        dataset: Config of the data set to carve, derived from mmengine's ``BaseDataset``; groups are the ``group`` of
            its data infos, else each image is a group of its own.
        fraction: Share of the images that count as labelled.
        seed: Seed of the carving. It is no part of a run's seed: all runs see the same part.
        label_dir: Folder of the label files of the unlabelled images; '' while there is none, None where none is read.
    """

    def __init__(self, dataset: dict, fraction: float, seed: int = 0, label_dir: str | None = '') -> None:
        self.fraction, self.seed, self.label_dir = fraction, seed, label_dir
        inner = self._inside_wrapper(dataset)
        self.dataset = DATASETS.build(inner or dataset)
        if inner is None:
            self._show(self._infos())

    def _inside_wrapper(self, dataset: dict) -> dict | None:
        """The config of a wrapper with this part inside it; None for a data set that is no wrapper."""
        if 'dataset' in dataset:
            return {**copy.deepcopy(dict(dataset)), 'dataset': self._part_of(dataset['dataset'], self.label_dir)}
        if 'datasets' in dataset:  # label files of data sets with the same image names must not meet
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
        """The data infos of the labelled part; and of the rest, with ``seg_map_path`` where its label file belongs."""
        if not isinstance(self.dataset, BaseDataset):
            raise TypeError(
                f'{type(self).__name__} cannot carve {type(self.dataset).__name__}, which is no mmengine '
                'BaseDataset; put it around the data set inside'
            )
        self.dataset.full_init()
        infos = [self.dataset.get_data_info(n) for n in range(len(self.dataset))]
        labelled = carve([str(info.get('group', n)) for n, info in enumerate(infos)], self.fraction, self.seed)
        rest = [{**info, 'seg_map_path': self._label_file(n, info)} for n, info in enumerate(infos) if not labelled[n]]
        return [info for info, chosen in zip(infos, labelled) if chosen], rest

    def _label_file(self, number: int, info: dict) -> str:
        """Named by the image's place in the data set as well: two images may have one name in different folders."""
        name = os.path.splitext(os.path.basename(info['img_path']))[0]
        return self.label_dir and os.path.join(self.label_dir, f'{number:06d}_{name}.png')

    def _show(self, infos: list[dict]) -> None:
        """Makes ``infos`` the whole list of the wrapped data set, so that all who ask it find nothing else."""
        self.dataset.data_list = infos
        if self.dataset.serialize_data:
            self.dataset.data_bytes, self.dataset.data_address = self.dataset._serialize_data()

    @property
    def metainfo(self) -> dict:
        """Classes, palette and the rest, of the carved data set."""
        return self.dataset.metainfo

    def full_init(self) -> None:
        """Nothing is left to load: the list of images is carved when the part is built."""

    def get_data_info(self, idx: int) -> dict:
        """Paths and meta information of one image."""
        return self.dataset.get_data_info(idx)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, idx: int) -> Any:
        return self.dataset[idx]


@DATASETS.register_module()
class LabelledPart(CarvedPart):
    """The images that count as labelled, with their true masks.

    Args:
        dataset: As in :class:`CarvedPart`; likewise the others.
        fraction: See above.
        seed: See above.
    """

    def __init__(self, dataset: dict, fraction: float, seed: int = 0) -> None:
        super().__init__(dataset, fraction, seed, label_dir=None)

    def _infos(self) -> list[dict]:
        return self._carved()[0]


@DATASETS.register_module()
class UnlabelledPart(CarvedPart):
    """The images that count as unlabelled. Their ``seg_map_path`` is where a teacher writes its labels, '' without one.

    A label file is an 8-bit PNG of the size of its image: the class of each pixel, plus 1 where the data set's
    ``reduce_zero_label`` will take 1 off again, and 255 where the teacher is not sure.
    """

    def _infos(self) -> list[dict]:
        return self._carved()[1]


@DATASETS.register_module()
class PseudoLabelled(CarvedPart):
    """The labelled images with their true masks, then the unlabelled ones with the label files in ``label_dir``.

    Without a ``label_dir`` it lists the labelled images alone, and gives none of them: a student that trained without
    its teacher's labels would be none.

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
    """The label file holds the model's classes, which a data set's ``label_map`` has been applied to before."""
    return {**info, 'label_map': None}
