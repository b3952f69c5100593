"""The image that a refinement sees, made from the image that the network sees.

A refinement such as a CRF works with colours: RGB, 8 bits, three channels. A pipeline may load other images. This is
the rule by which colours are made of them. It uses nothing but the image itself, so the result is the same in every
stack and every run:

- **Channels.** One channel is repeated thrice. Three channels are BGR, mmcv's order, and become RGB. Of four channels
  the first three are taken as BGR (the fourth is opacity or infrared). Two, or five and more, are refused, because
  nothing says which of them are colours.
- **8 bits** stay as they are, byte by byte. So do floats that hold nothing but whole numbers from 0 to 255, as
  ``to_float32=True`` makes them.
- **Other values** (16 bits, floats) are scaled linearly, all channels alike. The value that 0.1 % of the values do not
  exceed becomes 0, and the one that 0.1 % reach becomes 255. Values beyond are cut off. The range is each image's own,
  as exposures differ from file to file; a share is left out because a single hot pixel would darken all others. An
  image of one value is black, and so are values that are not finite.
"""

import numpy as np

LEFT_OUT = 0.001  # the share of values beyond each end of the range
CHANNELS = (1, 3, 4)


def eight_bit_rgb(image: np.ndarray, source: str) -> np.ndarray:
    """The colours of an image, by the rule of this module.

    Args:
        image: What a pipeline loads: (H, W) or (H, W, C), three channels in BGR, numbers of any type.
        source: The name of the image or its loader in messages.

    Returns:
        uint8 RGB (H, W, 3), contiguous.

    Raises:
        ValueError: The image has two, or five and more channels, or another number of axes.
    """
    planes = image[..., None] if image.ndim == 2 else image
    if planes.ndim != 3 or planes.shape[-1] not in CHANNELS:
        shape = '×'.join(map(str, image.shape))
        raise ValueError(
            f'a refinement looks at colours, but {source} gives an image of {shape} values, which has '
            f'{planes.shape[-1]} channels; load one, three or four channels, or take the refinements that look at '
            f'the image (needs_image) out of inference.refine'
        )
    bgr = _eight_bits(planes[..., :3])
    bgr = np.repeat(bgr, 3, axis=-1) if bgr.shape[-1] == 1 else bgr
    return np.ascontiguousarray(bgr[..., ::-1])


def _eight_bits(values: np.ndarray) -> np.ndarray:
    if values.dtype == np.uint8:
        return values
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255)
    values = values.astype(np.float64) if values.dtype.kind in 'iu' else _holding_bytes(values)
    return values if values.dtype == np.uint8 else _scaled(values)


def _holding_bytes(values: np.ndarray) -> np.ndarray:
    """Floats as bytes if they are bytes; otherwise as they are, in double precision."""
    values = values.astype(np.float64)
    with np.errstate(invalid='ignore'):
        are_bytes = bool(((values >= 0) & (values <= 255) & (values == np.rint(values))).all())
    return values.astype(np.uint8) if are_bytes else values


def _scaled(values: np.ndarray) -> np.ndarray:
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(values.shape, np.uint8)
    # Both ends are values of the image: of less than a thousand values none is cut off.
    low = np.percentile(values[finite], 100 * LEFT_OUT, method='lower')
    high = np.percentile(values[finite], 100 * (1 - LEFT_OUT), method='higher')
    if low == high:  # all but a few values are equal: these few are the image
        low, high = values[finite].min(), values[finite].max()
    share = (np.where(finite, values, low) - low) / max(high - low, np.finfo(np.float64).tiny)
    return np.rint(255 * share.clip(0, 1)).astype(np.uint8)
