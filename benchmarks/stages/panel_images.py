"""The images, truths and label maps that a report shows: those of a few test images, after a grid has run."""
# H×W pixels of the label maps; C×h×w the image as the pipeline packed it

import copy
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS

from benchmarks.data.panels import VOID, Panel, write_panels
from benchmarks.data.split import list_split
from benchmarks.probes.counts import class_counts, confusion
from benchmarks.stacks.imports import import_modules
from benchmarks.stages.chosen import with_chosen
from benchmarks.stages.contracts import ImageDataset, InferenceModel
from benchmarks.stages.maps import read_map
from benchmarks.stages.parents import weights
from benchmarks.stages.runner import build_runner, open_inference
from benchmarks.stages.scratch import scratch_folder
from benchmarks.stages.wanted_panels import Side, Wanted
from benchmarks.store.store import MAPS

LONGEST = 768  # pixels of the longer side of what is kept
DARKEST, BRIGHTEST = 0.5, 99.5  # percentiles of an image that has other values than 8 bits


def make_panels(wanted: Sequence[Wanted], out: Path) -> list[str]:
    """Write panels below an output folder.

    The labels are those of the stored maps, after the refinements of the stack. Where the maps were dropped, the
    network predicts again. A panel whose labels do not have the counts of the record is left out: it would show
    something else than the report tells.

    Args:
        wanted: The panels.
        out: The output folder.

    Returns:
        What was left out, and why.
    """
    complaints: list[str] = []
    with scratch_folder('panels_') as folder, torch.no_grad():
        made = list(_made(wanted, folder, complaints))
    written = write_panels(out, made)
    if written < len(made):
        complaints.append(f'{len(made) - written} panels exceed the space for label maps')
    return complaints


def _made(wanted: Sequence[Wanted], folder: Path, complaints: list[str]) -> Iterator[Panel]:
    tests: dict[str, _Test] = {}
    for one in wanted:
        for side in (one.stack, one.reference):
            if side.name not in tests:
                tests[side.name] = _Test(side, folder / f'{len(tests)}')
        sides = [tests[side.name] for side in (one.stack, one.reference)]
        stack, reference = (test.labels(one.facts['image']) for test in sides)
        truth = sides[0].truth(one.facts['image'])
        changed = [
            side.name
            for side, labels in ((one.stack, stack), (one.reference, reference))
            if areas(labels, truth, len(side.areas)) != [tuple(area) for area in side.areas]
        ]
        if changed:
            complaints.append(f'{one.facts["image"]} of {changed[0]} is predicted otherwise than it was recorded')
            continue
        step = -(-max(truth.shape) // LONGEST)
        picture = sides[0].picture(one.facts['image'])
        kept = [smaller(part, step) for part in (picture, truth, reference, stack)]
        yield Panel(dict(one.facts, step=step), *kept)


class _Test:
    """The test of a cell: its images, truths and labels by the names of the images."""

    def __init__(self, tested: Side, folder: Path) -> None:
        import_modules({}, tested.config)
        self.tested, self.folder = tested, folder
        self.config = with_chosen(tested.config, tested.parents)
        self.split = list_split('test', self.config['test_dataloader']['dataset'])
        self.index = {name: index for index, name in enumerate(self.split.names)}
        self.samples: dict[str, dict] = {}

    def labels(self, image: str) -> np.ndarray:
        """The labels that were scored, uint8 (H, W)."""
        predict, index = self.tested.parents['predict'], self.index[image]
        q = read_map(predict, index) if (predict / MAPS).is_dir() else None
        if q is not None and len(q) > 1 and not (self.config.get('inference') or {}).get('refine'):
            return q.argmax(axis=0).astype(np.uint8)  # needs no network
        sample = self._sample(image)
        if q is None:
            q = self.model.merged_maps(dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']]))[0]
        return self.model.refine(q, sample['data_samples'].img_path)

    def truth(self, image: str) -> np.ndarray:
        """The true classes, uint8 (H, W); ``VOID`` where the image is not scored."""
        labels = self._sample(image)['data_samples'].gt_sem_seg.data[0].numpy()
        return np.where(labels == self.split.ignore_index, VOID, labels).astype(np.uint8)

    def picture(self, image: str) -> np.ndarray:
        """The image as the network is given it, in 8 bits and in the size of the truth."""
        packed = self._sample(image)['inputs'].numpy()
        is_rgb = bool((self.config.get('model', {}).get('data_preprocessor') or {}).get('rgb_to_bgr'))
        return resized(eight_bits(packed, is_rgb=is_rgb), self.truth(image).shape)

    @cached_property
    def model(self) -> InferenceModel:
        """What predicts, refinements included."""
        return open_inference(build_runner(self.config, self.folder, weights(self.tested.parents)))

    @cached_property
    def _dataset(self) -> ImageDataset:
        with DefaultScope.overwrite_default_scope('mmseg'):
            return DATASETS.build(copy.deepcopy(self.config['test_dataloader']['dataset']))

    def _sample(self, image: str) -> dict:
        if image not in self.samples:
            self.samples[image] = self._dataset[self.index[image]]
        return self.samples[image]


def areas(labels: np.ndarray, truth: np.ndarray, num_classes: int) -> list[tuple[int, ...]]:
    """True positive, false positive and false negative pixels of each class; void pixels count nowhere."""
    counts = class_counts(confusion(labels, truth, num_classes, VOID))
    return [tuple(map(int, of_class)) for of_class in zip(*counts)]


def eight_bits(packed: np.ndarray, *, is_rgb: bool = False) -> np.ndarray:
    """An image as it can be shown.

    Three channels are a colour image, of which a grey one is made where all three are equal; of any other number of
    channels the first one is shown. Values other than 8 bits are stretched between two percentiles.

    Args:
        packed: (C, h, w), of any type.
        is_rgb: Whether the channels of a colour image come as RGB; mmcv loads them as BGR.

    Returns:
        uint8 (h, w) or (h, w, 3), RGB.
    """
    channels = packed if len(packed) == 3 else packed[:1]
    if channels.dtype != np.uint8:
        low, high = np.percentile(channels, (DARKEST, BRIGHTEST))
        spread = max(float(high) - float(low), np.finfo(np.float32).tiny)
        channels = np.rint(255 * np.clip((channels.astype(np.float64) - low) / spread, 0, 1)).astype(np.uint8)
    if len(channels) == 1 or (channels == channels[:1]).all():
        return channels[0]
    return np.ascontiguousarray((channels if is_rgb else channels[::-1]).transpose(1, 2, 0))


def resized(pixels: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """An image in another size, by the nearest pixels."""
    rows, columns = (
        np.minimum((np.arange(new) + 0.5) * old / new, old - 1).astype(np.int64) for old, new in zip(pixels.shape, size)
    )
    return pixels[rows][:, columns]


def smaller(pixels: np.ndarray, step: int) -> np.ndarray:
    """One of ``step`` rows and columns, those in the middle."""
    return np.ascontiguousarray(pixels[step // 2 :: step, step // 2 :: step])
