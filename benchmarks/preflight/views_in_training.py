"""Which test-time views does the training show already? Measured: no transform and no view is known by name.

A small picture without symmetry goes through the transforms of the training one by one. Those that only move its pixels
(mirror, turn) are drawn many times in a row, and give the orientations that the training shows. Those that resize it
give the scales. A view is shown if it makes one of these orientations at one of these scales.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.stacks.tree import mappings

SIDE, DRAWS = 64, 64
CLOSE = 12  # of 255 grey levels: what resizing in different ways may differ by, in a picture without edges

Picture = np.ndarray  # uint8 (H, W, 3)


@dataclass(frozen=True)
class Shown:
    """What to compare; it can be sent to another process.

    Args:
        views: The views by name.
        train: The config of the training data set.
        test: The config of the test data set.
    """

    views: dict
    train: dict
    test: dict


def views_shown(shown: Shown) -> dict | None:
    """Whether the training shows each view that changes the picture, and by which transforms.

    Returns:
        ``views``: for each such view, whether it is shown. ``by``: the types of the transforms that move or resize.
        None if a view does not work on a small picture.
    """
    try:
        return _compared(shown)
    except Exception:  # the trials tell of views that do not work; here it means that nothing is known
        return None


def _compared(shown: Shown) -> dict:
    from mmengine.registry import DefaultScope
    from mmengine.runner import set_random_seed
    from mmseg.registry import TRANSFORMS

    set_random_seed(0)
    with DefaultScope.overwrite_default_scope('mmseg'):
        train, test = (list(_working_steps(config, TRANSFORMS.build)) for config in (shown.train, shown.test))
        views = {name: TRANSFORMS.build(copy.deepcopy(view)) for name, view in shown.views.items()}
    moving = [step for step in train if _all(step, _only_moved)]
    resizing = [step for step in train if _all(step, _resized)]
    orientations = {drawn.tobytes(): drawn for drawn in _drawn(moving)}
    tested = next(_drawn([step for step in test if _all(step, _resized)])).shape[0]
    sides = [drawn.shape[0] / tested for drawn in _drawn(resizing)]
    found = {name: _is_shown(view, list(orientations.values()), sides) for name, view in views.items()}
    by = [type(step).__name__ for step in (*moving, *resizing)]
    return dict(views={name: is_shown for name, is_shown in found.items() if is_shown is not None}, by=by)


def picture() -> Picture:
    """A smooth picture in which every pixel has a colour of its own."""
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.uint8)
    return np.stack([4 * columns, 4 * rows, columns // 2 + 3 * (rows // 2)], axis=-1)


def _working_steps(dataset: dict, build: Callable[[dict], Any]) -> Iterator[Callable[[dict], Any]]:
    """The transforms that change a loaded picture, in their order; those that load or pack are left out."""
    pipelines = [part['pipeline'] for part in mappings(dataset) if isinstance(part.get('pipeline'), (list, tuple))]
    for config in (step for pipeline in reversed(pipelines) for step in pipeline):
        try:
            step = build(copy.deepcopy(dict(config)))
            _apply(step, picture())
        except Exception:  # it reads files, or needs more than a picture and its mask
            continue
        yield step


def _apply(step: Callable[[dict], Any], before: Picture) -> Picture:
    size = before.shape[:2]
    results = dict(img=before.copy(), img_shape=size, ori_shape=size, gt_seg_map=np.zeros(size, np.uint8))
    after = step(dict(results, seg_fields=['gt_seg_map'], img_path='', scale_factor=1.0))['img']
    if not isinstance(after, np.ndarray) or after.ndim != before.ndim:
        raise TypeError('no picture')
    return after


def _drawn(steps: Sequence[Callable[[dict], Any]]) -> Iterator[Picture]:
    """The picture after all steps, drawn many times."""
    for _ in range(DRAWS):
        drawn = picture()
        for step in steps:
            drawn = _apply(step, drawn)
        yield drawn


def _all(step: Callable[[dict], Any], kind: Callable[[Picture], bool]) -> bool:
    """Whether a step does nothing else than ``kind``, and sometimes does it."""
    drawn = list(_drawn([step]))
    changed = [one for one in drawn if one.shape != (SIDE, SIDE, 3) or (one != picture()).any()]
    return bool(changed) and all(map(kind, changed))


def _only_moved(drawn: Picture) -> bool:
    def colours(of: Picture) -> np.ndarray:
        return np.sort(of.reshape(-1, 3).astype(np.int64) @ [1, 256, 65536])

    return drawn.shape == (SIDE, SIDE, 3) and bool((colours(drawn) == colours(picture())).all())


def _resized(drawn: Picture) -> bool:
    """Whether the size has changed, and the corners have not: a crop or a border would change them."""
    whole = picture()
    corners = [(0, 0), (0, -1), (-1, 0), (-1, -1)]
    return drawn.shape != whole.shape and all(
        np.abs(drawn[at].astype(int) - whole[at].astype(int)).max() <= CLOSE for at in corners
    )


def _is_shown(view: Any, orientations: Sequence[Picture], sides: Sequence[float]) -> bool | None:
    """Whether a view is among what the training shows; None for one that leaves the picture as it is."""
    import cv2
    import torch

    seen = view.forward(torch.from_numpy(picture().transpose(2, 0, 1).copy())).numpy().transpose(1, 2, 0)
    size, scale = seen.shape[:2], seen.shape[0] / SIDE
    if scale == 1 and (seen == picture()).all():
        return None
    known = [picture(), *orientations] if scale != 1 else orientations
    apart = [
        np.abs(cv2.resize(one, size[::-1], interpolation=cv2.INTER_LINEAR).astype(float) - seen).max() for one in known
    ]
    at_scale = scale == 1 or min(sides) <= scale <= max(sides)
    return bool(at_scale and min(apart, default=255.0) <= (CLOSE if scale != 1 else 0))
