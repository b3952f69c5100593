"""Masks with a palette: their labels are indices of it, whatever their colours look like in a viewer.

A drawing program may give each file a palette of its own, or one that begins with white. The labels are then not what
the colours show.
"""

from collections.abc import Iterator

from benchmarks.data.file_facts import Facts
from benchmarks.data.split import Split

Seen = tuple[int, int, str]  # label, colour as 0xRRGGBB, mask


def palette_warnings(split: Split, files: Facts) -> list[str]:
    """Point out labels that contradict the colours of their palettes.

    Args:
        split: The split, whose masks are read as indices.
        files: Facts of the masks.

    Returns:
        One sentence, or none.
    """
    if split.mask_backend != 'pillow':
        return []
    seen = list(_seen(split, files))
    by_colour: dict[int, Seen] = {}
    for label, colour, mask in seen:
        other, _, elsewhere = by_colour.setdefault(colour, (label, colour, mask))
        if other != label:
            return [
                f'{split.name} data: the colour {_rgb(colour)} is label {other} in {elsewhere} and label {label} in '
                f'{mask}, because a label is an index of the palette of its own file. Save the masks with one palette, '
                f'or as one-channel PNGs whose values are the labels'
            ]
    colours = {label: colour for label, colour, _ in seen}
    brightness = [colours[label] & 0xFF for label in sorted(colours)]
    if (
        split.label_map is None
        and all(_is_grey(colour) for colour in colours.values())
        and brightness != sorted(brightness)
    ):
        shown = ', '.join(f'label {label} is {_rgb(colours[label])}' for label in sorted(colours)[:3])
        return [
            f'{split.name} data: the palette of the masks is not in the order of its greys ({shown}; {seen[0][2]}), so '
            f'a darker pixel has a higher label. If black shall be label 0, exchange the labels by '
            f'label_map={_exchange(colours)} of ImagesAndMasks, or save the masks without a palette'
        ]
    return []


def _seen(split: Split, files: Facts) -> Iterator[Seen]:
    """Each label of each mask with a palette."""
    for mask, facts in zip(split.masks, files.masks(split.masks)):
        if facts and facts.labels and facts.colours:
            for label, colour in zip(facts.labels, facts.colours):
                yield label, colour, mask


def _is_grey(colour: int) -> bool:
    return colour >> 16 == (colour >> 8) & 0xFF == colour & 0xFF


def _rgb(colour: int) -> tuple[int, int, int]:
    return colour >> 16, (colour >> 8) & 0xFF, colour & 0xFF


def _exchange(colours: dict[int, int]) -> dict[int, int]:
    """Labels in the order of their greys."""
    return {label: place for place, label in enumerate(sorted(colours, key=lambda label: colours[label]))}
