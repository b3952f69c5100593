"""The colours of panels: of classes, and of what a prediction gets right and wrong.

They are those of Okabe and Ito, which all common kinds of colour vision tell apart (https://jfly.uni-koeln.de/color/).
"""
# H×W pixels, K classes

import colorsys

import numpy as np

from benchmarks.data.panels import VOID

BLACK = (16, 18, 21)
# Those that errors have come last, so that no class of a few is taken for an error.
_OKABE_ITO = (
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (0, 114, 178),
    (86, 180, 233),
    (240, 228, 66),
    (213, 94, 0),
)
_GOLDEN = 0.618034  # of a turn from one hue to the next: neighbours differ much, and no hue comes twice
_LEVELS = ((0.95, 0.75), (0.6, 0.9), (1.0, 0.4))  # value and saturation, in turn
_VOID = ((122, 126, 132), (176, 180, 186))  # its stripes
STRIPE = 3  # px

NOTHING, RIGHT, EXTRA, MISSED, OTHER, NOT_SCORED = range(6)
ERROR_COLOURS = {
    NOTHING: BLACK,
    RIGHT: (140, 145, 152),
    EXTRA: (213, 94, 0),
    MISSED: (86, 180, 233),
    OTHER: (240, 228, 66),
}
ERROR_NAMES = {
    RIGHT: 'right (true positive)',
    EXTRA: 'too much (false positive)',
    MISSED: 'missed (false negative)',
    OTHER: 'another class',
    NOT_SCORED: 'void, not scored',
}


def class_colours(n_classes: int, background: int | None) -> np.ndarray:
    """The colour of each class, uint8 (256, 3), RGB: black for the background, no two alike.

    Seven foreground classes or fewer have the colours of Okabe and Ito, more have hues around the circle.
    """
    foreground = [index for index in range(n_classes) if index != background]
    few = len(foreground) <= len(_OKABE_ITO)
    colours = np.zeros((256, 3), np.uint8)
    colours[:] = BLACK
    for place, index in enumerate(foreground):
        colours[index] = _OKABE_ITO[place] if few else _hue(place)
    return colours


def _hue(place: int) -> tuple[int, ...]:
    value, saturation = _LEVELS[place % len(_LEVELS)]
    return tuple(round(255 * part) for part in colorsys.hsv_to_rgb(place * _GOLDEN % 1, saturation, value))


def errors(labels: np.ndarray, truth: np.ndarray, background: int | None) -> np.ndarray:
    """What a prediction gets right and wrong, one of the codes above for each pixel, uint8 (H, W).

    Args:
        labels: Predicted classes, uint8 (H, W).
        truth: True classes, uint8 (H, W); ``VOID`` where the image is not scored.
        background: The class that is no object; None where every class is one. Then a wrong pixel is one of another
            class.
    """
    found, true = (np.ones(part.shape, bool) if background is None else part != background for part in (labels, truth))
    codes = np.select(
        [truth == VOID, (labels == truth) & true, labels == truth, found & ~true, ~found & true],
        [NOT_SCORED, RIGHT, NOTHING, EXTRA, MISSED],
        OTHER,
    )
    return codes.astype(np.uint8)


def coloured_labels(labels: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Labels in the colours of their classes, with stripes where they are void: uint8 (H, W, 3)."""
    return _striped(colours[labels], labels == VOID)


def coloured_errors(codes: np.ndarray) -> np.ndarray:
    """The codes of :func:`errors` in their colours, with stripes where the image is not scored: uint8 (H, W, 3)."""
    colours = np.zeros((256, 3), np.uint8)
    for code, colour in ERROR_COLOURS.items():
        colours[code] = colour
    return _striped(colours[codes], codes == NOT_SCORED)


def _striped(pixels: np.ndarray, where: np.ndarray) -> np.ndarray:
    rows, columns = np.indices(where.shape)
    stripes = np.array(_VOID, np.uint8)[(rows + columns) // STRIPE % 2]
    return np.where(where[..., None], stripes, pixels)


def void_swatch(size: int) -> np.ndarray:
    """A square with the stripes of void pixels, uint8 (size, size, 3)."""
    return _striped(np.zeros((size, size, 3), np.uint8), np.ones((size, size), bool))
