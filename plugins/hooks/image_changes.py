"""What a test pipeline does to the image beyond loading it, so that a refinement sees the image that the network saw.

A transform that changes the pixels in place (noise, blur, compression; not their positions) says so by a class
attribute ``changes_image_file = True``: it stands for another image file than the one on disk. Such transforms are
looked for directly in a data set's ``pipeline`` and in those of the data sets that it wraps.
"""
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS


def image_changes(dataset: Any) -> list[Mapping]:
    """Configs of the transforms of a data set that change the image, in the order in which they run.

    Args:
        dataset: config of a data set; wrapped ones stand under ``dataset`` or, several, under ``datasets``.

    Raises:
        ValueError: when the members of a joined data set change their images differently: a file's path does not tell
            which member it belongs to.
    """
    if not isinstance(dataset, Mapping):
        return []
    inner = [image_changes(member) for member in [dataset.get('dataset'), *(dataset.get('datasets') or [])] if member]
    if any(changes != inner[0] for changes in inner):
        raise ValueError(f"The data sets joined by {dataset.get('type')} change their images differently "
                         f'({inner}); give all of them the same transforms, or test them one by one.')
    own = [transform for transform in dataset.get('pipeline') or [] if _changes_image_file(transform)]
    return [*(inner[0] if inner else []), *own]


def _changes_image_file(transform: Any) -> bool:
    kind = transform.get('type') if isinstance(transform, Mapping) else None
    cls = kind if inspect.isclass(kind) else TRANSFORMS.get(kind) if kind else None
    return getattr(cls, 'changes_image_file', False)


def changed_image(img_path: str, changes: Sequence[BaseTransform]) -> np.ndarray:
    """The image of a file after the transforms, RGB uint8 (H, W, 3).

    Args:
        img_path: the file.
        changes: transforms that get what ``LoadImageFromFile`` gives: ``img`` BGR uint8 and ``img_path``.

    Raises:
        ValueError: when a transform gives anything but uint8 of the same shape.
    """
    image = mmcv.imread(img_path)
    size = image.shape[:2]
    results = dict(img=image, img_path=img_path, img_shape=size, ori_shape=size)
    for change in changes:
        results = change(results)
        if results['img'].dtype != np.uint8 or results['img'].shape != image.shape:
            raise ValueError(f"{type(change).__name__} says that it changes the image file, but gives "
                             f"{results['img'].dtype} {results['img'].shape} for uint8 {image.shape}; only the values "
                             'of pixels may change, not type or size.')
    return np.ascontiguousarray(results['img'][..., ::-1])
