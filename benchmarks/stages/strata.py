"""The table of strata of predicted images: right pixels by object size, boundary distance, confidence and views."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.data.split import Split
from benchmarks.data.strata import ALL_CLASSES, OBJECT, STRATA_COLUMNS, STRATA_COUNTS

if TYPE_CHECKING:
    from benchmarks.probes.truth import Truth

STRATA = 'strata.csv'
COLUMNS = tuple(name for name in STRATA_COLUMNS if name != 'cell')


class StrataTable:
    """Collects one row per image, partition, class and bin that is not empty, and writes them.

    Args:
        split: The test split: it maps an image's path to its name.
    """

    def __init__(self, split: Split) -> None:
        self.names = dict(zip(split.images, split.names))
        self.rows: list[list] = []

    def add(
        self, img_path: str, labels: np.ndarray, confidence: np.ndarray, truth: 'Truth', agree: np.ndarray | None = None
    ) -> None:
        """Count one image.

        Args:
            img_path: The image's path, as the data set names it.
            labels: Predicted labels (H, W).
            confidence: uint16 (H, W), of the map before refinement.
            truth: The measurements of the true labels.
            agree: bool (H, W), whether all views give the same label; None for one view.
        """
        name = self.names[img_path]
        counts = truth.strata.counts(labels, confidence, agree)
        for label, size in np.argwhere(counts.objects.any(axis=2)).tolist():
            self.rows.append([name, OBJECT, label, size, *counts.objects[label, size].tolist()])
        for by, of_bins in counts.pixels.items():
            for number, (wrong, right) in enumerate(of_bins.tolist()):
                if wrong + right:
                    self.rows.append([name, by, ALL_CLASSES, number, 0, wrong + right, right, 0])

    def write(self, folder: Path) -> None:
        """Write ``strata.csv``."""
        with open(folder / STRATA, 'w', newline='', encoding='utf-8') as stream:
            writer = csv.writer(stream)
            writer.writerow(COLUMNS)
            writer.writerows(self.rows)


def read_strata(folder: Path) -> Iterator[dict]:
    """The rows of a stage's ``strata.csv``; none for a result from before the file existed."""
    if not (folder / STRATA).is_file():
        return
    with open(folder / STRATA, newline='', encoding='utf-8') as stream:
        for row in csv.DictReader(stream):
            yield dict(image=row['image'], by=row['by'], **{name: int(row[name]) for name in STRATA_COUNTS})
