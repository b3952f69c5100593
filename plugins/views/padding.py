"""Prepare a viewed image for the model: normalise it, and pad it at the bottom and at the right.

The steps:

1. The data preprocessor of the model normalises and pads. So ``data_preprocessor.test_cfg`` (``size_divisor`` or a
   fixed ``size``) holds for every view, as in plain mmsegmentation.
2. A view that keeps the size of the image or swaps its sides (identity, flips, rotations) gets no further padding. The
   model accepts such sizes in plain mmsegmentation, and the identity view stays equal to it bit for bit.
3. A view that changes the size may give sizes that the model does not accept. If the model has a ``size_divisor``, or a
   fixed ``size`` that the viewed image does not exceed, step 1 suffices. Otherwise both sides are padded to a multiple
   of 32, the stride of most backbones. Under ``mode='slide'`` they are also padded to at least ``crop_size``, so that
   each window has its full size.

The padding value is the preprocessor's ``pad_val``, after normalisation, as in ``SegDataPreProcessor``.
"""

from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.nn.functional import pad

STRIDE = 32


def model_input(model: nn.Module, viewed: Tensor, meta: dict, *, resized: bool) -> tuple[Tensor, dict]:
    """Normalise and pad one viewed image.

    Args:
        model: An mmseg segmentor.
        viewed: The raw image after a view, (C, h, w).
        meta: The meta information of the image, as the pipeline packed it.
        resized: Whether the view changed the size of the image; a swap of the sides does not count.

    Returns:
        The input of the model, float (1, C, h', w') with ``h' >= h`` and ``w' >= w``, with the image in its top left
        corner; and its meta information, in which ``img_shape`` is (h', w') and ``pad_shape`` is absent.
    """
    sample = SegDataSample(metainfo=dict(meta))
    inputs = model.data_preprocessor(dict(inputs=[viewed], data_samples=[sample]), False)['inputs']  # type: ignore[operator]
    if resized and not _size_is_declared(model, viewed.shape[-2:]):  # type: ignore[arg-type]
        inputs = _pad_to_stride(model, inputs)
    # Heads upsample to pad_shape or, without it, to img_shape, which sliding inference overwrites for each window. Some
    # heads read only one of the two. The size of the tensor in img_shape, without pad_shape, is right for all heads.
    meta = {**meta, 'img_shape': tuple(inputs.shape[-2:])}
    meta.pop('pad_shape', None)
    return inputs, meta


def _size_is_declared(model: nn.Module, size: tuple[int, int]) -> bool:
    declared = getattr(model.data_preprocessor, 'test_cfg', None) or {}
    fixed = declared.get('size')
    fits = fixed is not None and size[0] <= fixed[-2] and size[1] <= fixed[-1]
    return declared.get('size_divisor') is not None or fits


def _pad_to_stride(model: nn.Module, inputs: Tensor) -> Tensor:
    least = model.test_cfg.crop_size if model.test_cfg.get('mode', 'whole') == 'slide' else (1, 1)  # type: ignore[operator, union-attr]
    height, width = (-(-max(side, low) // STRIDE) * STRIDE for side, low in zip(inputs.shape[-2:], least))  # type: ignore[arg-type]
    missing = (0, width - inputs.shape[-1], 0, height - inputs.shape[-2])
    return pad(inputs, missing, value=getattr(model.data_preprocessor, 'pad_val', 0))
