"""Values of a data set's config that have the wrong type, named by their key.

Before a data set is built, the texts of its metainfo are looked at, because mmengine reads a text that names a file.
When it cannot be built, what should be a text may be the reason: on the command line a comma makes a list. What a
built data set has is looked at before anything is read from its folders.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from benchmarks.data.dataset_configs import leaf_configs
from benchmarks.data.left_out import lists_as_mmseg
from benchmarks.errors import BadInput

READER = 'ImagesAndMasks in plugins.datasets.images_and_masks'


def refuse_misread_metainfo(cfg: Mapping, place: str) -> None:
    """Refuse a text in ``metainfo`` that mmengine would read as a file, classes that are no names, and no dicts.

    Args:
        cfg: The config of a data set.
        place: Its name in messages, such as ``train_dataloader.dataset``.

    Raises:
        BadInput: Names each such key.
    """
    mistakes = []
    for leaf in leaf_configs(cfg):
        mistakes += [
            f'{place}: {key} is {leaf[key]!r}, not a dict. Write {key}={example}'
            for key, example in (('metainfo', "dict(classes=('…', '…'))"), ('data_prefix', "dict(img_path='…')"))
            if leaf.get(key) and not isinstance(leaf[key], Mapping)
        ]
    if mistakes:
        raise BadInput(*mistakes)
    for leaf in leaf_configs(cfg):
        classes = (leaf.get('metainfo') or {}).get('classes') or ()
        if not isinstance(classes, (str, list, tuple)) or not all(isinstance(name, str) for name in classes):
            mistakes.append(f"{place}: metainfo.classes is {classes!r}. Write their names: classes=('…', '…')")
        for key, value in (leaf.get('metainfo') or {}).items():
            if not isinstance(value, str):
                continue
            if os.path.isdir(value) or (os.path.isfile(value) and key != 'classes'):
                kind = 'folder' if os.path.isdir(value) else 'file'
                mistakes.append(
                    f'{place}: metainfo.{key} is {value!r}, and a {kind} of that name lies in the current folder, '
                    f'which mmengine would read in its place. Write it differently'
                )
            elif key == 'classes' and not os.path.isfile(value):
                mistakes.append(
                    f'{place}: metainfo.classes is the text {value!r}, of which each letter would be a class. Write a '
                    f'tuple: classes=({value!r},)'
                )
    if mistakes:
        raise BadInput(*mistakes)


def refuse_lists_for_texts(cfg: Mapping, place: str) -> None:
    """Refuse a path or suffix that is no text, of a data set that cannot be built.

    Args:
        cfg: The config of the data set.
        place: As in :func:`refuse_misread_metainfo`.

    Raises:
        BadInput: Names each such key.
    """
    mistakes = []
    for leaf in leaf_configs(cfg):
        for key, value in _paths(leaf):
            if value is not None and not isinstance(value, (str, os.PathLike)):
                joined = ','.join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
                mistakes.append(
                    f'{place}: {key} is {value!r}, not a text. On the command line a comma makes a list; quotes within '
                    f'the quotes keep it: --cfg-options …{key}="\'{joined}\'"'
                )
        mistakes += _several_suffixes(leaf.get, _class_of(leaf), place)
    if mistakes:
        raise BadInput(*mistakes)


def refuse_wrong_attributes(dataset: Any, place: str) -> None:
    """Refuse attributes of a built data set that mmseg would misread without a word.

    Args:
        dataset: A data set that wraps no other.
        place: As in :func:`refuse_misread_metainfo`.

    Raises:
        BadInput: Names each such attribute.
    """
    mistakes = _several_suffixes(partial(getattr, dataset), type(dataset), place)
    void = getattr(dataset, 'ignore_index', 255)
    if isinstance(void, bool) or not hasattr(void, '__index__'):
        mistakes.append(f'{place}: ignore_index is {void!r}, not a whole number. Write ignore_index=255')
    shifts = getattr(dataset, 'reduce_zero_label', False)
    if isinstance(shifts, str):
        mistakes.append(f'{place}: reduce_zero_label is the text {shifts!r}, which counts as True. Write True or False')
    if mistakes:
        raise BadInput(*mistakes)


def _paths(leaf: Mapping) -> Iterator[tuple[str, Any]]:
    """The keys of a data set's config that mmengine takes texts for, and their values."""
    for key in ('data_root', 'ann_file'):
        yield key, leaf.get(key)
    for key, value in (leaf.get('data_prefix') or {}).items():
        yield f'data_prefix.{key}', value


def _several_suffixes(value_of: Callable[[str, Any], Any], kind: Any, place: str) -> list[str]:
    """Messages on suffixes that are no text, of a class that lists its folders as mmseg's ``BaseSegDataset`` does."""
    return [
        f'{place}: {key} is {value!r}, but {kind.__name__} takes one text. {READER} takes several suffixes'
        for key in ('img_suffix', 'seg_map_suffix')
        if lists_as_mmseg(kind) and not isinstance(value := value_of(key, ''), str)
    ]


def _class_of(leaf: Mapping) -> Any:
    from mmseg.registry import DATASETS

    kind = leaf.get('type')
    return DATASETS.get(kind) if isinstance(kind, str) else kind
