"""Changes of the image by a test pipeline, so that a refinement sees the same image as the network.

A transform that changes the values of pixels but not their positions (noise, blur, compression) has the class attribute
``changes_image_file = True``: the test behaves as if another image file were on disk. Such transforms are searched
directly in the ``pipeline`` of a data set and of the data sets that it wraps. The image is decoded as the pipeline
decodes it, because the random numbers of a transform may depend on every pixel.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform, LoadImageFromFile
from mmseg.registry import TRANSFORMS


def image_changes(dataset: Any) -> list[Mapping]:
    """Configs of the transforms of a data set that load and change the image.

    Args:
        dataset: Config of a data set. Wrapped data sets are its ``dataset`` or the list ``datasets``.

    Returns:
        First the config of the loading transform, then those of the changing transforms in their order. Empty if no
        transform changes the image.

    Raises:
        ValueError: The members of a joined data set change their images differently. The path of a file does not tell
            to which member the file belongs.
    """
    loader, changes = _image_steps(dataset)
    return [loader or dict(type='LoadImageFromFile'), *changes] if changes else []


def _image_steps(dataset: Any) -> tuple[Mapping | None, list[Mapping]]:
    """The transform that loads the image of a data set, and those that change it."""
    if not isinstance(dataset, Mapping):
        return None, []
    inner = [_image_steps(member) for member in [dataset.get('dataset'), *(dataset.get('datasets') or [])] if member]
    loader, changes = inner[0] if inner else (None, [])
    if any(other[1] != changes or changes and other[0] != loader for other in inner):
        raise ValueError(
            f'The data sets joined by {dataset.get("type")} change their images differently '
            f'({inner}); give all of them the same transforms, or test them one by one.'
        )
    steps = dataset.get('pipeline') or []
    own = [step for step in steps if getattr(_class_of(step), 'changes_image_file', False)]
    return loader or next(filter(_loads_image, steps), None), [*changes, *own]


def _class_of(transform: Any) -> Any:
    kind = transform.get('type') if isinstance(transform, Mapping) else None
    return kind if inspect.isclass(kind) else TRANSFORMS.get(kind) if kind else None


def _loads_image(transform: Any) -> bool:
    cls = _class_of(transform)
    name = getattr(cls, '__name__', '')
    return inspect.isclass(cls) and issubclass(cls, LoadImageFromFile) or (name.startswith('Load') and 'Image' in name)


def changed_image(img_path: str, changes: Sequence[BaseTransform]) -> np.ndarray:
    """The image of a file after the transforms, RGB uint8 (H, W, 3).

    Args:
        img_path: Path of the image file.
        changes: Transforms built from the configs of :func:`image_changes`: first the transform that loads the file,
            then those that change ``img`` (BGR or grey). If empty, the file is decoded in colour.

    Raises:
        ValueError: A transform gives anything but uint8 of the same shape, or the image is neither grey nor BGR.
    """
    if not changes:
        return np.ascontiguousarray(mmcv.imread(img_path)[..., ::-1])
    results = changes[0](dict(img_path=img_path))
    image = results['img']
    for change in changes[1:]:
        results = change(results)
        if results['img'].dtype != np.uint8 or results['img'].shape != image.shape:
            raise ValueError(
                f'{type(change).__name__} says that it changes the image file, but gives '
                f'{results["img"].dtype} {results["img"].shape} for uint8 {image.shape}; only the values '
                'of pixels may change, not type or size.'
            )
    return np.ascontiguousarray(_bgr(results['img'])[..., ::-1])


def _bgr(image: np.ndarray) -> np.ndarray:
    """Three channels of an image: a grey image (H, W) or (H, W, 1) thrice, or the first three channels."""
    image = image[..., None] if image.ndim == 2 else image
    if image.shape[-1] not in (1, 3, 4):
        raise ValueError(
            f'a refinement looks at colours, but the pipeline loads an image of {image.shape[-1]} '
            'channels; load one, three or four'
        )
    return np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image[..., :3]
