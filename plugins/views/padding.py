"""From a viewed image to the tensor that the model takes: normalised, and padded at the bottom and the right.

The rule, in this order:

1. The model's own data preprocessor normalises and pads, so ``data_preprocessor.test_cfg`` (``size_divisor`` or a
   fixed ``size``) holds for every view as it does for plain mmsegmentation.
2. Nothing is added for a view that keeps the image's size or only swaps its sides (identity, flips, rotations): what
   the model accepted in plain mmsegmentation it accepts here, and the identity stays equal to it bit for bit.
3. A view that changes the size gives sizes that the model was not set up for. Where the model declares a
   ``size_divisor``, or a fixed ``size`` into which the viewed image fits, step 1 was all. Otherwise both sides are
   padded to a multiple of 32, the stride of most backbones, and under ``mode='slide'`` to ``crop_size`` at least, so
   that every window is as large as the model expects.

Padding uses the preprocessor's ``pad_val`` after normalisation, as ``SegDataPreProcessor`` does.
"""

from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.nn.functional import pad

STRIDE = 32


def model_input(model: nn.Module, viewed: Tensor, meta: dict, *, resized: bool) -> tuple[Tensor, dict]:
    """Normalise and pad one viewed image.

    Args:
        model: an mmseg segmentor.
        viewed: the raw image after a view, (C, h, w).
        meta: the image's meta information, as the pipeline packed it.
        resized: whether the view changed the image's size (a swap of the sides is no change).

    Returns:
        The model's input, float (1, C, h', w') with ``h' >= h`` and ``w' >= w``, the image in its top left corner; and
        its meta information, in which ``img_shape`` is (h', w') and ``pad_shape`` is absent.
    """
    sample = SegDataSample(metainfo=dict(meta))
    inputs = model.data_preprocessor(dict(inputs=[viewed], data_samples=[sample]), False)['inputs']
    if resized and not _size_is_declared(model, viewed.shape[-2:]):
        inputs = _pad_to_stride(model, inputs)
    # Heads upsample to pad_shape if there is one, else to img_shape, which a sliding window overwrites; some read only
    # the one or the other. The tensor's own size in img_shape alone is right for all of them.
    meta = {**meta, 'img_shape': tuple(inputs.shape[-2:])}
    meta.pop('pad_shape', None)
    return inputs, meta


def _size_is_declared(model: nn.Module, size: tuple[int, int]) -> bool:
    declared = getattr(model.data_preprocessor, 'test_cfg', None) or {}
    fixed = declared.get('size')
    fits = fixed is not None and size[0] <= fixed[-2] and size[1] <= fixed[-1]
    return declared.get('size_divisor') is not None or fits


def _pad_to_stride(model: nn.Module, inputs: Tensor) -> Tensor:
    least = model.test_cfg.crop_size if model.test_cfg.get('mode', 'whole') == 'slide' else (1, 1)
    height, width = (-(-max(side, low) // STRIDE) * STRIDE for side, low in zip(inputs.shape[-2:], least))
    missing = (0, width - inputs.shape[-1], 0, height - inputs.shape[-2])
    return pad(inputs, missing, value=getattr(model.data_preprocessor, 'pad_val', 0))
