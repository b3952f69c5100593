"""Random flips and photometric distortion of the training pipeline, done on the model's device.

A sample's random numbers are still drawn in the pipeline, where and in the order in which they always were, by whatever
seeds it; only the work on pixels moves. So the samples are not merely distributed as without the hook: they are the
same ones, however many processes load them, and in a resumed training as well.
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
# Of exactly these types: a subclass may do something else.
MOVABLE: dict[type, Callable] = {RandomFlip: draw_flip, PhotoMetricDistortion: draw_distortion}
# Label maps by their names in a sample, and in a pipeline.
FIELDS = dict(gt_sem_seg='gt_seg_map', gt_edge_map='gt_edge_map', gt_depth_map='gt_depth_map')


class _Drawing:
    """Takes the place of a transform in a pipeline: draws what it would do, and notes it down."""

    def __init__(self, original: RandomFlip | PhotoMetricDistortion) -> None:
        self.original = original

    def __call__(self, results: dict) -> dict:
        draw = MOVABLE[type(self.original)](self.original, results)
        return {**results, DRAWS: (*results.get(DRAWS, ()), draw)}

    def __repr__(self) -> str:
        return f'OnDevice({self.original})'


class _Packing:
    """Packs a sample together with what was drawn for it."""

    def __init__(self, original: PackSegInputs) -> None:
        self.original = original

    def __call__(self, results: dict) -> dict:
        packed = self.original(results)
        packed['data_samples'].set_metainfo({DRAWS: results.get(DRAWS, ())})
        return packed

    def __repr__(self) -> str:
        return repr(self.original)


def pipelines(dataset: Any) -> Iterator[list]:
    """The lists of transforms of a data set and of those that it wraps."""
    for inner in wrapped(dataset):
        yield from pipelines(inner)
    transforms = transforms_of(dataset)
    if transforms:
        yield transforms


def leave_to_device(transforms: list) -> int:
    """Let the last transforms of a pipeline, right before ``PackSegInputs``, only draw; how many do so now.

    In a pipeline that was changed before nothing is changed again.
    """
    if type(_own(transforms[-1])) is PackSegInputs:
        _replace(transforms, len(transforms) - 1, _Packing)
        for place in range(len(transforms) - 2, -1, -1):
            if type(_own(transforms[place])) not in MOVABLE:
                break
            _replace(transforms, place, _Drawing)
    return sum(isinstance(_own(transform), _Drawing) for transform in transforms)


def _own(transform: Any) -> Any:
    """The transform itself, where something stands around it that gives it a random stream of its own."""
    return getattr(transform, '__dict__', {}).get('transform', transform)


def _replace(transforms: list, place: int, make: Callable[[Any], Any]) -> None:
    around = transforms[place]
    if _own(around) is around:
        transforms[place] = make(around)
    else:
        around.transform = make(around.transform)


@HOOKS.register_module()
class DeviceAugmentationHook(Hook):
    """Do the RandomFlip and PhotoMetricDistortion that end the training pipeline on the model's device.

    What nothing but ``PackSegInputs`` follows is moved, with its parameters; wrapped data sets (repeated, joined,
    cached, paired) are looked through. A flip or distortion that something else follows stays where it is, because the
    order matters: a warning names it. The work is done on bytes before normalising and padding, as in the pipeline, and
    before hooks mix images. Flips, brightness and contrast give equal bytes; for saturation and hue see
    :func:`plugins.transforms.hsv.to_bgr`.

    It pays where loading is slower than the network and a GPU does the pixels. On a CPU it does not: torch takes ten
    times as long as OpenCV for a photometric distortion.

    Riba et al., Kornia: an Open Source Differentiable Computer Vision Library for PyTorch, WACV 2020.

    Attributes:
        acted: Images that were flipped or distorted; None where nothing trains.

    Raises:
        ValueError: When training begins, if nothing can be moved.
        RuntimeError: If the processes that load were started before training began.
    """

    priority = 'HIGH'  # before hooks that mix the images of a batch, after those that look at how it was loaded

    def __init__(self) -> None:
        self.acted: int | None = None

    def before_train(self, runner: Runner) -> None:
        """Leave to the device what can be; loaders start their processes after this."""
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

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict = None) -> None:
        """Do to the batch, ``inputs`` and ``data_samples``, what was drawn for each of its samples."""
        data_batch.update(segmentors(runner.model)[0].data_preprocessor.cast_data(data_batch))
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
            self.acted += any(draws)
        data_batch['inputs'] = torch.stack(images) if isinstance(data_batch['inputs'], Tensor) else images


def _augmented(image: Tensor, sample: SegDataSample, draws: Draws) -> Tensor:
    """The image (C, H, W) after all that was drawn; the sample's label maps follow in place."""
    for draw in filter(None, draws):
        image = draw.image(image)
        for name, field in FIELDS.items():
            if name in sample:
                sample.set_data({name: PixelData(data=draw.labels(sample.get(name).data, field))})
    return image


def _name(transform: Any) -> str:
    own = _own(transform)
    return type(getattr(own, 'original', own)).__name__
