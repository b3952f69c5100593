"""Random flips and photometric distortion of the training pipeline, computed on the model's device.

The pipeline still draws the random numbers of a sample, in the same place and order and from the same random stream.
Only the work on pixels moves to the device. So the samples are the same as without the hook, not only samples of the
same distribution. This holds for any number of loader processes and for a resumed training.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.datasets.transforms import PackSegInputs, PhotoMetricDistortion, RandomFlip
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample
from torch import Tensor

from plugins.datasets.wrapped import transforms_of, wrapped
from plugins.hooks.segmentor_parts import segmentors
from plugins.transforms.drawn import DrawnDistortion, DrawnFlip, draw_distortion, draw_flip

Draws = tuple[DrawnFlip | DrawnDistortion, ...]
DRAWS = 'draws_for_the_device'
# Exactly these types; a subclass may do something else.
MOVABLE: dict[type, Callable] = {RandomFlip: draw_flip, PhotoMetricDistortion: draw_distortion}
# Label maps: name in a packed sample → name in a pipeline.
FIELDS = dict(gt_sem_seg='gt_seg_map', gt_edge_map='gt_edge_map', gt_depth_map='gt_depth_map')


class _Drawing:
    """Replaces a transform in a pipeline: draws its random numbers and adds them to the sample."""

    def __init__(self, original: RandomFlip | PhotoMetricDistortion) -> None:
        self.original = original

    def __call__(self, results: dict) -> dict:
        draw = MOVABLE[type(self.original)](self.original, results)
        return {**results, DRAWS: (*results.get(DRAWS, ()), draw)}

    def __repr__(self) -> str:
        return f'OnDevice({self.original})'


class _Packing:
    """Packs a sample together with the random numbers drawn for it."""

    def __init__(self, original: PackSegInputs) -> None:
        self.original = original

    def __call__(self, results: dict) -> dict:
        packed = self.original(results)
        packed['data_samples'].set_metainfo({DRAWS: results.get(DRAWS, ())})
        return packed

    def __repr__(self) -> str:
        return repr(self.original)


def pipelines(dataset: Any) -> Iterator[list]:
    """The lists of transforms of a data set and of the data sets that it wraps."""
    for inner in wrapped(dataset):
        yield from pipelines(inner)
    transforms = transforms_of(dataset)
    if transforms:
        yield transforms


def leave_to_device(transforms: list) -> int:
    """Let the movable transforms at the end of a pipeline, right before ``PackSegInputs``, only draw.

    A pipeline that is already changed is not changed again.

    Args:
        transforms: The pipeline; changed in place.

    Returns:
        How many transforms of the pipeline only draw now.
    """
    if type(_own(transforms[-1])) is PackSegInputs:
        _replace(transforms, len(transforms) - 1, _Packing)
        for place in range(len(transforms) - 2, -1, -1):
            if type(_own(transforms[place])) not in MOVABLE:
                break
            _replace(transforms, place, _Drawing)
    return sum(isinstance(_own(transform), _Drawing) for transform in transforms)


def _own(transform: Any) -> Any:
    """The transform inside a wrapper that gives it its own random stream; without a wrapper the transform itself."""
    return getattr(transform, '__dict__', {}).get('transform', transform)


def _replace(transforms: list, place: int, make: Callable[[Any], Any]) -> None:
    around = transforms[place]
    if _own(around) is around:
        transforms[place] = make(around)
    else:
        around.transform = make(around.transform)


@HOOKS.register_module()
class DeviceAugmentationHook(Hook):
    """Compute the RandomFlip and PhotoMetricDistortion at the end of the training pipeline on the model's device.

    The hook moves the transforms right before ``PackSegInputs``, with their parameters, also those of wrapped data sets
    (repeated, joined, cached, paired). A flip or distortion before another transform stays in the pipeline, because the
    order matters; a warning names it. As in the pipeline, the work is done on bytes, before images are normalised and
    padded, and before hooks mix images. Flips, brightness and contrast give equal bytes; for saturation and hue see
    :func:`plugins.transforms.hsv.to_bgr`.

    The hook pays if loading is slower than the network and a GPU computes the pixels. It does not pay on a CPU, where
    torch takes ten times as long as OpenCV for a photometric distortion.

    Riba et al., Kornia: an Open Source Differentiable Computer Vision Library for PyTorch, WACV 2020.

    Attributes:
        acted: The number of images that were flipped or distorted; None if nothing was trained.

    Raises:
        ValueError: No transform can be moved. Raised when training begins.
        RuntimeError: The loader processes were started before training began.
    """

    priority = 'HIGH'  # before the hooks that mix images of a batch, after the hooks that look at the loaded batch

    def __init__(self) -> None:
        self.acted: int | None = None

    def before_train(self, runner: Runner) -> None:
        """Change the pipelines. Loaders start their processes after this method."""
        self.acted = self.acted or 0
        found = list(pipelines(runner.train_dataloader.dataset))
        if not sum(map(leave_to_device, found)):
            names = '; '.join(', '.join(map(_name, transforms)) for transforms in found)
            raise ValueError(
                'DeviceAugmentationHook has nothing to do: no RandomFlip or PhotoMetricDistortion stands '
                f'right before PackSegInputs in the training pipeline ({names}). Put them there, or '
                'train without the hook.'
            )
        staying = [_name(one) for transforms in found for one in transforms if type(_own(one)) in MOVABLE]
        if staying:
            runner.logger.warning(f'{", ".join(staying)} stays in the training pipeline: other transforms follow.')

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict = None) -> None:  # type: ignore[assignment]
        """Apply to each sample of the batch (``inputs`` and ``data_samples``) the transforms drawn for it."""
        data_batch.update(segmentors(runner.model)[0].data_preprocessor.cast_data(data_batch))  # type: ignore[operator, union-attr]
        images = []
        for image, sample in zip(data_batch['inputs'], data_batch['data_samples']):
            if DRAWS not in sample:
                raise RuntimeError(
                    'A training sample does not say what is to be done with it: were the processes '
                    'that load started before DeviceAugmentationHook.before_train? Use num_workers=0, '
                    'or an mmengine that starts them with the first step.'
                )
            draws = sample.pop(DRAWS)
            images.append(_augmented(image, sample, draws))
            self.acted += any(draws)  # type: ignore[operator]
        data_batch['inputs'] = torch.stack(images) if isinstance(data_batch['inputs'], Tensor) else images


def _augmented(image: Tensor, sample: SegDataSample, draws: Draws) -> Tensor:
    """The image (C, H, W) after the drawn transforms; the label maps of the sample are changed in place."""
    for draw in filter(None, draws):
        image = draw.image(image)  # type: ignore[attr-defined]
        for name, field in FIELDS.items():
            if name in sample:
                sample.set_data({name: PixelData(data=draw.labels(sample.get(name).data, field))})  # type: ignore[attr-defined]
    return image


def _name(transform: Any) -> str:
    own = _own(transform)
    return type(getattr(own, 'original', own)).__name__
