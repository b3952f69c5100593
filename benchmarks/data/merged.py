"""Images of several data sets as one list, from which folds are taken; refuses data sets that cannot be one.

Folds test images that were training images, and the reverse. That is the same task only if all data sets are read
alike: by one class of data sets, with the same classes, labels and loading steps. Each loader reads one data set, or a
concatenation (``ConcatDataset``) of several with one pipeline. What a concatenation would lose is refused: other
wrappers inside it, and images that it repeats.
"""

import csv
import io
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

from benchmarks.data.dataset_configs import innermost_types
from benchmarks.data.file_facts import FileStore
from benchmarks.data.loaded_labels import loaded_label
from benchmarks.data.own_loading import loading_steps, step_name
from benchmarks.data.split import Split
from benchmarks.errors import BadInput, some_of

COLUMNS = ('source', 'index', 'image', 'group')  # of a table that names images; plugins read it
ALIKE = ('classes', 'background', 'reduce_zero_label', 'label_map', 'ignore_index', 'mask_backend')
SHOWN = 3
_LOADERS = dict(train='training', test='the test')


class Asked(NamedTuple):
    """What asks for one list of images, for messages.

    Attributes:
        field: The field of the grid.
        without: How to do without it.
    """

    field: str
    without: str


FOLDS = Asked('folds', 'or take folds out of the grid')
CARVING = Asked('validation_share', 'or give val_dataloader images of its own')


class Source(NamedTuple):
    """A data set whose images are merged.

    Attributes:
        split: Its list, by the name of its loader.
        config: Its config.
        number: Its number in a concatenation, from 1; 0 where it is the only data set of its loader.
    """

    split: Split
    config: Mapping
    number: int = 0

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        loader = _LOADERS[self.split.name]
        return f'data set {self.number} of {loader}' if self.number else loader


class Image(NamedTuple):
    """An image of one of several splits.

    Attributes:
        source: The number of the split.
        place: Its place in the split's list.
        path: Its file.
        mask: The file of its mask.
        group: Its group; '' where the data set declares none.
        unit: What is never parted: the group, or else the image itself.
    """

    source: int
    place: int
    path: str
    mask: str
    group: str
    unit: str


def leaves_to_merge(asked: Asked, name: str, dataset_cfg: Mapping) -> list[Mapping]:
    """The data set inside the wrappers of a loader, or those of its concatenation.

    Raises:
        BadInput: There are several that are no plain concatenation, or that have unlike pipelines.
    """
    node = dataset_cfg
    while (inner := _inner(node)) is not None:
        if len(inner) != 1:
            return _concatenated(asked, name, node, inner)
        node = inner[0]
    return [node]


def _inner(cfg: Mapping) -> Sequence[Mapping] | None:
    """The configs right inside a wrapper; None for a data set that is no wrapper."""
    return [cfg['dataset']] if 'dataset' in cfg else cfg.get('datasets')


def _concatenated(asked: Asked, name: str, wrapper: Mapping, leaves: Sequence[Mapping]) -> list[Mapping]:
    kind = step_name(wrapper)
    wrapped = next((leaf for leaf in leaves if _inner(leaf) is not None), None)
    if not leaves:
        fault = f'{kind} names none'
    elif kind != 'ConcatDataset':
        fault = f'{kind} joins them in a way of its own'
    elif wrapped is not None:
        fault = f'{step_name(wrapped)} stands around one of them alone'
    else:
        fault = next(_unlike_reading(leaves), '')
    if fault:
        raise BadInput(
            f'{asked.field}: the {name} data are {len(leaves)} data sets ({innermost_types(wrapper)}), and {fault}, so '
            f'that they cannot be one list of images; make {name}_dataloader.dataset one data set, or a ConcatDataset '
            f'of data sets with one pipeline, {asked.without}'
        )
    return list(leaves)


def _unlike_reading(leaves: Sequence[Mapping]) -> Iterator[str]:
    """In what a data set of a concatenation is read otherwise than the first one."""
    for number, leaf in enumerate(leaves[1:], 2):
        for key in ('pipeline', 'test_mode'):
            if leaf.get(key) != leaves[0].get(key):
                yield f'{key} of data set {number} is not that of data set 1{_first_step(leaves[0], leaf, key)}'


def _first_step(one: Mapping, other: Mapping, key: str) -> str:
    """The first step in which two pipelines differ, for a message."""
    if key != 'pipeline':
        return ''
    pipelines = [[str(dict(step)) for step in leaf.get(key) or []] for leaf in (other, one)]
    pairs = enumerate(zip_longest(*pipelines, fillvalue='nothing'))
    found = (f' (step {n}: {steps[0]}, not {steps[1]})' for n, steps in pairs if steps[0] != steps[1])
    return next(found, '')


def merged(asked: Asked, splits: Sequence[Split]) -> list[Image]:
    """All images of some splits, each file once.

    Args:
        asked: For messages.
        splits: In the order of their sources.

    Raises:
        BadInput: A loader lists a file twice, or two files of one name would be one image in the results.
    """
    images, seen = [], dict[str, set[str]]()
    loaders = Counter(split.name for split in splits)
    for source, split in enumerate(splits):
        # Images without groups are told apart by their names, which those of another data set may have, too.
        own = split.name if loaders[split.name] == 1 else f'{split.name} {source}'
        for index, (path, mask, name, group) in enumerate(zip(split.images, split.masks, split.names, split.groups)):
            listed_by = seen.setdefault(os.path.abspath(path), set())
            if split.name in listed_by:
                raise BadInput(
                    f'{asked.field}: the {split.name} data list {path} more than once, and in one list of images it '
                    f'would count once; list each image once, {asked.without}'
                )
            if not listed_by:
                unit = group if split.grouped else f'{own} {name}'
                images.append(Image(source, index, path, mask, group if split.grouped else '', unit))
            listed_by.add(split.name)
    stems = Counter(os.path.splitext(path)[0] for path in seen)
    if twice := sorted(path for path in seen if stems[os.path.splitext(path)[0]] > 1):
        raise BadInput(
            f'{asked.field}: {len(twice)} images have the name of another one but for the suffix '
            f'({some_of(twice, SHOWN)}), and results are kept by name; rename them, {asked.without}'
        )
    return images


def refuse_unlike(asked: Asked, sources: Sequence[Source]) -> None:
    """Refuse data sets that are not read alike.

    Args:
        asked: For messages.
        sources: Those for training, then those of the test.

    Raises:
        BadInput: Names each difference to the first data set, and the cure.
    """
    first = sources[0]
    differences = [text for other in sources[1:] for text in _differences(first, other)]
    tested = next((source for source in sources if source.split.name != first.split.name), None)
    differences += _unlike_loading(first, tested) if tested else []
    if differences:
        loaders = dict.fromkeys(f'{source.split.name}_dataloader.dataset' for source in sources)
        raise BadInput(
            f'{asked.field}: the data are not read alike, so that they cannot be merged: {"; ".join(differences)}. '
            f'Make them equal in {" and in ".join(loaders)}, {asked.without}'
        )


def _differences(one: Source, other: Source) -> Iterator[str]:
    """In what two data sets differ, but for their pipelines."""
    kinds = innermost_types(one.config), innermost_types(other.config)
    if kinds[0] != kinds[1]:
        yield f'the type is {kinds[0]} in {one.place} and {kinds[1]} in {other.place}'
    for field in ALIKE:
        values = getattr(one.split, field), getattr(other.split, field)
        if values[0] != values[1]:
            yield f'{field} is {values[0]} in {one.place} and {values[1]} in {other.place}'
    if one.split.grouped != other.split.grouped:
        having, lacking = (one, other) if one.split.grouped else (other, one)
        yield f"groups are declared in {having.place} and not in {lacking.place} (metainfo's 'group')"


def _unlike_loading(train: Source, test: Source) -> Iterator[str]:
    """Loading steps that one pipeline has alone; steps of one's own in the training's pipeline may be augmentation."""
    loaded = [(source, list(loading_steps(source.config))) for source in (train, test)]
    for (source, own), (_, others) in (loaded, loaded[::-1]):
        for step in own:
            if step not in others and (source is test or step_name(step).startswith('Load')):
                yield f'the step {dict(step)} stands in the pipeline of {source.place} alone'


def labels_of(images: Sequence[Image], splits: Sequence[Split], files: FileStore) -> list[set[int]]:
    """The classes that each image shows, as far as its mask file tells; void is none.

    Args:
        images: The images.
        splits: The splits that they come from.
        files: The facts of mask files.
    """
    facts = iter(files.masks([image.mask for image in images if image.mask]))
    shown = []
    for image in images:
        mask = next(facts) if image.mask else None
        loaded = (loaded_label(label, splits[image.source]) for label in (mask and mask.labels) or ())
        shown.append({label for label in loaded if label is not None})
    return shown


def table_of(images: Sequence[Image]) -> str:
    """The table that names images, as the plugin reads it."""
    text = io.StringIO(newline='')
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(COLUMNS)
    writer.writerows((one.source, one.place, os.path.basename(one.path), one.group) for one in images)
    return text.getvalue()
