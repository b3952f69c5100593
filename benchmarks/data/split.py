"""The images, masks, groups and classes of a split, as the data set itself lists them.

Folders alone are not enough: VOC keeps images outside its split lists, ADE20K shifts its labels, a plugin may filter.
So the data set is built, with an empty pipeline, and its own list is read. That imports torch and mmseg, which takes
seconds, so the listing is kept in a file until a folder, a list file or the data set's code changes.
"""

import hashlib
import inspect
import json
import os
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.data.dataset_configs import (
    image_folders,
    innermost_types,
    leaf_configs,
    mask_backend,
    missing_paths,
    named_files,
    without_pipelines,
)
from benchmarks.data.declared_groups import GROUP, declared_groups
from benchmarks.data.left_out import LeftOut, files_in, left_out
from benchmarks.data.value_types import refuse_lists_for_texts, refuse_misread_metainfo, refuse_wrong_attributes
from benchmarks.errors import BadInput
from benchmarks.files import read_json, write_json
from benchmarks.stacks.imports import import_quietly, quieten_mmengine

LISTING_VERSION = 5  # raise it when `list_split` lists the same data set differently, or when more files are watched
# Two changes of a file within one tick of the file system's clock leave the same time stamp, so a fresh one proves
# nothing.
SETTLED_NS = 2_000_000_000


@dataclass(frozen=True)
class Split:
    """One split (train, val or test), as its data set lists it.

    Attributes:
        name: 'train', 'val' or 'test'.
        images: Image paths in the data set's order, as the data set gives them.
        masks: Mask paths beside them; '' where the data set names none.
        names: Unique ids: the path within the image folder, without its suffix.
        groups: The group of each image. Images of one group are not independent of each other: they show one patient,
            or one slab of slices. It is the data info's ``group``, or what the metainfo's ``group`` says, or else the
            image's own name.
        grouped: Whether the data set or its metainfo gave the groups.
        classes: Class names; () if the data set has none.
        background: Index of the class that counts as background; None in scenes where every class counts.
        reduce_zero_label: Whether label 0 becomes void and the others move down by one.
        label_map: Old label → new label, for a data set used with some of its classes; None otherwise.
        ignore_index: The label of void pixels.
        folders: Image folders, for messages.
        samples: Number of images drawn in one pass; more than there are images if a wrapper repeats them. None if it
            is not known.
        background_declared: Whether the metainfo says which class is the background, or that there is none.
        left_out: Files in its folders that the data set does not use because of their names.
        mask_backend: The library that decodes masks.
    """

    name: str
    images: list[str]
    masks: list[str]
    names: list[str]
    groups: list[str]
    grouped: bool
    classes: tuple[str, ...]
    background: int | None
    reduce_zero_label: bool
    label_map: dict[int, int] | None
    ignore_index: int
    folders: tuple[str, ...]
    samples: int | None = None
    background_declared: bool = True
    left_out: tuple[LeftOut, ...] = ()
    mask_backend: str = 'pillow'


def list_split(name: str, dataset_cfg: Mapping, *, imports: Sequence[str] = ()) -> Split:
    """Build the data set and read its own list, and the lists inside wrappers (repeated, concatenated …).

    A repeated data set is listed once; one that stands twice in a concatenation is listed twice.

    Args:
        name: 'train', 'val' or 'test'.
        dataset_cfg: The ``dataset`` of a dataloader.
        imports: Modules that register the data set (the config's ``custom_imports``).

    Returns:
        The split; it may be empty, see :func:`benchmarks.data.checks.check_split`.

    Raises:
        BadInput: The data set cannot be built; the message names the missing folder if that is the cause.
    """
    return _list(name, dataset_cfg, imports)[0]


def cached_split(
    name: str, dataset_cfg: Mapping, cache_dir: str | os.PathLike, *, imports: Sequence[str] = ()
) -> Split:
    """:func:`list_split` with a cache, so that a second call imports neither torch nor mmseg.

    A cached listing holds as long as none of these changes:

    * the data set's config, except for its pipeline;
    * the working directory;
    * the time stamps of all folders inside the image and mask folders;
    * size and time stamp of every file that the config names (``ann_file``);
    * size and time stamp of the source files of the data set's class and of its wrappers, and of the files beside them.

    The contents of images and masks are not read: see :mod:`benchmarks.data.fingerprint`.

    Args:
        name: 'train', 'val' or 'test'.
        dataset_cfg: The ``dataset`` of a dataloader.
        cache_dir: Folder of the cached listings; made if missing.
        imports: Modules that register the data set; imported only if the data set must be built.

    Raises:
        BadInput: As :func:`list_split`.
    """
    remembered = remembered_split(name, dataset_cfg, cache_dir)
    if remembered is not None:
        return remembered
    quieten_mmengine()
    split, watched = _list(name, dataset_cfg, imports)
    stamps = _stamps(watched)
    if all(_settled(stamp) for stamp in stamps.values()):
        write_json(_listing(name, dataset_cfg, cache_dir), dict(split=asdict(split), watched=stamps))
    return split


def data_infos(name: str, dataset_cfg: Mapping, imports: Sequence[str] = ()) -> list[dict]:
    """The data set's own entry of each image of :func:`list_split`, in the same order.

    Raises:
        BadInput: As :func:`list_split`.
    """
    quieten_mmengine()
    return [info for leaf in _leaves(_build(name, dataset_cfg, imports)) for info in _data_infos(name, leaf)]


def remembered_split(name: str, dataset_cfg: Mapping, cache_dir: str | os.PathLike) -> Split | None:
    """The cached listing of :func:`cached_split`; None if the data set must be listed anew."""
    entry = read_json(_listing(name, dataset_cfg, cache_dir))
    try:
        if entry['watched'] == _stamps(entry['watched']):
            # The pipeline, which names the backend, is no part of the listing's key.
            return replace(_split_from_json(entry['split']), mask_backend=mask_backend(dataset_cfg))
    except (KeyError, TypeError, ValueError, AttributeError):
        pass  # no listing yet, or one that cannot be read
    return None


def _listing(name: str, dataset_cfg: Mapping, cache_dir: str | os.PathLike) -> Path:
    return Path(cache_dir) / f'listing_{_listing_key(name, dataset_cfg)}.json'


def _list(name: str, dataset_cfg: Mapping, imports: Sequence[str]) -> tuple[Split, list[str]]:
    """The split, and the paths whose change would make it stale."""
    dataset = _build(name, dataset_cfg, imports)
    leaves = list(_leaves(dataset))
    for leaf in leaves:
        refuse_wrong_attributes(leaf, f'{name} data: {type(leaf).__name__}')
    infos = [(leaf, info) for leaf in leaves for info in _grouped(name, leaf)]
    images = [info['img_path'] for _, info in infos]
    masks = [info.get('seg_map_path') or '' for _, info in infos]
    roots = [_image_root(leaf, images) for leaf in leaves]
    names = _names(infos, os.path.commonpath(list(map(os.path.abspath, roots))))
    meta = leaves[0].metainfo
    classes = tuple(meta.get('classes') or ())
    split = Split(
        name=name,
        images=images,
        masks=masks,
        names=names,
        groups=[str(info.get('group', own)) for (_, info), own in zip(infos, names)],
        grouped=any('group' in info for _, info in infos),
        classes=classes,
        background=_background(name, leaves[0], meta.get('background'), classes),
        reduce_zero_label=bool(getattr(leaves[0], 'reduce_zero_label', False)),
        label_map=getattr(leaves[0], 'label_map', None),
        ignore_index=int(getattr(leaves[0], 'ignore_index', 255)),
        folders=tuple(dict.fromkeys(roots)),
        samples=len(dataset),
        background_declared='background' in meta,
        left_out=tuple(part for leaf in leaves for part in left_out(leaf)),
        mask_backend=mask_backend(dataset_cfg),
    )
    return split, _watched(split, dataset, dataset_cfg)


def _build(name: str, dataset_cfg: Mapping, imports: Sequence[str]) -> Any:
    import_quietly('mmseg.datasets')  # registers mmseg's own
    from mmengine.registry import DefaultScope
    from mmseg.registry import DATASETS

    for module in imports:
        try:
            import_quietly(module)
        except ImportError as error:
            raise BadInput(
                f'{name} data: custom_imports names {module}, which cannot be imported ({error}). '
                'Correct the name or install what it needs'
            ) from error
    cfg, place = without_pipelines(dataset_cfg), f'{name} data: {innermost_types(dataset_cfg)}'
    refuse_misread_metainfo(cfg, place)
    try:
        # Wrappers build what they wrap in mmengine's registry, which finds mmseg's classes by the default scope only.
        with DefaultScope.overwrite_default_scope('mmseg'):
            return DATASETS.build(cfg)
    except Exception as error:
        refuse_lists_for_texts(cfg, place)
        missing = missing_paths(cfg)
        # An error with another cause keeps its own message, even if a path is missing: a data set may use
        # `data_prefix` as a template for its folder's name.
        if missing and (isinstance(error, AssertionError) or getattr(error, 'filename', None)):
            raise BadInput(
                f'{name} data: {", ".join(missing)} not found. Put the data there, or name the folder '
                'where it is with --data-root'
            ) from error
        # mmengine cannot pack the list of a data set that found nothing.
        if any(frame.name == '_serialize_data' for frame in traceback.extract_tb(error.__traceback__)):
            raise BadInput(
                f'{name} data: no image found in {files_in(image_folders(cfg))}. '
                "Correct the data set's data_prefix, img_suffix or ann_file"
            ) from error
        raise BadInput(
            f'{name} data: the data set {innermost_types(cfg)} cannot be built '
            f'({type(error).__name__}: {error}{_files_there(cfg, str(error))}). Correct {name}_dataloader.dataset'
        ) from error


def _files_there(cfg: Mapping, message: str) -> str:
    """The files in the image folders that a message names."""
    named = [folder for folder in image_folders(cfg) if os.path.isdir(folder) and folder in message]
    return f'; there is {files_in(named)}' if named else ''


def _leaves(dataset: Any) -> Iterator[Any]:
    """The data sets inside wrappers such as RepeatDataset, ConcatDataset and MultiImageMixDataset."""
    return (part for part in nested(dataset) if _inner(part) is None)


def nested(dataset: Any) -> Iterator[Any]:
    """A data set and, if it is a wrapper, all data sets inside it."""
    yield dataset
    for item in _inner(dataset) or []:
        yield from nested(item)


def _inner(dataset: Any) -> Sequence | None:
    """The data sets right inside a wrapper; None for a data set that is no wrapper."""
    inner = getattr(dataset, 'datasets', None)
    return [dataset.dataset] if inner is None and hasattr(dataset, 'dataset') else inner


def _data_infos(name: str, leaf: Any) -> list[dict]:
    # Through get_data_info, because `data_list` itself is emptied once it has been serialised.
    if not hasattr(leaf, 'get_data_info'):
        raise BadInput(
            f'{name} data: {type(leaf).__name__} does not list its images. Derive it from mmseg.datasets.BaseSegDataset'
        )
    infos = [leaf.get_data_info(index) for index in range(len(leaf))]
    if infos and 'img_path' not in infos[0]:
        raise BadInput(
            f'{name} data: the data infos of {type(leaf).__name__} have no img_path. '
            'Derive it from mmseg.datasets.BaseSegDataset'
        )
    return infos


def _grouped(name: str, leaf: Any) -> list[dict]:
    """The data infos of a data set, with the ``group`` that its metainfo declares."""
    infos, declared = _data_infos(name, leaf), leaf.metainfo.get(GROUP)
    if declared is None:
        return infos
    own = type(leaf).__name__
    if any('group' in info for info in infos):
        raise BadInput(
            f"{name} data: metainfo declares '{GROUP}', but {own} gives its images groups itself. Remove one of the two"
        )
    root = _image_root(leaf, [info['img_path'] for info in infos])
    names = [_name(leaf, info, root) for info in infos]
    try:
        groups = declared_groups(
            declared, names, getattr(leaf, 'data_root', None) or '', getattr(leaf, 'img_suffix', None) or ''
        )
    except BadInput as error:
        raise BadInput(f'{name} data: {error}') from error
    return [{**info, 'group': group} for info, group in zip(infos, groups)]


def _image_root(leaf: Any, images: list[str]) -> str:
    prefix = (getattr(leaf, 'data_prefix', None) or {}).get('img_path')
    if prefix:
        return os.path.normpath(prefix)
    if images:
        return os.path.commonpath([os.path.dirname(image) for image in images]) or '.'
    return getattr(leaf, 'data_root', None) or '.'


def _names(infos: list[tuple[object, dict]], root: str) -> list[str]:
    names: list[str] = []
    seen: dict[str, int] = {}
    for leaf, info in infos:
        name = _name(leaf, info, root)
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f'{name}#{seen[name]}')
    return names


def _name(leaf: Any, info: dict, root: str) -> str:
    """The path of an image within a folder, without its suffix."""
    name = os.path.relpath(info['img_path'], root).replace(os.sep, '/')
    suffix = getattr(leaf, 'img_suffix', None) or ''
    return name[: -len(suffix)] if suffix and name.endswith(suffix) else os.path.splitext(name)[0]


def _background(name: str, leaf: Any, declared: str | int | None, classes: tuple[str, ...]) -> int | None:
    """Index of the class that the metainfo declares as background, or of a class called 'background', or None."""
    if declared is None:
        undeclared = 'background' not in leaf.metainfo
        return classes.index('background') if undeclared and 'background' in classes else None
    if isinstance(declared, str) and declared in classes:
        return classes.index(declared)
    if declared in (type(leaf).METAINFO.get('classes') or ()):
        return None  # the data set is used with some of its classes, and the background is not among them
    if isinstance(declared, int) and 0 <= declared < len(classes):
        return declared
    raise BadInput(
        f"{name} data: metainfo's background {declared!r} is none of the classes {classes}. "
        'Give the name or the index of a class'
    )


def _watched(split: Split, dataset: Any, dataset_cfg: Mapping) -> list[str]:
    folders = {os.path.dirname(os.path.abspath(path)) for path in (*split.images, *split.masks) if path}
    for leaf in _leaves(dataset):
        for prefix in (getattr(leaf, 'data_prefix', None) or {}).values():
            if prefix and os.path.isdir(prefix):
                folders.update(os.path.abspath(folder) for folder, _, _ in os.walk(prefix, followlinks=True))
    files = {os.path.abspath(path) for leaf in leaf_configs(dataset_cfg) for path in named_files(leaf)}
    return sorted(folders | files | _sources(dataset))


def _sources(dataset: Any) -> set[str]:
    """The files that define the classes of a data set and of its wrappers, and the modules beside them."""
    found: set[str] = set()
    for kind in {kind for part in nested(dataset) for kind in type(part).__mro__ if kind is not object}:
        try:
            folder = Path(inspect.getfile(kind)).parent
        except TypeError:
            continue  # a built-in class
        found.update(str(path) for path in folder.glob('*.py'))
    return found


def _stamps(paths: Iterable[str]) -> dict[str, list[int] | None]:
    """Time stamp and, for files, size of each path (a folder's size means nothing); None if the path is gone."""
    stamps: dict[str, list[int] | None] = {}
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            stamps[path] = None
            continue
        stamps[path] = [status.st_mtime_ns, -1 if os.path.isdir(path) else status.st_size]
    return stamps


def _settled(stamp: list[int] | None) -> bool:
    return stamp is not None and abs(time.time_ns() - stamp[0]) > SETTLED_NS


def _listing_key(name: str, dataset_cfg: Mapping) -> str:
    cfg = without_pipelines(dataset_cfg)
    # A class in place of a type's name enters by its repr. The working directory gives relative paths their meaning.
    text = json.dumps([LISTING_VERSION, name, os.getcwd(), cfg], sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _split_from_json(fields: dict) -> Split:
    label_map = fields['label_map']
    return Split(
        **dict(
            fields,
            classes=tuple(fields['classes']),
            folders=tuple(fields['folders']),
            left_out=tuple(LeftOut(**dict(part, first=tuple(part['first']))) for part in fields['left_out']),
            label_map=None if label_map is None else {int(old): new for old, new in label_map.items()},
        )
    )
