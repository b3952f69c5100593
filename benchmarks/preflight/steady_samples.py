"""Does a test pipeline load each image and its truth as the files have them, and the same ones each time?

Each step runs several times on the same sample. A step that draws at random gives another test in each run. A step that
moves the truth together with the image (a turn, a cut) spoils the scores, because predictions are scored on the image
as the file has it. No step is known by its name: their results are compared.

    legal: the truth alone changes          labels are converted, a border becomes a class
           the image alone changes          noise, other colours
           each label becomes one other     whatever happens to the image
           the image is resized or flipped  before the truth is loaded: predictions are resized and flipped back
           pixels become void               whatever happens to the image
"""

# H×W pixels
import copy
import pickle
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.data.split import nested
from benchmarks.errors import BadInput

TELLING_IMAGES = 2  # images whose truth holds several labels: a uniform one looks the same when it is turned
MOST_IMAGES = 10
LEVELS = 256
DRAWS_OF_RANDOM_STEPS = 32  # of a step that has drawn from a global generator, until two results differ


def refuse_unsteady(dataset: Any, place: str) -> None:
    """Load some images, and refuse a pipeline with a step that draws at random or moves the truth.

    A transform with ``changes_image_file = True`` stands for another image file, so its image may be a random one.

    Args:
        dataset: A built test data set. Its pipelines are watched from now on.
        place: The pipeline's name in messages.

    Raises:
        BadInput: Names each such step, or an image that cannot be loaded.
    """
    void = {int(getattr(part, 'ignore_index', 255)) for part in nested(dataset)}
    faults: dict[str, None] = {}
    steps = [step for part in nested(dataset) for step in _watch(part, void, faults)]
    telling = 0
    for index in range(min(MOST_IMAGES, len(dataset))):
        try:
            dataset[index]
        except Exception as error:
            raise BadInput(f'{place} cannot load test image {index}: {type(error).__name__}: {error}') from error
        telling += any(step.labels > 1 for step in steps)
        if telling == TELLING_IMAGES or not steps:
            break
    if faults:
        raise BadInput(*(f'{place} {fault}' for fault in faults))


def _watch(dataset: Any, void: set[int], faults: dict[str, None]) -> list['_Watched']:
    transforms = getattr(getattr(dataset, 'pipeline', None), 'transforms', None)
    if not isinstance(transforms, list):
        return []
    transforms[:] = [_Watched(step, number, void, faults) for number, step in enumerate(transforms)]
    return transforms


class _Watched:
    """A step of a pipeline whose results are compared.

    Args:
        step: The transform.
        number: Its place in the pipeline, from 0.
        void: The labels of void pixels.
        faults: Takes the faults that are seen.
    """

    def __init__(self, step: Any, number: int, void: set[int], faults: dict[str, None]) -> None:
        self.step, self.void, self.faults = step, void, faults
        self.name = f"has the step {number} '{type(step).__name__}'"
        self.labels = 0  # in the truth that the step gave last

    def __call__(self, results: dict) -> Any:
        before, states = copy.deepcopy(results), _random_states()
        after = self.step(results)
        draws = DRAWS_OF_RANDOM_STEPS if states != _random_states() else 1
        image, truth = _image(after), _truth(after)
        self.labels = 0 if truth is None else len(np.unique(truth))
        if self._varies(before, image, truth, draws):
            self.faults[
                f'{self.name}, which draws at random: each run would test on other images or another truth. Take it '
                f'out of test_dataloader.dataset.pipeline; a transform that stands for other image files (noise, blur) '
                f'has the class attribute changes_image_file = True'
            ] = None
        elif not _same(_image(before), image) and _moved(_truth(before), truth, self.void):
            self.faults[
                f'{self.name}, which moves the truth together with the image, but predictions are scored on the image '
                f'as its file has it. Take the step out of test_dataloader.dataset.pipeline'
            ] = None
        elif _truth(before) is None and not _same(_image(before), image) and _is_moved(self.step, before):
            self.faults[
                f'{self.name}, which cuts, pads or turns the image before its truth is loaded, but predictions are '
                f'only resized to the image as its file has it. Take the step out of test_dataloader.dataset.pipeline; '
                f'model.data_preprocessor pads with test_cfg=dict(size_divisor=32)'
            ] = None
        return after

    def _varies(self, before: dict, image: Any, truth: Any, draws: int) -> bool:
        """Whether another draw from the same sample gives another truth, or another image without saying so."""
        says_so = getattr(self.step, 'changes_image_file', False)
        for _ in range(draws):
            again = self.step(copy.deepcopy(before))
            if not _same(truth, _truth(again)) or not (says_so or _same(image, _image(again))):
                return True
        return False


def _moved(before: np.ndarray | None, after: np.ndarray | None, void: set[int]) -> bool:
    """Whether pixels (H, W) of one label have got several; void ones do not count, nor do maps of other sizes."""
    if before is None or after is None or before.shape != after.shape:
        return False
    valid = ~np.isin(after, [*void])
    return any(len(np.unique(after[valid & (before == label)])) > 1 for label in np.unique(before))


def _is_moved(step: Any, before: dict) -> bool:
    """Whether pixels leave their relative places in an image (H, W, …) whose truth is not loaded yet.

    Maps of the rows and of the columns take the place of the truth. They move with the image as truth does. A resized
    image and a flipped one are no fault: predictions are resized and flipped back.
    """
    shape = before['img'].shape[:2] if isinstance(before.get('img'), np.ndarray) else None
    if shape is None:
        return False
    for axis in (0, 1):
        sample = {**copy.deepcopy(before), 'gt_seg_map': _places(shape, axis)}
        sample['seg_fields'] = [*sample.get('seg_fields', []), 'gt_seg_map']
        try:
            after = step(sample)
            places = after['gt_seg_map'].astype(float)
        except Exception:
            return False  # the step knows no truth, or needs more than an image
        if after.get('flip'):
            places = np.flip(places, 1 if after.get('flip_direction') == 'horizontal' else 0)
        half_a_pixel = LEVELS / shape[axis] / 2  # what resizing to the nearest pixel loses on average
        if np.abs(places - _places(places.shape, axis)).mean() > half_a_pixel + 2:
            return True
    return False


def _places(shape: Sequence[int], axis: int) -> np.ndarray:
    """The place of each pixel along an axis, in 256 levels; uint8 (H, W)."""
    line = np.arange(shape[axis]) * LEVELS // shape[axis]
    return np.broadcast_to(line[:, None] if axis == 0 else line, shape).astype(np.uint8)


def _image(results: Any) -> np.ndarray | None:
    """The image of a sample; of a packed one its inputs."""
    return _array(results.get('img', results.get('inputs'))) if isinstance(results, dict) else None


def _truth(results: Any) -> np.ndarray | None:
    """The truth (H, W) of a sample, packed or not."""
    if not isinstance(results, dict):
        return None
    packed = results.get('data_samples')
    if packed is not None and 'gt_sem_seg' in packed:
        truth = packed.gt_sem_seg.data
        return _array(truth[0] if truth.ndim == 3 else truth)
    return _array(results.get('gt_seg_map'))


def _array(value: Any) -> np.ndarray | None:
    if isinstance(value, torch.Tensor):
        return value.numpy()
    return value if isinstance(value, np.ndarray) else None


def _same(first: np.ndarray | None, second: np.ndarray | None) -> bool:
    if first is None or second is None:
        return first is second
    return np.array_equal(first, second)


def _random_states() -> bytes:
    """The states of the global generators from which transforms draw."""
    return pickle.dumps((random.getstate(), np.random.get_state(), torch.get_rng_state().numpy()))
