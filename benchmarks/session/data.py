"""The data sets that a grid reads: listed, checked and fingerprinted, each distinct one once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.data.checks import check_split, leak_notes
from benchmarks.data.file_facts import FileStore
from benchmarks.data.fingerprint import fingerprint
from benchmarks.data.split import Split, cached_split, remembered_split
from benchmarks.errors import BadInput
from benchmarks.files import digest
from benchmarks.session.baseline import Baseline
from benchmarks.session.stacks import Stacks
from benchmarks.stacks.several_networks import data_sets, members


@dataclass(frozen=True)
class DataSet:
    """One data set.

    Args:
        split: Its listing.
        fingerprint: Digest of its content.
    """

    split: Split = field(repr=False)
    fingerprint: str


@dataclass(frozen=True)
class Data:
    """The data sets of a grid.

    Args:
        by_config: Each distinct data set, by the digest of its config.
        train: The first stack's training data; of an ensemble the first member's.
        test: The first stack's test data.
        test_pixels: Pixels of all test images together; an image whose size only its own loader can tell counts 0.
        notes: What the user should know of the data.
    """

    by_config: dict[str, DataSet] = field(repr=False)
    train: DataSet
    test: DataSet
    test_pixels: int
    notes: tuple[str, ...] = ()

    def of(self, config: dict) -> DataSet:
        """The data set of this config."""
        return self.by_config[digest(config)]


def list_data(
    stacks: Stacks, baseline: Baseline, cache: Path, told: Callable[[int, int], object] | None = None
) -> Data:
    """List, check and fingerprint every data set of a grid.

    Args:
        stacks: The stacks with their configs.
        baseline: The baseline.
        cache: Folder of remembered listings.
        told: See :class:`benchmarks.data.file_facts.FileStore`.

    Raises:
        BadInput: The data cannot be trained or tested on; names the files.
    """
    by_config: dict[str, DataSet] = {}
    with FileStore(cache, told) as files:
        for config in stacks.paired.values():
            for name, dataset in data_sets(config, baseline.with_protocol):
                key = digest(dataset)
                if key in by_config:
                    continue
                split = cached_split(name, dataset, cache, imports=config['custom_imports']['imports'])
                check_split(split, _num_classes(config, split), files)
                by_config[key] = DataSet(split, fingerprint(split, files))
        first = members(stacks.paired[stacks.layout.stacks[0]])[0].config
        train, test = (by_config[digest(first[f'{name}_dataloader']['dataset'])] for name in ('train', 'test'))
        pixels = sum((facts.height or 0) * (facts.width or 0) for facts in files.images(test.split.images) if facts)
        notes = leak_notes(dict(train=train.split, test=test.split), files)
    return Data(by_config, train, test, pixels, tuple(notes))


def listings_are_remembered(stacks: Stacks, baseline: Baseline, cache: Path) -> bool:
    """Whether all data sets are listed already; listing one imports torch and mmseg."""
    distinct = {
        digest(dataset): (name, dataset)
        for config in stacks.paired.values()
        for name, dataset in data_sets(config, baseline.with_protocol)
    }
    return all(remembered_split(name, dataset, cache) for name, dataset in distinct.values())


def _num_classes(config: dict, split: Split) -> int:
    """How many classes the model predicts, which must be how many the data set has."""
    predicted = predicted_classes(config['model'].get('decode_head'))
    if not split.classes:
        raise BadInput(f'the {split.name} data set declares no classes; give it metainfo=dict(classes=(...))')
    if predicted is not None and predicted != len(split.classes):
        raise BadInput(
            f'the model predicts {predicted} classes, but the {split.name} data set has {len(split.classes)} '
            f'({", ".join(split.classes)}); set model.decode_head.num_classes to {len(split.classes)}'
        )
    return len(split.classes)


def predicted_classes(head: Any) -> int | None:
    """``num_classes`` of a decode head, of a cascade's last head, or of a wrapped head; None if there is none."""
    if isinstance(head, (list, tuple)):
        return predicted_classes(head[-1]) if head else None
    if not isinstance(head, dict):
        return None
    if 'num_classes' in head:
        return head['num_classes']
    return next((number for number in map(predicted_classes, head.values()) if number is not None), None)
