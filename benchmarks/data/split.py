"""What a split of a data set consists of: its images, masks, groups and classes, asked from the data set itself.

Folders alone do not tell: VOC keeps images outside its split lists, ADE20K shifts its labels, a plugin may filter. So
the data set is built, with an empty pipeline, and its own list is read. That imports torch and mmseg (seconds), so the
answer is kept in a file until a folder, a list file or the data set's code changes.
"""

import copy
import hashlib
import inspect
import json
import os
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.errors import BadInput
from benchmarks.files import read_json, write_json
from benchmarks.stacks.imports import import_quietly, quieten_mmengine

LISTING_VERSION = 3  # raise it when `list_split` answers differently for the same data set, or watches more
# A change within the tick of a file system's clock leaves the time stamp as it was, so fresh stamps prove nothing.
SETTLED_NS = 2_000_000_000


@dataclass(frozen=True)
class Split:
    """One split (train, val or test), as its data set lists it.

    Attributes:
        name: 'train', 'val' or 'test'.
        images: Image paths in the data set's order, as the data set gives them.
        masks: Mask paths beside them; '' where the data set names none.
        names: Unique ids: the path within the image folder, without its suffix.
        groups: What names images that are not independent of each other (a patient, a slab of slices): the data
            info's ``group``, else the image's own name.
        grouped: Whether the data set itself gave the groups.
        classes: Class names; () if the data set has none.
        background: Index of the class that counts as background; None in scenes where every class counts.
        reduce_zero_label: Whether label 0 becomes void and the others move down by one.
        label_map: Old label → new label, for a data set used with some of its classes; None otherwise.
        ignore_index: The label of void pixels.
        folders: Image folders, for messages.
        samples: How often an image is drawn in one pass; more than there are images where a wrapper repeats them.
            None if it is not known.
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


def list_split(name: str, dataset_cfg: Mapping, *, imports: Sequence[str] = ()) -> Split:
    """Builds the data set and reads its own list; wrappers (repeated, concatenated …) are looked into.

    A repeated data set is listed once; one that stands twice in a concatenation is listed twice.

    Args:
        name: 'train', 'val' or 'test'.
        dataset_cfg: The ``dataset`` of a dataloader.
        imports: Modules that register the data set (the config's ``custom_imports``).

    Returns:
        The split; it may be empty, see :func:`benchmarks.data.checks.check_split`.

    Raises:
        BadInput: The data set cannot be built; the message names the missing folder if that is why.
    """
    return _list(name, dataset_cfg, imports)[0]


def cached_split(
    name: str, dataset_cfg: Mapping, cache_dir: str | os.PathLike, *, imports: Sequence[str] = ()
) -> Split:
    """:func:`list_split`, remembered: imports neither torch nor mmseg when nothing has changed since the last call.

    A remembered listing holds while the data set's config (but for its pipeline), the working directory, the time
    stamps of all folders beneath the image and mask folders, and size and time stamp of every file that the config
    names (``ann_file``) and of the sources of the data set's class and its wrappers', with their neighbours, are the
    same. Contents are not looked at: that is the fingerprint's part.

    Args:
        name: 'train', 'val' or 'test'.
        dataset_cfg: The ``dataset`` of a dataloader.
        cache_dir: Folder for the remembered listings; made if missing.
        imports: Modules that register the data set; imported only when the data set has to be built.

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


def remembered_split(name: str, dataset_cfg: Mapping, cache_dir: str | os.PathLike) -> Split | None:
    """What :func:`cached_split` remembers; None if it has to list anew."""
    entry = read_json(_listing(name, dataset_cfg, cache_dir))
    try:
        if entry['watched'] == _stamps(entry['watched']):
            return _split_from_json(entry['split'])
    except (KeyError, TypeError, ValueError, AttributeError):
        pass  # no listing yet, or one that cannot be read
    return None


def _listing(name: str, dataset_cfg: Mapping, cache_dir: str | os.PathLike) -> Path:
    return Path(cache_dir) / f'listing_{_listing_key(name, dataset_cfg)}.json'


def _list(name: str, dataset_cfg: Mapping, imports: Sequence[str]) -> tuple[Split, list[str]]:
    """Gives the split and the paths whose change would make it stale."""
    dataset = _build(name, dataset_cfg, imports)
    leaves = list(_leaves(dataset))
    infos = [(leaf, info) for leaf in leaves for info in _data_infos(name, leaf)]
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
    )
    return split, _watched(split, dataset, dataset_cfg)


def _build(name: str, dataset_cfg: Mapping, imports: Sequence[str]):
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
    cfg = _without_pipelines(copy.deepcopy(dataset_cfg))
    try:
        # Wrappers build what they wrap in mmengine's registry, which finds mmseg's classes by the default scope only.
        with DefaultScope.overwrite_default_scope('mmseg'):
            return DATASETS.build(cfg)
    except Exception as error:
        missing = _missing_paths(cfg)
        # Errors about something else, such as a template that a data set makes its folder from, keep their own words.
        if missing and (isinstance(error, AssertionError) or getattr(error, 'filename', None)):
            raise BadInput(
                f'{name} data: {", ".join(missing)} not found. Put the data there, or name the folder '
                'where it is with --data-root'
            ) from error
        # mmengine cannot pack the list of a data set that found nothing.
        if any(frame.name == '_serialize_data' for frame in traceback.extract_tb(error.__traceback__)):
            raise BadInput(
                f'{name} data: no image found in {", ".join(_image_folders(cfg))}. '
                "Correct the data set's data_prefix, img_suffix or ann_file"
            ) from error
        raise BadInput(
            f'{name} data: the data set {cfg.get("type")} cannot be built '
            f'({type(error).__name__}: {error}). Correct {name}_dataloader.dataset'
        ) from error


def _without_pipelines(cfg):
    if isinstance(cfg, Mapping):
        for key in cfg:
            cfg[key] = [] if key == 'pipeline' else _without_pipelines(cfg[key])
    elif isinstance(cfg, (list, tuple)):
        return [_without_pipelines(item) for item in cfg]
    return cfg


def _leaf_configs(cfg) -> Iterator[Mapping]:
    """Yields the innermost data sets' configs of a possibly wrapped one."""
    inner = [cfg['dataset']] if 'dataset' in cfg else cfg.get('datasets')
    if inner is None:
        yield cfg
    else:
        for item in inner:
            yield from _leaf_configs(item)


def _joined_paths(cfg: Mapping) -> Iterator[str]:
    """Yields the paths that one data set's config names, joined to its root as mmengine does."""
    root = cfg.get('data_root') or ''
    if root:
        yield root
    for value in (*(cfg.get('data_prefix') or {}).values(), cfg.get('ann_file')):
        if isinstance(value, str) and value:
            yield os.path.join(root, value)


def _image_folders(cfg: Mapping) -> list[str]:
    """Lists the folders that the config says hold the images."""
    return [
        os.path.join(leaf.get('data_root') or '', (leaf.get('data_prefix') or {}).get('img_path') or '')
        for leaf in _leaf_configs(cfg)
    ]


def _missing_paths(cfg: Mapping) -> list[str]:
    """Lists what does not exist; a missing root alone, without all that would be beneath it."""
    missing = []
    for leaf in _leaf_configs(cfg):
        for path in _joined_paths(leaf):
            if not os.path.exists(path) and not any(Path(above) in Path(path).parents for above in missing):
                missing.append(path)
    return missing


def _leaves(dataset) -> Iterator:
    """Yields the data sets inside wrappers such as RepeatDataset, ConcatDataset and MultiImageMixDataset."""
    return (one for one in _nest(dataset) if _inner(one) is None)


def _nest(dataset) -> Iterator:
    """Yields a data set and, if it is a wrapper, all data sets inside it."""
    yield dataset
    for item in _inner(dataset) or []:
        yield from _nest(item)


def _inner(dataset) -> Sequence | None:
    """The data sets right inside a wrapper; None for a data set that is none."""
    inner = getattr(dataset, 'datasets', None)
    return [dataset.dataset] if inner is None and hasattr(dataset, 'dataset') else inner


def _data_infos(name: str, leaf) -> list[dict]:
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


def _image_root(leaf, images: list[str]) -> str:
    prefix = (getattr(leaf, 'data_prefix', None) or {}).get('img_path')
    if prefix:
        return os.path.normpath(prefix)
    if images:
        return os.path.commonpath([os.path.dirname(image) for image in images]) or '.'
    return getattr(leaf, 'data_root', None) or '.'


def _names(infos: list[tuple[object, dict]], root: str) -> list[str]:
    names, seen = [], {}
    for leaf, info in infos:
        name = os.path.relpath(info['img_path'], root).replace(os.sep, '/')
        suffix = getattr(leaf, 'img_suffix', None) or ''
        name = name[: -len(suffix)] if suffix and name.endswith(suffix) else os.path.splitext(name)[0]
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f'{name}#{seen[name]}')
    return names


def _background(name: str, leaf, declared: str | int | None, classes: tuple[str, ...]) -> int | None:
    """Index of the class that the metainfo declares as background; else of one called 'background'; else None."""
    if declared is None:
        return classes.index('background') if 'background' in classes else None
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


def _watched(split: Split, dataset, dataset_cfg: Mapping) -> list[str]:
    folders = {os.path.dirname(os.path.abspath(path)) for path in (*split.images, *split.masks) if path}
    for leaf in _leaves(dataset):
        for prefix in (getattr(leaf, 'data_prefix', None) or {}).values():
            if prefix and os.path.isdir(prefix):
                folders.update(os.path.abspath(folder) for folder, _, _ in os.walk(prefix, followlinks=True))
    files = {
        os.path.abspath(path)
        for leaf in _leaf_configs(dataset_cfg)
        for path in _joined_paths(leaf)
        if os.path.isfile(path)
    }
    return sorted(folders | files | _sources(dataset))


def _sources(dataset) -> set[str]:
    """The files that define the classes of a data set and of its wrappers, and the modules beside them."""
    found = set()
    for kind in {kind for one in _nest(dataset) for kind in type(one).__mro__ if kind is not object}:
        try:
            folder = Path(inspect.getfile(kind)).parent
        except TypeError:
            continue  # a built-in class
        found.update(str(path) for path in folder.glob('*.py'))
    return found


def _stamps(paths) -> dict[str, list[int] | None]:
    """Time stamp and, for files, size of each path (a folder's size means nothing); None if it is gone."""
    stamps = {}
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
    cfg = _without_pipelines(copy.deepcopy(dataset_cfg))
    # A class in place of a type's name is told by its repr; relative paths mean something by the working directory.
    text = json.dumps([LISTING_VERSION, name, os.getcwd(), cfg], sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _split_from_json(fields: dict) -> Split:
    label_map = fields['label_map']
    return Split(
        **dict(
            fields,
            classes=tuple(fields['classes']),
            folders=tuple(fields['folders']),
            label_map=None if label_map is None else {int(old): new for old, new in label_map.items()},
        )
    )
