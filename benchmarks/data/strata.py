"""The strata of pixels as a file: their bins have fixed limits, the same for all data sets and runs.

==============  =========================================================  =============================================
partition       of                                                         bin b
==============  =========================================================  =============================================
``object``      the true objects (connected components) of a class, by     ``2^b`` to ``2^(b+1) - 1`` pixels; the last
                the number of pixels                                       one ``2^15`` and more
``boundary``    all labelled pixels, by the distance to the nearest        0: less than 1 px, that is at a boundary;
                pixel at a true boundary                                   b > 0: ``2^(b-1)`` to ``2^b`` px; the last
                                                                           one 32 px and more
``confidence``  all labelled pixels, by the probability of their label     see :data:`CONFIDENCE`
                in the merged map, before any refinement
``views``       all labelled pixels                                        0 where views give different labels, else 1
==============  =========================================================  =============================================

The first two depend on the truth alone: all stacks have the same pixels in a bin. The last two depend on the stack. Two
stacks have the same pixels in them only if they refine the same merged map.
"""

from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path

from benchmarks.record import by_cell, packed_table

FILE = 'strata.csv.gz'
OBJECT, BOUNDARY, CONFIDENT, VIEWS = 'object', 'boundary', 'confidence', 'views'
CONFIDENCE = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)  # limits; a bin begins at its limit
BINS = {OBJECT: 16, BOUNDARY: 7, CONFIDENT: len(CONFIDENCE) + 1, VIEWS: 2}
ALL_CLASSES = -1
# One row per partition, class and bin of an image: `pixels` are those of the truth, `right` those of them that are
# labelled right, and `extra` those that a stack gives to the class although they belong to another one.
STRATA_COUNTS = ('class', 'bin', 'objects', 'pixels', 'right', 'extra')
STRATA_NAMES = ('cell', 'image', 'by')
STRATA_COLUMNS = (*STRATA_NAMES, *STRATA_COUNTS)


def write_strata(out: Path, rows: Iterable[Mapping]) -> Path | None:
    """Write ``<out>/records/strata.csv.gz`` cell by cell; the rows of a cell in any order give the same bytes.

    Args:
        out: The output folder.
        rows: One mapping per cell, image, partition, class and bin with the keys of ``STRATA_COLUMNS``, cells in the
            order of their names.

    Returns:
        The file; None, and no file, without rows.

    Raises:
        ValueError: A cell comes after one with a greater name.
    """
    lines = (_line(row) for row in rows)
    first = next(lines, None)
    if first is None:
        return None
    path = Path(out) / 'records' / FILE
    with packed_table(path, STRATA_COLUMNS) as write:
        for of_cell in by_cell(chain([first], lines), path):
            write(sorted(of_cell))
    return path


def _line(row: Mapping) -> list:
    return [*(str(row[name]) for name in STRATA_NAMES), *(row[name] for name in STRATA_COUNTS)]
