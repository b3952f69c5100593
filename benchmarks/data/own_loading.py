"""What a data set's own loading steps make of images and masks: a loader, or a transform that converts labels.

Files are read without torch, as mmseg's usual loaders read them. Where that finds a fault, and a pipeline has steps of
its own beside these loaders, these steps decide: they are run on every image and mask.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.data.dataset_configs import leaf_configs
from benchmarks.data.file_facts import FileFacts, FileStore, distinct
from benchmarks.data.split import Split, data_infos
from benchmarks.files import digest
from benchmarks.stacks.plugin_code import PluginCode

# Steps of mmcv and mmseg that change neither the meaning nor the reading of labels. Any other is run.
# fmt: off
NEUTRAL = frozenset((
    'AdjustGamma', 'Albu', 'CLAHE', 'CenterCrop', 'GenerateEdge', 'MultiScaleFlipAug', 'Normalize', 'PackSegInputs',
    'Pad', 'PhotoMetricDistortion', 'RGB2Gray', 'RandomApply', 'RandomChoice', 'RandomChoiceResize', 'RandomCrop',
    'RandomCutOut', 'RandomFlip', 'RandomGrayscale', 'RandomMosaic', 'RandomResize', 'RandomRotFlip',
    'RandomRotate', 'Rerange', 'Resize', 'ResizeShortestEdge', 'ResizeToMultiple', 'SegRescale', 'TestTimeAug',
))
# fmt: on
PLAIN = ('LoadImageFromFile', 'LoadAnnotations')  # what the reading of files imitates
TURNED = ('color', 'grayscale')  # types of colour with which a photograph is turned as its EXIF tag says


def own_steps(dataset_cfg: Mapping) -> list[Mapping]:
    """The steps of :func:`loading_steps`, if there are others among them than mmseg's usual ones.

    Args:
        dataset_cfg: The ``dataset`` of a dataloader.

    Returns:
        The steps; an empty list where mmseg's usual loaders stand alone.
    """
    steps = loading_steps(dataset_cfg)
    return steps if not all(map(_is_plain, steps)) else []


def loading_steps(dataset_cfg: Mapping) -> list[Mapping]:
    """The steps of a pipeline that load an image and its mask.

    Steps such as crops are left out. Those after the first crop that follows the loading of masks may augment, and are
    left out, too.

    Args:
        dataset_cfg: The ``dataset`` of a dataloader.
    """
    pipeline: Sequence[Mapping] = next(
        (leaf['pipeline'] for leaf in leaf_configs(dataset_cfg) if leaf.get('pipeline')), []
    )
    steps: list[Mapping] = []
    for step in pipeline:
        name = step_name(step)
        if name not in NEUTRAL:
            steps.append(step)
        elif any(step_name(earlier) != PLAIN[0] for earlier in steps):
            break
    return steps


def _is_plain(step: Mapping) -> bool:
    return step_name(step) in PLAIN and step.get('color_type', 'color') in TURNED


def step_name(step: Mapping) -> str:
    """The type of a step, without its registry's scope."""
    kind = step.get('type')
    return kind.rpartition('.')[2] if isinstance(kind, str) else getattr(kind, '__name__', '')


class LoadedMasks:
    """Facts of files in which labels and sizes come from a pipeline's own steps.

    Args:
        split: The split.
        dataset_cfg: The ``dataset`` of a dataloader.
        files: Facts of images; remembers those of loaded masks, too.
        imports: Modules that register the data set and the steps.
        code: Digests of the plugin modules, on which the steps depend.
    """

    def __init__(
        self, split: Split, dataset_cfg: Mapping, files: FileStore, imports: Iterable[str], code: PluginCode
    ) -> None:
        self._split, self._dataset_cfg, self._files, self._imports = split, dataset_cfg, files, tuple(imports)
        self._steps = own_steps(dataset_cfg)
        mapping = [split.reduce_zero_label, sorted((split.label_map or {}).items())]
        self._role = f'loaded {digest([self._steps, mapping, code.modules_reached(self._steps)])[:24]}'
        self._load: Any = None
        self._infos: dict[str, dict] = {}
        self._lock = threading.Lock()  # the steps need not stand several threads

    def images(self, paths: Sequence[str]) -> list[FileFacts | None]:
        """Facts of images, with the sizes that the steps load; those of the file where the steps load none."""
        loaded = self._files.facts(f'{self._role} size', paths, self._read_size)
        return [
            replace(file, height=own.height, width=own.width, problem=None) if file and own and own.height else file
            for file, own in zip(self._files.images(paths), loaded)
        ]

    def masks(self, paths: Sequence[str]) -> list[FileFacts | None]:
        """Facts of masks, as the steps load them."""
        return self._files.facts(self._role, paths, self._read)

    def split(self) -> Split:
        """The split whose labels are those of :meth:`masks`, already mapped."""
        return replace(self._split, reduce_zero_label=False, label_map=None, mask_backend='')

    def _read_size(self, path: str) -> FileFacts:
        with self._lock:
            if self._load is None:
                self._prepare()
            try:
                height, width = self._load(dict(self._infos[path], seg_fields=[]))['img'].shape[:2]
            except Exception:  # the facts of the mask say it
                return FileFacts('')
        return FileFacts('', height, width)

    def _read(self, path: str) -> FileFacts:
        with self._lock:
            if self._load is None:
                self._prepare()
            try:
                mask = self._load(dict(self._infos[path], seg_fields=[]))['gt_seg_map']
            except Exception as error:
                return FileFacts('', problem=f'cannot be loaded by the pipeline ({type(error).__name__}: {error})')
        if mask.ndim != 2:
            return FileFacts('', problem=f'is loaded with the shape {mask.shape} instead of height×width')
        labels, counts = distinct(mask)
        height, width = mask.shape
        bits = 8 * mask.itemsize
        return FileFacts('', height, width, labels=labels, counts=counts, channels=1, bits=bits)

    def _prepare(self) -> None:
        infos = data_infos(self._split.name, self._dataset_cfg, self._imports)
        from mmcv.transforms import Compose
        from mmengine.registry import DefaultScope

        with DefaultScope.overwrite_default_scope('mmseg'):
            self._load = Compose(self._steps)
        self._infos = {info[key]: info for info in infos for key in ('img_path', 'seg_map_path') if info.get(key)}
