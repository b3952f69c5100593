"""A panel as one PNG, for ``README.md``: a row of whole tiles above a row of windows, with a title and their names."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.data.panels import png
from benchmarks.reports.panels.tiles import Tile

SIDE, GAP, LINE, MARGIN = 190, 8, 20, 12  # px
_INK, _SOFT, _PAPER = (28, 33, 38), (89, 97, 107), (255, 255, 255)


def sheet(tiles: Sequence[Tile], title: str, notes: Sequence[str]) -> bytes:
    """The PNG of a panel.

    Args:
        tiles: Its tiles.
        title: The first line.
        notes: A note below some of the tiles, such as a score; empty texts for none.
    """
    whole, part = (_height([getattr(tile, name) for tile in tiles]) for name in ('whole', 'part'))
    width = 2 * MARGIN + len(tiles) * SIDE + (len(tiles) - 1) * GAP
    tops = [MARGIN + LINE + LINE]
    tops += [tops[0] + whole + GAP, tops[0] + whole + GAP + part]
    page = Image.new('RGB', (width, tops[2] + LINE + MARGIN), _PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((MARGIN, MARGIN - 2), _cut(title, width - 2 * MARGIN), _INK, _font())
    for number, (tile, note) in enumerate(zip(tiles, notes)):
        left = MARGIN + number * (SIDE + GAP)
        draw.text((left, MARGIN + LINE - 2), _cut(tile.title, SIDE), _INK, _font())
        page.paste(_fitted(tile.whole, smooth=tile.is_photo), (left, tops[0]))
        page.paste(_fitted(tile.part, smooth=False), (left, tops[1]))
        draw.text((left, tops[2] + 2), _cut(note, SIDE), _SOFT, _font())
    return png(np.asarray(page))


def _height(pictures: Sequence[np.ndarray]) -> int:
    """The height of a row of pictures that fit into squares."""
    return max(_fit(picture)[1] for picture in pictures)


def _fit(pixels: np.ndarray) -> tuple[int, int]:
    height, width = pixels.shape[:2]
    factor = SIDE / max(height, width)
    return max(round(width * factor), 1), max(round(height * factor), 1)


def _fitted(pixels: np.ndarray, *, smooth: bool) -> Image.Image:
    how = Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST
    return Image.fromarray(pixels).resize(_fit(pixels), how)


@cache
def _font() -> ImageFont.FreeTypeFont:
    # The font that matplotlib brings along, so that all machines draw the same letters.
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / 'fonts' / 'ttf' / 'DejaVuSans.ttf', 12)


def _cut(text: str, width: int) -> str:
    """As much of a text as fits into a width, px."""
    text = ' '.join(text.split())
    if _font().getlength(text) <= width:
        return text
    while text and _font().getlength(f'{text}…') > width:
        text = text[:-1]
    return f'{text}…'
