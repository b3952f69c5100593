"""How many pixels of an image enter the network in training: measured, because any transform may change it."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

IMAGES = 8
# A size that is drawn for each batch: the mean of 150 draws is within some percent of the true one.
DRAWS, FIRST_DRAWS = 150, 12


@dataclass(frozen=True)
class Inputs:
    """What decides the size of inputs, and the images to measure it on; it can be sent to another process.

    Args:
        dataset: The config of the training data set, before it is paired.
        preprocessor: The config of the data preprocessor.
        images: The number of training images.
    """

    dataset: dict
    preprocessor: dict
    images: int


def input_pixels(inputs: Inputs) -> float | None:
    """The mean number of pixels of an image as it enters the network; None if images cannot be loaded so.

    Some images go through the pipeline, and then one by one through the preprocessor: a few times, or many times if the
    sizes vary.
    """
    from mmengine.registry import DefaultScope
    from mmengine.runner import set_random_seed
    from mmseg.registry import DATASETS, MODELS

    set_random_seed(0)
    try:
        with DefaultScope.overwrite_default_scope('mmseg'):
            dataset = DATASETS.build(copy.deepcopy(inputs.dataset))
            preprocessor = MODELS.build(copy.deepcopy(inputs.preprocessor))
        number = min(IMAGES, inputs.images)
        samples = [dataset[index * inputs.images // number] for index in range(number)]
        return _mean(lambda draw: _pixels(samples[draw % number], preprocessor))
    except Exception:  # a fault of the pipeline is told by the trials; here it means that nothing is known
        return None


def _mean(pixels: Callable[[int], int]) -> float:
    seen: list[int] = []
    while len(seen) < DRAWS and not (len(seen) == FIRST_DRAWS and len(set(seen)) == 1):
        seen.append(pixels(len(seen)))
    return sum(seen) / len(seen)


def _pixels(sample: dict, preprocessor: Any) -> int:
    data = dict(inputs=[sample['inputs']], data_samples=[copy.deepcopy(sample['data_samples'])])
    height, width = preprocessor(data, training=True)['inputs'].shape[-2:]
    return height * width
