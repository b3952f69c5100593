"""The panels of test images on the page: small pictures inside the file, with names, scores and a table."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.data.panels import LABELS, VOID, Panel, png
from benchmarks.reports.panels.colours import ERROR_COLOURS, ERROR_NAMES, NOT_SCORED, class_colours, void_swatch
from benchmarks.reports.panels.section import SHEETS, how_chosen, panel_rows, panel_title, tile_notes
from benchmarks.reports.panels.tiles import Tile, tiles_of

MOST_BYTES, MOST_BYTES_BESIDE_MANY = 1_200_000, 600_000  # of all pictures in the page
MANY_ROWS = 20  # beside more rows than this the page has less room for pictures
LONGEST = 240  # px of a whole tile
ENLARGED_BELOW = 180  # px; smaller tiles are drawn larger, with sharp pixels
MOST_CLASSES = 24  # in the legend
_QUALITY, _SWATCH = 82, 12


class Picture(NamedTuple):
    """A picture of the page.

    Attributes:
        uri: Its content.
        width: px.
        height: px.
        alt: What it shows, for those who cannot see it.
        enlarged: Whether it is drawn larger than it is.
    """

    uri: str
    width: int
    height: int
    alt: str
    enlarged: bool


class PageTile(NamedTuple):
    """A tile: its name, a note such as a score, and its two pictures."""

    title: str
    note: str
    whole: Picture
    part: Picture


class PagePanels(NamedTuple):
    """The panels.

    Attributes:
        intro: How the images were chosen.
        panels: The title and the tiles of each.
        error_legend: The name and the colour of each kind of pixel.
        void: The name of void pixels, and the content of a picture of their stripes; None where none is void.
        class_legend: The name and the colour of each class that occurs.
        more_classes: The number of further classes that occur.
        head: The columns of the table behind the panels.
        rows: The rows of that table.
        more: The number of panels that lie beside the page alone.
        folder: Where these lie.
    """

    intro: str
    panels: list[tuple[str, list[PageTile]]]
    error_legend: list[tuple[str, str]]
    void: tuple[str, str] | None
    class_legend: list[tuple[str, str]]
    more_classes: int
    head: Sequence[str]
    rows: list[list[str]]
    more: int
    folder: str


def page_panels(panels: Sequence[Panel], grid: Mapping, stacks: pd.DataFrame) -> PagePanels | None:
    """The panels of the page; None without any.

    Args:
        panels: Those of the records.
        grid: The content of ``grid.json``.
        stacks: The stack table.
    """
    if not panels:
        return None
    labels, names, background = dict(zip(stacks['stack'], stacks['label'])), grid['classes'], grid['background']
    shown: list[tuple[str, list[PageTile]]] = []
    size, most = 0, MOST_BYTES if len(stacks) <= MANY_ROWS else MOST_BYTES_BESIDE_MANY
    for panel in panels:
        tiles = [_tile(*parts, panel) for parts in zip(tiles_of(panel, len(names), background), tile_notes(panel))]
        size += sum(len(tile.whole.uri) + len(tile.part.uri) for tile in tiles)
        if size > most:
            break
        shown.append((panel_title(panel, labels), tiles))
    classes, colours = _classes(panels, len(names)), class_colours(len(names), background)
    codes = [code for code in ERROR_COLOURS if code in ERROR_NAMES]
    return PagePanels(
        how_chosen(panels).replace('`', ''),
        shown,
        [(ERROR_NAMES[code], _hex(ERROR_COLOURS[code])) for code in codes],
        _void() if any((panel.truth == VOID).any() for panel in panels) else None,
        [(f'{index} {names[index]}', _hex(colours[index])) for index in classes[:MOST_CLASSES]],
        max(len(classes) - MOST_CLASSES, 0),
        ('row', 'reference', 'seed', 'image', 'chosen as', 'Dice, %', 'Dice of the reference, %', 'Δ, points'),
        panel_rows(panels, labels),
        len(panels) - len(shown),
        SHEETS,
    )


def _void() -> tuple[str, str]:
    return ERROR_NAMES[NOT_SCORED], _uri(png(void_swatch(_SWATCH)), 'png')


def _classes(panels: Sequence[Panel], n_classes: int) -> list[int]:
    """The classes that occur in a truth or a prediction."""
    found = {int(label) for panel in panels for name in LABELS for label in np.unique(getattr(panel, name))}
    return sorted(label for label in found if label < n_classes)


def _tile(tile: Tile, note: str, panel: Panel) -> PageTile:
    alt = f'{tile.title} {panel.facts["image"]}' if tile.is_photo else f'{tile.title}, image {panel.facts["image"]}'
    whole, part = _picture(tile.whole, alt, tile.is_photo), _picture(tile.part, f'{alt}, the frame enlarged', False)
    return PageTile(tile.title, note, whole, part)


def _picture(pixels: np.ndarray, alt: str, is_photo: bool) -> Picture:
    step = -(-max(pixels.shape[:2]) // LONGEST)
    small = Image.fromarray(pixels).reduce(step) if is_photo else Image.fromarray(pixels[::step, ::step])
    uri = _jpeg(small) if is_photo else _uri(_few_colours(np.asarray(small)), 'png')
    return Picture(uri, small.width, small.height, alt, enlarged=max(small.size) < ENLARGED_BELOW)


def _few_colours(pixels: np.ndarray) -> bytes:
    """A PNG, indexed where it has at most 256 colours: a third of the bytes."""
    colours, indices = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
    if len(colours) > 256:
        return png(pixels)
    image = Image.fromarray(indices.reshape(pixels.shape[:2]).astype(np.uint8))
    image.putpalette(colours.tobytes())
    packed = io.BytesIO()
    image.save(packed, 'PNG', optimize=True)
    return packed.getvalue()


def _jpeg(image: Image.Image) -> str:
    packed = io.BytesIO()
    image.save(packed, 'JPEG', quality=_QUALITY)
    return _uri(packed.getvalue(), 'jpeg')


def _uri(content: bytes, kind: str) -> str:
    return f'data:image/{kind};base64,{base64.b64encode(content).decode("ascii")}'


def _hex(colour: Sequence[int]) -> str:
    return '#' + ''.join(f'{int(part):02x}' for part in colour)
