"""How many values a file stores for each pixel, and of how many bits: from its header, without decoding a pixel."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by the colour type of the header
_BITS_PER_SAMPLE, _SAMPLES_PER_PIXEL = 258, 277  # tags of a TIFF
_BITS = {'1': 1, 'I': 32, 'F': 32}


def pixel_format(image: 'Image.Image', data: bytes) -> dict[str, Any]:
    """Channels, bits per channel, and whether the values are indices of a palette.

    Args:
        image: The opened image, whose pixels need not be loaded.
        data: The bytes of its file; PIL does not tell that a colour PNG has 16 bits.
    """
    if image.format == 'PNG':
        return dict(channels=_PNG_CHANNELS[data[25]], bits=data[24], palette=data[25] == 3)
    palette = image.mode == 'P' or image.format == 'GIF'
    tags = getattr(image, 'tag_v2', {})
    if _BITS_PER_SAMPLE in tags:
        return dict(channels=tags.get(_SAMPLES_PER_PIXEL, 1), bits=max(tags[_BITS_PER_SAMPLE]), palette=palette)
    bits = 16 if image.mode.startswith('I;16') else _BITS.get(image.mode, 8)
    return dict(channels=len(image.getbands()), bits=bits, palette=palette)


def palette_colours(image: 'Image.Image', labels: Sequence[int]) -> tuple[int, ...] | None:
    """The colours of some indices of an image's palette, as 0xRRGGBB; black beyond its end, None without a palette."""
    palette = image.getpalette('RGB') if image.mode == 'P' else None
    if palette is None:
        return None
    padded = bytes(palette).ljust(768, b'\0')
    return tuple(int.from_bytes(padded[3 * label : 3 * label + 3], 'big') for label in labels)
