"""A data set of two folders, of images and of masks, whose files may have any usual suffix.

    dataset=dict(
        type='ImagesAndMasks', data_root='data/leaves',
        data_prefix=dict(img_path='images', seg_map_path='masks'), ann_file='train.txt',
        metainfo=dict(classes=('background', 'leaf'), background=0), group='(.*)_frame')

A file's *name* is its path within its folder, without the suffix: ``field/7`` for ``images/field/7.JPG``. An image and
its mask have one name, unless ``mask_name`` says how the mask is called.
"""

import csv
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

SUFFIXES = ('.png', '.jpg', '.jpeg', '.tif', '.tiff', '.bmp', '.gif', '.webp', '.ppm', '.pgm')
SHOWN = 10


@DATASETS.register_module()
class ImagesAndMasks(BaseSegDataset):
    """Images and masks in two folders, of mixed formats; part of them, in groups.

    Args:
        img_suffix: The suffix of images, or several; upper and lower case count alike. Of these only, if the folder
            holds other files with usual suffixes too.
        seg_map_suffix: Likewise of masks.
        include: A regular expression; only images in whose name it is found belong to the data set.
        exclude: A regular expression; images in whose name it is found do not belong to the data set.
        mask_name: A regular expression and what stands in its place in the name of the mask:
            ``('_training$', '_manual1')``.
        group: Which images are not independent of each other (of one patient, of one video). Either a regular
            expression, matched from the beginning of the name, whose group ``( )`` is the image's group; or
            ``dict(csv='groups.csv', image='file', group='patient')``: a file below ``data_root`` with a row for each
            image, and its two columns. A subclass may define ``group_of(name)`` instead.
        label_map: Label in the masks → index of a class, for labels that are no indices: ``{255: 1}``.
        ann_file: As in mmseg, a list of images, one name a line; a suffix is allowed.
        kwargs: The other arguments of ``BaseSegDataset``.

    Raises:
        ValueError: Files and declarations do not fit; names the files.
    """

    def __init__(
        self,
        img_suffix: str | Sequence[str] = SUFFIXES,
        seg_map_suffix: str | Sequence[str] = SUFFIXES,
        include: str | None = None,
        exclude: str | None = None,
        mask_name: Sequence[str] | None = None,
        group: str | Mapping[str, str] | None = None,
        label_map: Mapping[int, int] | None = None,
        ann_file: str = '',
        **kwargs,
    ) -> None:
        self.image_suffixes, self.mask_suffixes = _lower(img_suffix), _lower(seg_map_suffix)
        self.include, self.exclude = _pattern('include', include), _pattern('exclude', exclude)
        if mask_name is not None and len(mask_name) != 2:
            raise ValueError(f"mask_name is {mask_name!r}; give two texts, such as ('_training$', '_manual1')")
        self.mask_name = mask_name
        self.mask_pattern = _pattern('mask_name', mask_name[0]) if mask_name else None
        self.group = group
        self.group_pattern = _pattern('group', group) if isinstance(group, str) else None
        if self.group_pattern is not None and self.group_pattern.groups != 1:
            raise ValueError(f"group '{group}' has {self.group_pattern.groups} groups ( ); give it one")
        if isinstance(group, Mapping) and set(group) != {'csv', 'image', 'group'}:
            raise ValueError(f"group is {group!r}; give a regular expression, or dict(csv=…, image='…', group='…')")
        lazy = kwargs.pop('lazy_init', False)
        super().__init__(ann_file=ann_file, img_suffix='', seg_map_suffix='', lazy_init=True, **kwargs)
        if label_map is not None:
            self.label_map = {int(old): int(new) for old, new in label_map.items()}
            self._metainfo['label_map'] = self.label_map
        if not lazy:
            self.full_init()

    def load_data_list(self) -> list[dict]:
        """mmseg's data infos, in the order of the names, each with ``group`` where groups are declared."""
        images = _files(self.data_prefix['img_path'], self.image_suffixes, 'images')
        names = self._chosen(images)
        masks = self._masks(names) if self.data_prefix.get('seg_map_path') else {}
        groups = self._groups(names, images)
        infos = []
        for name in names:
            info = dict(img_path=images[name], label_map=self.label_map, reduce_zero_label=self.reduce_zero_label)
            info['seg_fields'] = []
            if masks:
                info['seg_map_path'] = masks[name]
            if groups:
                info['group'] = groups[name]
            infos.append(info)
        return infos

    def group_of(self, name: str) -> str | None:
        """The group of the image with this name, by the regular expression; None where no groups are declared."""
        if self.group_pattern is None:
            return None
        found = self.group_pattern.match(name)
        return found[1] if found else ''

    def _chosen(self, images: Mapping[str, str]) -> list[str]:
        """The names of the images that belong to the data set."""
        names = sorted(images) if not self.ann_file else self._listed(images)
        for pattern, wanted in ((self.include, True), (self.exclude, False)):
            if pattern is not None:
                names = [name for name in names if bool(pattern.search(name)) is wanted]
        if not names:
            raise ValueError(
                f'no image of {self.data_prefix["img_path"]} ({len(images)} images, such as {_some(images)}) is chosen '
                f'by include={_text(self.include)}, exclude={_text(self.exclude)}, ann_file={self.ann_file!r}'
            )
        return names

    def _listed(self, images: Mapping[str, str]) -> list[str]:
        """The names in ``ann_file``."""
        with open(self.ann_file, encoding='utf-8-sig') as stream:
            names = [_without(line.strip(), self.image_suffixes) for line in stream if line.strip()]
        _refuse(
            f'{self.ann_file} lists names of which {self.data_prefix["img_path"]} has no image', set(names) - {*images}
        )
        _refuse(f'{self.ann_file} lists names twice', _repeated(names))
        return names

    def _masks(self, names: Sequence[str]) -> dict[str, str]:
        """The path of each image's mask, by the image's name."""
        folder = self.data_prefix['seg_map_path']
        masks = _files(folder, self.mask_suffixes, 'masks')
        called = {name: self._mask_of(name) for name in names}
        missing = {
            f'{name} (mask {mask})' if mask != name else name for name, mask in called.items() if mask not in masks
        }
        _refuse(f'{folder} has no mask of these images; say how masks are called with mask_name', missing)
        _refuse('mask_name gives several images these masks', _repeated(called.values()))
        return {name: masks[mask] for name, mask in called.items()}

    def _mask_of(self, name: str) -> str:
        """The name of the mask of an image."""
        if self.mask_pattern is None or self.mask_name is None:
            return name
        return self.mask_pattern.sub(self.mask_name[1], name)

    def _groups(self, names: Sequence[str], images: Mapping[str, str]) -> dict[str, str]:
        """The group of each image by its name; empty where no groups are declared."""
        if isinstance(self.group, Mapping):
            groups = self._groups_of_table(self.group, images)
            _refuse(f'{self.group["csv"]} has no row for these images', set(names) - {*groups})
            return groups
        found = {name: self.group_of(name) for name in names}
        if all(group is None for group in found.values()):
            return {}
        declared = f"group '{self.group}'" if self.group_pattern else f'group_of of {type(self).__name__}'
        _refuse(f'{declared} gives these images no group', {name for name, group in found.items() if not group})
        return {name: str(group) for name, group in found.items()}

    def _groups_of_table(self, declared: Mapping[str, str], images: Mapping[str, str]) -> dict[str, str]:
        """The group of each image that the table has; rows of images outside this part of the data are no mistake."""
        path, image, group = os.path.join(self.data_root or '', declared['csv']), declared['image'], declared['group']
        with open(path, newline='', encoding='utf-8-sig') as stream:
            reader = csv.DictReader(stream)
            _refuse(f'{path} lacks columns; it has {reader.fieldnames}', {image, group} - {*(reader.fieldnames or ())})
            rows = [(_without(row[image] or '', self.image_suffixes), row[group]) for row in reader]
        _refuse(
            f'{path} has rows without a file in {self.data_prefix["img_path"]}', {name for name, _ in rows} - {*images}
        )
        _refuse(f'{path} has rows without a group', {name for name, value in rows if not value})
        groups = dict(rows)
        _refuse(f'{path} gives these images two groups', {name for name, value in rows if groups[name] != value})
        return groups


def _files(folder: str, suffixes: Sequence[str], what: str) -> dict[str, str]:
    """The files of a folder and of those within it, by name; hidden ones are left out."""
    found: dict[str, list[str]] = {}
    if not os.path.isdir(folder):
        raise FileNotFoundError(2, f'the folder of {what} does not exist', folder)
    for place, inside, files in os.walk(folder, followlinks=True):
        inside[:] = sorted(name for name in inside if not name.startswith('.'))
        for file in sorted(files):
            stem, suffix = os.path.splitext(file)
            if suffix.lower() in suffixes and not file.startswith('.'):
                name = os.path.relpath(os.path.join(place, stem), folder).replace(os.sep, '/')
                found.setdefault(name, []).append(os.path.join(place, file))
    if not found:
        raise ValueError(f'{folder} holds no {what} (suffixes {", ".join(suffixes)})')
    twice = {' and '.join(paths) for paths in found.values() if len(paths) > 1}
    _refuse(f'{what} of one name; remove one, or give its suffix (img_suffix, seg_map_suffix)', twice)
    return {name: paths[0] for name, paths in found.items()}


def _without(name: str, suffixes: Sequence[str]) -> str:
    """A name without its suffix; what comes after another dot is part of the name."""
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in suffixes else name


def _lower(suffixes: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(suffix.lower() for suffix in ((suffixes,) if isinstance(suffixes, str) else suffixes))


def _pattern(argument: str, text: str | None) -> re.Pattern | None:
    try:
        return None if text is None else re.compile(text)
    except re.error as error:
        raise ValueError(f"{argument} '{text}' is no regular expression: {error}") from error


def _text(pattern: re.Pattern | None) -> str | None:
    return pattern and pattern.pattern


def _repeated(names: Iterable[str]) -> set[str]:
    return {name for name, times in Counter(names).items() if times > 1}


def _some(names: Iterable[str]) -> str:
    names = sorted(names)
    return ', '.join(names[:SHOWN]) + (f' and {len(names) - SHOWN} more' if len(names) > SHOWN else '')


def _refuse(fault: str, culprits: Collection[str]) -> None:
    if culprits:
        raise ValueError(f'{fault}: {_some(culprits)}')
