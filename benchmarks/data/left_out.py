"""Files in a data set's folders that it leaves out because of their suffix, and masks without an image.

Only for data sets that list folders as mmseg's ``BaseSegDataset`` does. A split list leaves files out on purpose, and
so may a class that makes its own list.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.errors import some_of

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.webp', '.tif', '.tiff', '.gif', '.jp2', '.ppm', '.pgm')
NAMED = 3  # files that are kept by name; the others are counted


@dataclass(frozen=True)
class LeftOut:
    """Files of one folder that a data set does not use.

    Args:
        kind: ``image`` where the suffix of an image does not fit, ``mask`` where a mask has no image.
        folder: The folder.
        suffix: The ``img_suffix`` of the data set.
        files: The number of files.
        first: The names of the first of them.
    """

    kind: str
    folder: str
    suffix: str
    files: int
    first: tuple[str, ...]

    def text(self, split: str, used: int) -> str:
        """A sentence with counts and the cure.

        Args:
            split: The name of the split.
            used: The number of images that the data set uses.
        """
        more = f' and {self.files - len(self.first)} more' if self.files > len(self.first) else ''
        names = ', '.join(self.first) + more
        if self.kind == 'image':
            return (
                f'{split} data: {self.files} image file(s) in {self.folder} are left out, because their names do not '
                f'end with {self.suffix!r}: {names}; {used} are used. Rename them, correct img_suffix (capital and '
                f'small letters differ), or let ImagesAndMasks in plugins.datasets.images_and_masks read all suffixes'
            )
        return (
            f'{split} data: {self.files} mask(s) in {self.folder} have no image: {names}. Add the images (their names '
            f'end with {self.suffix!r}), or take the masks away'
        )


def left_out(leaf: Any) -> list[LeftOut]:
    """The files that one data set leaves out.

    Args:
        leaf: A data set that wraps no other.
    """
    if not _lists_folders(leaf):
        return []
    image_folder, mask_folder = leaf.data_prefix.get('img_path'), leaf.data_prefix.get('seg_map_path')
    if not image_folder or not os.path.isdir(image_folder):
        return []
    pictures = {name for name in _files(image_folder) if name.lower().endswith(IMAGE_SUFFIXES)}
    shared = bool(mask_folder) and os.path.realpath(image_folder) == os.path.realpath(mask_folder)
    ends = (leaf.img_suffix, leaf.seg_map_suffix) if shared else (leaf.img_suffix,)
    unfit = {name for name in pictures if not name.endswith(ends)}
    found = [_found('image', image_folder, leaf.img_suffix, unfit)]
    if mask_folder and not shared and os.path.isdir(mask_folder):
        # An image of another suffix has been named already.
        stems = {os.path.splitext(name)[0] for name in unfit} | {_cut(name, leaf.img_suffix) for name in pictures}
        masks = {name for name in _files(mask_folder) if name.endswith(leaf.seg_map_suffix)}
        lonely = {name for name in masks if _cut(name, leaf.seg_map_suffix) not in stems}
        found.append(_found('mask', mask_folder, leaf.img_suffix, lonely))
    return [part for part in found if part.files]


def files_in(folders: Iterable[str]) -> str:
    """Folders, and the suffixes of the files in each, for the message that no image is found there.

    Args:
        folders: The folders; one that does not exist is named alone.
    """
    return ', '.join(f'{folder} ({_suffixes(folder)})' if os.path.isdir(folder) else folder for folder in folders)


def _suffixes(folder: str) -> str:
    """The suffixes of the files in a folder, and an example of each of the most frequent ones."""
    names = sorted(_files(folder))
    example = {os.path.splitext(name)[1]: name for name in reversed(names)}
    counts = Counter(os.path.splitext(name)[1] for name in names).most_common()
    return some_of([f"{number} files '{suffix}' such as {example[suffix]}" for suffix, number in counts], NAMED) or (
        'it is empty'
    )


def lists_as_mmseg(kind: Any) -> bool:
    """Whether a class of data sets lists its folders as mmseg's ``BaseSegDataset`` does."""
    from mmseg.datasets import BaseSegDataset

    return getattr(kind, 'load_data_list', None) is BaseSegDataset.load_data_list


def _lists_folders(leaf: Any) -> bool:
    if not lists_as_mmseg(type(leaf)):
        return False
    return leaf.backend_args is None and not (leaf.ann_file and os.path.isfile(leaf.ann_file))


def _files(folder: str) -> Iterator[str]:
    """The paths of all files within a folder, but hidden ones, relative to it."""
    for place, _, names in os.walk(folder, followlinks=True):
        for name in names:
            if not name.startswith('.'):
                yield os.path.relpath(os.path.join(place, name), folder)


def _cut(name: str, suffix: str) -> str:
    return name[: len(name) - len(suffix)] if name.endswith(suffix) else name


def _found(kind: str, folder: str, suffix: str, names: Iterable[str]) -> LeftOut:
    ordered = sorted(names)
    return LeftOut(kind, folder, suffix, len(ordered), tuple(ordered[:NAMED]))
