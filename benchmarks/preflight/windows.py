"""Does ``model.test_cfg`` make sense? mmseg looks at it only when it predicts, and says little when it fails."""

from collections.abc import Mapping
from typing import Any

from benchmarks.errors import BadInput, did_you_mean

MODES = ('whole', 'slide')
SIDES = ('height', 'width')


def check_windows(model: Mapping[str, Any]) -> None:
    """Refuse an unknown mode of inference, and sliding windows that cannot be laid out or leave gaps.

    Models that predict in a way of their own are left alone.

    Args:
        model: The key ``model`` of a config.

    Raises:
        BadInput: Names the key of ``model.test_cfg`` and its cure.
    """
    from mmseg.models.segmentors import EncoderDecoder
    from mmseg.registry import MODELS

    cls = MODELS.get(model['type']) if isinstance(model.get('type'), str) else model.get('type')
    given = model.get('test_cfg') or {}
    if not given or getattr(cls, 'inference', None) is not EncoderDecoder.inference:
        return
    mode = given.get('mode', 'whole')
    if mode not in MODES:
        raise BadInput(f"'model.test_cfg.mode' is {mode!r}{did_you_mean(str(mode), MODES)}")
    if mode == 'slide':
        _check_slide(given)


def _check_slide(given: Mapping[str, Any]) -> None:
    for key in ('crop_size', 'stride'):
        value = given.get(key)
        if not _is_pair(value):
            of = 'a window' if key == 'crop_size' else 'the step to the next window'
            raise BadInput(
                f"'model.test_cfg.{key}' is {value!r}, and mode='slide' needs the height and width of {of} in pixels, "
                f'such as {key}=(64, 64)'
            )
    for side, window, step in zip(SIDES, given['crop_size'], given['stride']):
        if step > window:
            raise BadInput(
                f"'model.test_cfg.stride' is {tuple(given['stride'])}, and windows have a {side} of {window}: pixels "
                f'between them would never be predicted; give a stride of {window} at most'
            )


def _is_pair(value: Any) -> bool:
    pair = isinstance(value, (list, tuple)) and len(value) == 2
    return pair and all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in value)
