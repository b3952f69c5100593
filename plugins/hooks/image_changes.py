"""The image of a test pipeline, so that a refinement sees the same image as the network.

The image is loaded by the pipeline's own loading transform: another loader may keep 16 bits, leave a photograph as the
camera stored it, or read a format of its own. The loader is the first transform that derives from
``LoadImageFromFile`` or is called ``Load…Image…``; where there is none, it is the pipeline's first transform.

A transform that changes the values of pixels but not their positions (noise, blur, compression) has the class attribute
``changes_image_file = True``: the test behaves as if another image file were on disk. Such transforms are searched
directly in the ``pipeline`` of a data set and of the data sets that it wraps.
"""

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform, LoadAnnotations, LoadImageFromFile
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS, TRANSFORMS

from plugins.hooks.eight_bits import eight_bit_rgb

DEFAULT_LOADER = dict(type='LoadImageFromFile')
MASKS = ('Annotation', 'Mask', 'Label', 'SegMap')  # in the names of transforms that load masks


def image_changes(dataset: Any) -> list[Mapping]:
    """Configs of the transforms of a data set that load and change the image.

    Args:
        dataset: Config of a data set. Wrapped data sets are its ``dataset`` or the list ``datasets``.

    Returns:
        First the config of the loading transform, then those of the changing transforms in their order.

    Raises:
        ValueError: The members of a joined data set load or change their images differently. The path of a file does
            not tell to which member the file belongs.
    """
    loader, changes = _image_steps(dataset)
    return [loader or DEFAULT_LOADER, *changes]


def _image_steps(dataset: Any) -> tuple[Mapping | None, list[Mapping]]:
    """The transform that loads the image of a data set, and those that change it."""
    if not isinstance(dataset, Mapping):
        return None, []
    inner = [_image_steps(member) for member in [dataset.get('dataset'), *(dataset.get('datasets') or [])] if member]
    if any(other != inner[0] for other in inner):
        raise ValueError(
            f'a refinement looks at the image, but the data sets joined by {dataset.get("type")} load or change their '
            f'images differently ({inner}); give all of them the same transforms, or test them one by one.'
        )
    loader, changes = inner[0] if inner else (None, [])
    steps = dataset.get('pipeline') or []
    own = [step for step in steps if _changes_image(step)]
    return loader or _loader(steps), [*changes, *own]


def _loader(steps: Sequence[Any]) -> Mapping | None:
    named = next(filter(_loads_image, steps), None)
    return named or next((step for step in steps if not _is_something_else(step)), None)


def _class_of(transform: Any) -> Any:
    kind = transform.get('type') if isinstance(transform, Mapping) else None
    return kind if inspect.isclass(kind) else TRANSFORMS.get(kind) if kind else None


def _changes_image(transform: Any) -> bool:
    return getattr(_class_of(transform), 'changes_image_file', False)


def _loads_image(transform: Any) -> bool:
    cls = _class_of(transform)
    name = getattr(cls, '__name__', '')
    return inspect.isclass(cls) and issubclass(cls, LoadImageFromFile) or (name.startswith('Load') and 'Image' in name)


def _is_something_else(transform: Any) -> bool:
    """Whether a pipeline's first transform may be this one, although another one loads the image."""
    cls = _class_of(transform)
    name = getattr(cls, '__name__', '')
    loads_mask = inspect.isclass(cls) and issubclass(cls, LoadAnnotations) or any(word in name for word in MASKS)
    return loads_mask or name.startswith('Pack') or _changes_image(transform)


def changed_image(info: Mapping, changes: Sequence[BaseTransform]) -> np.ndarray:
    """The image of a sample after the transforms, as the network's pipeline has it.

    Args:
        info: The sample's data info, with ``img_path``.
        changes: Transforms built from the configs of :func:`image_changes`: first the transform that loads the file,
            then those that change ``img``.

    Returns:
        (H, W) or (H, W, C), of any type.

    Raises:
        ValueError: The loader gives no image, or a change gives another type or shape.
    """
    results = changes[0](dict(info))
    if results is None or results.get('img') is None:
        raise ValueError(
            f'{type(changes[0]).__name__}, the first transform of the test pipeline, loads no image (img); call the '
            f'one that loads it Load…Image…, or derive it from LoadImageFromFile'
        )
    image = results['img']
    for change in changes[1:]:
        results = change(results)
        if results['img'].dtype != image.dtype or results['img'].shape != image.shape:
            raise ValueError(
                f'{type(change).__name__} says that it changes the image file, but gives '
                f'{results["img"].dtype} {results["img"].shape} for {image.dtype} {image.shape}; only the values '
                'of pixels may change, not type or size.'
            )
    return results['img']


class SeenImages:
    """Reads test images as the network sees them, in the colours that refinements take.

    Nothing is built or listed before the first image is read.

    Args:
        dataset: Config of the test data set; None stands for files that ``LoadImageFromFile`` reads.
        infos: Gives the data info of an image by its path, for loaders that read more than ``img_path``; None gives the
            path alone.
    """

    def __init__(self, dataset: Any = None, infos: Callable[[str], Mapping] | None = None) -> None:
        self.dataset = dataset
        self.infos = infos or _path_alone

    @cached_property
    def steps(self) -> list[BaseTransform]:
        """The transforms that load and change an image.

        Raises:
            ValueError: As :func:`image_changes`.
        """
        return [TRANSFORMS.build(copy.deepcopy(step)) for step in image_changes(self.dataset)]

    def read(self, img_path: str) -> np.ndarray:
        """The image, RGB uint8 (H, W, 3), by the rule of :mod:`plugins.hooks.eight_bits`.

        Raises:
            ValueError: As :func:`changed_image`, or the rule makes no colours of the image.
        """
        return self._colours(changed_image(self.infos(img_path), self.steps))

    def check(self) -> None:
        """Refuse a data set whose first image has no colours. An image that cannot be loaded is left to other checks.

        Raises:
            ValueError: As :meth:`read`.
        """
        image = None
        steps = self.steps
        with suppress(Exception), DefaultScope.overwrite_default_scope('mmseg'):
            image = changed_image(DATASETS.build(copy.deepcopy(self.dataset)).get_data_info(0), steps)
        if image is not None:
            self._colours(image)

    def _colours(self, image: np.ndarray) -> np.ndarray:
        return eight_bit_rgb(image, type(self.steps[0]).__name__)


class InfosByPath:
    """The data infos of a data set by the path of their image, listed when the first one is asked for.

    Args:
        dataset: Gives a data set with ``get_data_info(index)``, or a wrapper of one.
    """

    def __init__(self, dataset: Callable[[], Any]) -> None:
        self._dataset = dataset

    @cached_property
    def dataset(self) -> Any:
        """The data set."""
        return self._dataset()

    @cached_property
    def _index(self) -> dict[str, int]:
        numbers = range(len(self.dataset) if hasattr(self.dataset, 'get_data_info') else 0)
        return {self.dataset.get_data_info(number).get('img_path'): number for number in numbers}

    def __call__(self, img_path: str) -> Mapping:
        """The data info of an image; its path alone where the data set does not list it."""
        number = self._index.get(img_path)
        return _path_alone(img_path) if number is None else self.dataset.get_data_info(number)


def _path_alone(img_path: str) -> Mapping:
    return dict(img_path=img_path)
