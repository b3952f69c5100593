"""Which images show the faults of a config: those of other sizes, the oddest and the largest, and of other formats."""

from collections.abc import Hashable, Sequence

Size = tuple[int, int]  # height, width
ChosenImage = tuple[int, int]  # index, number of pixels (0 where it is not known)
IMAGES_IN_A_BATCH = 2
SIZES_TRIED, FORMATS_TRIED = 3, 3
STRIDE = 32  # networks halve an image up to five times


def for_a_batch(sizes: Sequence[Size | None], formats: Sequence[Hashable]) -> list[ChosenImage]:
    """The images of a small batch, of formats and sizes as different as there are.

    Args:
        sizes: The size of each image; None where it is not known.
        formats: What else tells images apart, such as the number of channels, for each image.
    """
    chosen = _of_each_size(sizes)
    chosen[1:1] = _of_other_formats(chosen[:1], formats)
    return [(index, _pixels(sizes[index])) for index in chosen[:IMAGES_IN_A_BATCH]]


def for_a_test(sizes: Sequence[Size | None], formats: Sequence[Hashable]) -> list[ChosenImage]:
    """The images to predict, small ones first: the oddest, the largest, the smallest, and one of each other format.

    Args:
        sizes: The size of each image; None where it is not known.
        formats: What else tells images apart, such as the number of channels, for each image.
    """
    chosen = _of_each_size(sizes)[:SIZES_TRIED]
    chosen += _of_other_formats(chosen, formats)[:FORMATS_TRIED]
    return sorted(((index, _pixels(sizes[index])) for index in chosen), key=lambda row: row[1])


def _of_other_formats(chosen: Sequence[int], formats: Sequence[Hashable]) -> list[int]:
    """The first image of each format that the chosen images lack."""
    first = {formats[index]: index for index in chosen}
    known = set(first)
    for index, kind in enumerate(formats):
        first.setdefault(kind, index)
    return [index for kind, index in first.items() if kind not in known]


def _of_each_size(sizes: Sequence[Size | None]) -> list[int]:
    """The first image of each size: first the oddest size, then the largest, then the smallest, then all others."""
    first: dict[Size | None, int] = {}
    for index, size in enumerate(sizes):
        first.setdefault(size, index)
    by_area = sorted(first, key=_pixels)
    oddest = max(by_area, key=lambda size: (_oddness(size), -_pixels(size)))
    return [first[size] for size in dict.fromkeys((oddest, by_area[-1], by_area[0], *by_area[::-1]))]


def _pixels(size: Size | None) -> int:
    return size[0] * size[1] if size else 0


def _oddness(size: Size | None) -> int:
    """How many halvings leave a remainder, over both sides."""
    return sum((side % STRIDE and (STRIDE // (side & -side))) for side in size) if size else 0
