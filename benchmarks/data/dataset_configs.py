"""What the config of a possibly wrapped data set says, before it is built."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.stacks.tree import map_tree, mappings

# Arguments of a data set that do not decide which images it lists.
NOT_LISTED_BY = ('pipeline', 'metainfo', 'test_mode', 'ignore_index', 'reduce_zero_label', 'lazy_init', 'backend_args')


def leaf_configs(cfg: Mapping) -> Iterator[Mapping]:
    """The configs of the innermost data sets of a possibly wrapped one."""
    inner = [cfg['dataset']] if 'dataset' in cfg else cfg.get('datasets')
    if inner is None:
        yield cfg
    else:
        for item in inner:
            yield from leaf_configs(item)


def joined_paths(cfg: Mapping) -> Iterator[str]:
    """The paths that the config of one data set names, joined to its root as mmengine joins them."""
    root = cfg.get('data_root') or ''
    if root:
        yield root
    for value in (*(cfg.get('data_prefix') or {}).values(), cfg.get('ann_file')):
        if isinstance(value, str) and value:
            yield os.path.join(root, value)


def named_files(cfg: Mapping) -> Iterator[str]:
    """The files that a text of the config names, at any depth: a list of images, a table of groups."""
    root = cfg.get('data_root') or ''
    root = root if isinstance(root, (str, os.PathLike)) else ''  # a class of one's own may take several
    texts = (value for part in mappings(cfg) for value in part.values() if isinstance(value, str))
    return (path for text in texts if os.path.isfile(path := os.path.join(root, text)))


def image_folders(cfg: Mapping) -> list[str]:
    """The folders of images that the config names."""
    return [
        os.path.join(leaf.get('data_root') or '', (leaf.get('data_prefix') or {}).get('img_path') or '')
        for leaf in leaf_configs(cfg)
    ]


def missing_paths(cfg: Mapping) -> list[str]:
    """The paths of the config that do not exist; of a missing folder only the folder, without the paths inside it."""
    missing: list[str] = []
    for leaf in leaf_configs(cfg):
        for path in joined_paths(leaf):
            if not os.path.exists(path) and not any(Path(above) in Path(path).parents for above in missing):
                missing.append(path)
    return missing


def innermost_types(cfg: Mapping) -> str:
    """The types of the innermost data sets, as the user's config names them."""
    kinds = (leaf.get('type') for leaf in leaf_configs(cfg))
    return ', '.join(dict.fromkeys(getattr(kind, '__name__', str(kind)) for kind in kinds))


def mask_backend(cfg: Mapping) -> str:
    """The library with which the first ``LoadAnnotations`` of a data set decodes masks."""
    loaders = (node for node in mappings(cfg) if str(node.get('type')).rpartition('.')[2] == 'LoadAnnotations')
    return next(loaders, {}).get('imdecode_backend', 'pillow')


def lists_same_images(first: Mapping, second: Mapping) -> bool:
    """Whether two data sets list the same images, as their configs say: pipelines and names of classes may differ."""

    def lists(cfg: Mapping) -> list[dict]:
        return [{key: value for key, value in leaf.items() if key not in NOT_LISTED_BY} for leaf in leaf_configs(cfg)]

    return lists(first) == lists(second)


def without_pipelines(dataset_cfg: Any) -> Any:
    """The config of a data set with an empty list in place of each pipeline: to list images nothing is loaded."""

    def emptied(node: Any) -> Any:
        return {**node, 'pipeline': []} if isinstance(node, dict) and 'pipeline' in node else node

    return map_tree(dataset_cfg, emptied)
