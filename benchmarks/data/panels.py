"""Label maps that a run keeps for its report, as files: a few test images, their truth, and what two rows made of them.

Layout below the output folder::

    records/labels/panels.json        one entry for each panel, in the order in which a report shows them
    records/labels/00/image.png       the image, 8 bits, grey or RGB
    records/labels/00/truth.png       indexed: the class of each pixel; ``VOID`` where it is not scored
    records/labels/00/reference.png   indexed: the labels of the reference
    records/labels/00/stack.png       indexed: the labels of the stack

All images of a panel have one size.
"""
# H×W pixels

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from benchmarks.files import write_atomic

FOLDER = Path('records') / 'labels'
LIST = 'panels.json'
VOID = 255
MOST_BYTES = 8 * 2**20  # of all label maps and images that a run keeps
FACTS: dict[str, Any] = dict(
    stack=str, reference=str, seed=int, image=str, rule=str, dice=(int, float), reference_dice=(int, float), step=int
)
LABELS = ('truth', 'reference', 'stack')


class Panel(NamedTuple):
    """What is kept of one test image.

    Attributes:
        facts: ``stack``, ``reference``, ``seed``; ``image``, its name in ``counts.csv.gz``; ``rule``, why it was
            chosen; ``dice`` and ``reference_dice`` of this image, percent; ``step``, of how many rows and columns of
            the image one is kept.
        image: uint8 (H, W) or (H, W, 3), RGB.
        truth: uint8 (H, W).
        reference: uint8 (H, W).
        stack: uint8 (H, W).
    """

    facts: Mapping[str, Any]
    image: np.ndarray
    truth: np.ndarray
    reference: np.ndarray
    stack: np.ndarray


def write_panels(out: Path, panels: Iterable[Panel]) -> int:
    """Write panels below ``<out>/records/labels``; those that would exceed ``MOST_BYTES`` are left out.

    Returns:
        The number of panels that were written.
    """
    folder, facts, size = Path(out) / FOLDER, list[Mapping[str, Any]](), 0
    for panel in panels:
        files = dict(image=png(panel.image)) | {name: indexed_png(getattr(panel, name)) for name in LABELS}
        size += sum(map(len, files.values()))
        if size > MOST_BYTES:
            break
        for name, content in files.items():
            write_atomic(folder / f'{len(facts):02d}' / f'{name}.png', content, sync=False)
        facts.append(panel.facts)
    if facts:
        write_atomic(folder / LIST, (json.dumps(facts, indent=1, ensure_ascii=False) + '\n').encode('utf-8'))
    return len(facts)


def read_panels(out: Path) -> list[Panel]:
    """The panels that a run has kept; none where it kept none.

    Raises:
        ValueError: A file is missing or damaged, or a field has the wrong type; names the file.
    """
    path = Path(out) / FOLDER / LIST
    if not path.is_file():
        return []
    try:
        listed = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'{path}: is no JSON ({error}); run the grid again with this --out') from None
    return [_read(path.parent / f'{number:02d}', facts, path) for number, facts in enumerate(listed)]


def _read(folder: Path, facts: Any, path: Path) -> Panel:
    wrong = [
        name for name, kind in FACTS.items() if not isinstance(facts, dict) or not isinstance(facts.get(name), kind)
    ]
    if wrong:
        raise ValueError(f'{path}: field {wrong[0]!r} of panel {folder.name} is missing or of another type')
    parts = {name: _pixels(folder / f'{name}.png') for name in ('image', *LABELS)}
    sizes = {name: part.shape[:2] for name, part in parts.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f'{folder}: its images differ in size: {sizes}; run the grid again with this --out')
    return Panel(facts, **parts)


def _pixels(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.array(image)
    except OSError as error:
        raise ValueError(f'{path}: cannot be read ({error}); run the grid again with this --out') from error


def png(pixels: np.ndarray) -> bytes:
    """A grey (H, W) or RGB (H, W, 3) image of 8 bits as PNG."""
    return _saved(Image.fromarray(pixels))


def indexed_png(labels: np.ndarray, colours: np.ndarray | None = None) -> bytes:
    """Labels (H, W) as an indexed PNG, whose pixels are the labels themselves.

    Args:
        labels: uint8 (H, W).
        colours: The colour of each label, uint8 (256, 3); None for shades that make no claim to be told apart.
    """
    image = Image.fromarray(labels).convert('L')
    image.putpalette((_shades() if colours is None else colours).tobytes())
    return _saved(image)


def _shades() -> np.ndarray:
    """Black for label 0, a bright colour for each small label, for file managers that show the maps."""
    numbers = np.arange(256)
    return np.stack([numbers * 67 % 256, numbers * 151 % 256, numbers * 211 % 256], axis=1).astype(np.uint8)


def _saved(image: Image.Image) -> bytes:
    packed = io.BytesIO()
    image.save(packed, 'PNG', optimize=True)
    return packed.getvalue()
