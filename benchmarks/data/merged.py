"""Training and test images as one list, from which folds are taken; refuses splits that cannot be one.

Folds test images that were training images, and the reverse. That is the same task only if both splits are read
alike: by one class of data sets, with the same classes, labels and loading steps.
"""

import csv
import io
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from benchmarks.data.dataset_configs import innermost_types, leaf_configs
from benchmarks.data.file_facts import FileStore
from benchmarks.data.loaded_labels import loaded_label
from benchmarks.data.own_loading import loading_steps, step_name
from benchmarks.data.split import Split
from benchmarks.errors import BadInput, some_of

COLUMNS = ('source', 'index', 'image', 'group')  # of a table that names images; plugins read it
ALIKE = ('classes', 'background', 'reduce_zero_label', 'label_map', 'ignore_index', 'mask_backend')
SHOWN = 3
WITHOUT = 'or take folds out of the grid'


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


def lone_leaf(name: str, dataset_cfg: Mapping) -> Mapping:
    """The only data set inside wrappers.

    Raises:
        BadInput: There are several.
    """
    leaves = list(leaf_configs(dataset_cfg))
    if len(leaves) == 1:
        return leaves[0]
    raise BadInput(
        f'folds: the {name} data are {len(leaves)} data sets ({innermost_types(dataset_cfg)}), and folds are taken of '
        f'one for training and one for the test; give {name}_dataloader.dataset one data set, {WITHOUT}'
    )


def merged(train: Split, test: Split) -> list[Image]:
    """All images of two splits, each file once.

    Raises:
        BadInput: Two files of one name would be one image in the results.
    """
    images, seen = [], set[str]()
    for source, split in enumerate((train, test)):
        for index, (path, mask, name, group) in enumerate(zip(split.images, split.masks, split.names, split.groups)):
            if os.path.abspath(path) in seen:
                continue
            seen.add(os.path.abspath(path))
            unit = group if split.grouped else f'{split.name} {name}'
            images.append(Image(source, index, path, mask, group if split.grouped else '', unit))
    stems = Counter(os.path.splitext(path)[0] for path in seen)
    if twice := sorted(path for path in seen if stems[os.path.splitext(path)[0]] > 1):
        raise BadInput(
            f'folds: {len(twice)} images have the name of another one but for the suffix ({some_of(twice, SHOWN)}), '
            f'and results are kept by name; rename them, {WITHOUT}'
        )
    return images


def refuse_unlike(train: Split, test: Split, train_cfg: Mapping, test_cfg: Mapping) -> None:
    """Refuse two splits that are not read alike.

    Args:
        train: The split for training.
        test: The split for the test.
        train_cfg: The config of its data set.
        test_cfg: Likewise of the test's.

    Raises:
        BadInput: Names each difference, and the cure.
    """
    kinds = innermost_types(train_cfg), innermost_types(test_cfg)
    differences = [] if kinds[0] == kinds[1] else [f'the type is {kinds[0]} in training and {kinds[1]} in the test']
    differences += [
        f'{field} is {getattr(train, field)} in training and {getattr(test, field)} in the test'
        for field in ALIKE
        if getattr(train, field) != getattr(test, field)
    ]
    if train.grouped != test.grouped:
        having, lacking = ('training', 'test') if train.grouped else ('test', 'training')
        differences.append(f"the {having} data declare groups and the {lacking} data do not (metainfo's 'group')")
    differences += _unlike_loading(train_cfg, test_cfg)
    if differences:
        raise BadInput(
            f'folds: training and test data are not read alike, so that they cannot be merged: '
            f'{"; ".join(differences)}. Make them equal in train_dataloader.dataset and in test_dataloader.dataset, '
            f'{WITHOUT}'
        )


def _unlike_loading(train_cfg: Mapping, test_cfg: Mapping) -> Iterator[str]:
    """Loading steps that one pipeline has alone; steps of one's own in the training's pipeline may be augmentation."""
    train, test = list(loading_steps(train_cfg)), list(loading_steps(test_cfg))
    for name, own, others in (('training', train, test), ('test', test, train)):
        for step in own:
            if step not in others and (name == 'test' or step_name(step).startswith('Load')):
                yield f'the step {dict(step)} stands in the pipeline of the {name} alone'


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
