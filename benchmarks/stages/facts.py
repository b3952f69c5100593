"""The table of facts of predicted images, per class: pixel counts, boundary counts and distances."""

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
    """Collects one row per image and class, and writes them.

    Several tables can share the measurements of an image's annotation, if the image has several predictions::

        truth = Truth(annotation, num_classes, split.ignore_index)
        for table, labels in zip(tables, predictions):
            table.add(img_path, labels, truth)

    Args:
        split: The test split: it maps an image's path to its name and group, and knows the label of void pixels.
        num_classes: The number of classes, C.
    """

    def __init__(self, split: Split, num_classes: int) -> None:
        self.identity = {path: (name, group) for path, name, group in zip(split.images, split.names, split.groups)}
        self.num_classes, self.ignore_index = num_classes, split.ignore_index
        self.rows: list[list] = []

    def add(self, img_path: str, labels: np.ndarray, truth: 'np.ndarray | Truth') -> None:
        """Measure one image.

        Args:
            img_path: The image's path, as the data set names it.
            labels: Predicted labels (H, W).
            truth: True labels (H, W), or their measurements for the same classes and the same label of void pixels.
        """
        from benchmarks.probes.truth import Truth  # it imports a compiler; the driver reads tables and needs none

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
        with open(folder / FACTS, 'w', newline='', encoding='utf-8') as stream:
            writer = csv.writer(stream)
            writer.writerow(COLUMNS)
            writer.writerows(self.rows)


def read_facts(folder: Path) -> Iterator[dict]:
    """The rows of a stage's ``facts.csv``: integers, and distances that are floats or None where undefined."""
    with open(folder / FACTS, newline='', encoding='utf-8') as stream:
        for row in csv.DictReader(stream):
            yield {
                'image': row['image'],
                'group': row['group'],
                **{key: int(row[key]) for key in COUNTS},
                **{key: float(row[key]) if row[key] else None for key in DISTANCES},
            }
