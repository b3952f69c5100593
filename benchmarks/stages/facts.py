"""The facts of one predicted image, per class: counts, boundary counts, distances; and the table they are kept in."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.data.split import Split
from benchmarks.record import COUNT_COLUMNS, COUNTS, DISTANCES

if TYPE_CHECKING:
    from benchmarks.probes.truth import Truth

FACTS = 'facts.csv'
COLUMNS = tuple(name for name in COUNT_COLUMNS if name != 'cell')


class FactsTable:
    """Collects rows and writes them.

    Where one image has many predictions, each in a table of its own, what is measured of its annotation alone is
    measured once::

        truth = Truth(annotation, num_classes, split.ignore_index)
        for table, labels in zip(tables, predictions):
            table.add(img_path, labels, truth)

    Args:
        split: Gives each image's name and group by its path, and the label of void pixels.
        num_classes: C.
    """

    def __init__(self, split: Split, num_classes: int) -> None:
        self.identity = {path: (name, group) for path, name, group in zip(split.images, split.names, split.groups)}
        self.num_classes, self.ignore_index = num_classes, split.ignore_index
        self.rows: list[list] = []

    def add(self, img_path: str, labels: np.ndarray, truth: 'np.ndarray | Truth') -> None:
        """Measure one image.

        Args:
            img_path: The image's path, as the data set gives it.
            labels: Predicted labels (H, W).
            truth: True labels (H, W), or what is kept of them, made for the table's classes and label of void pixels.
        """
        from benchmarks.probes.truth import Truth  # and with it a compiler, which the driver, a mere reader, can spare

        name, group = self.identity[img_path]
        if not isinstance(truth, Truth):
            truth = Truth(truth, self.num_classes, self.ignore_index)
        measured = truth.facts(labels)
        for c in range(self.num_classes):
            facts = {'class': c} | {fact: values[c] for fact, values in measured.items()}
            self.rows.append(
                [
                    name,
                    group,
                    *(int(facts[fact]) for fact in COUNTS),
                    *('' if np.isnan(facts[fact]) else repr(float(facts[fact])) for fact in DISTANCES),
                ]
            )

    def write(self, folder: Path) -> None:
        """Write ``facts.csv``."""
        with open(folder / FACTS, 'w', newline='') as stream:
            writer = csv.writer(stream)
            writer.writerow(COLUMNS)
            writer.writerows(self.rows)


def read_facts(folder: Path) -> Iterator[dict]:
    """The rows of a stage's ``facts.csv``: integers, and distances that are floats or None where undefined."""
    with open(folder / FACTS, newline='') as stream:
        for row in csv.DictReader(stream):
            yield {
                'image': row['image'],
                'group': row['group'],
                **{key: int(row[key]) for key in COUNTS},
                **{key: float(row[key]) if row[key] else None for key in DISTANCES},
            }
