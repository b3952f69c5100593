"""Chosen images of several data sets as one data set: a fold of a cross-validation over training and test images.

    dataset=dict(
        type='MergedSplits', ann_file='fold0_train.csv', pipeline=[...],
        sources=[dict(type='CityscapesDataset', data_root=..., data_prefix=...), dict(type='CityscapesDataset', ...)])

``ann_file`` is a table with the columns ``source, index, image, group``: the number of the source, the place of the
image in the source's list, the file's name, and the group of images that are not independent of it (empty for none).
Each source lists its images as it does alone; the name guards against a list that has changed since.
"""

import csv
import os
from collections.abc import Sequence
from typing import Any

from mmengine.dataset import BaseDataset
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

COLUMNS = ('source', 'index', 'image', 'group')
LOADING = ('prepare_data', '__getitem__')


@DATASETS.register_module()
class MergedSplits(BaseSegDataset):
    """The images of several data sets that a table names, in the table's order.

    Classes, palette, label map and label of void pixels are those of the first source.

    Args:
        sources: The configs of data sets derived from mmseg's ``BaseSegDataset``; their pipelines are not used.
        ann_file: The table.
        pipeline: What loads the images of all sources.
        test_mode: As in mmengine.
        serialize_data: As in mmengine.

    Raises:
        TypeError: A source loads images in a way of its own, which this data set would skip.
        ValueError: The table lacks a column, names an image that its source lists elsewhere, or holds none.
    """

    def __init__(
        self,
        sources: Sequence[dict],
        ann_file: str,
        pipeline: Sequence[dict] = (),
        test_mode: bool = False,
        serialize_data: bool = True,
    ) -> None:
        built = [DATASETS.build({**source, 'pipeline': []}) for source in sources]
        for source in built:
            _refuse_own_loading(source)
        self.source_types = tuple(type(source) for source in built)  # their code decides what is listed
        self._chosen = _chosen(built, ann_file)
        first = built[0]
        super().__init__(
            ann_file=ann_file,
            img_suffix=first.img_suffix,
            seg_map_suffix=first.seg_map_suffix,
            metainfo={key: first.metainfo[key] for key in ('classes', 'palette') if key in first.metainfo},
            data_prefix=dict(img_path=_common_folder(built)),
            serialize_data=serialize_data,
            pipeline=list(pipeline),
            test_mode=test_mode,
            lazy_init=True,
            ignore_index=first.ignore_index,
            reduce_zero_label=first.reduce_zero_label,
        )
        # Only now, because mmengine reads texts in `metainfo` as the names of files.
        self._metainfo.update(_metainfo(first), label_map=first.label_map)
        self.label_map = first.label_map
        self.full_init()

    def load_data_list(self) -> list[dict]:
        """The data infos of the sources, each with ``group`` where the table gives one."""
        chosen, self._chosen = self._chosen, []
        return chosen


def _chosen(sources: Sequence[BaseSegDataset], table: str) -> list[dict]:
    """The data infos of the images that the table names."""
    with open(table, newline='', encoding='utf-8') as stream:
        reader = csv.DictReader(stream)
        if lost := set(COLUMNS) - {*(reader.fieldnames or ())}:
            raise ValueError(f'{table} lacks the columns {", ".join(sorted(lost))}; it has {reader.fieldnames}')
        rows = list(reader)
    if not rows:
        raise ValueError(f'{table} names no image')
    infos = []
    for row in rows:
        source, index = sources[int(row['source'])], int(row['index'])
        info: dict[str, Any] = source.get_data_info(index) if index < len(source) else dict(img_path='nothing')
        if os.path.basename(info['img_path']) != row['image']:
            raise ValueError(
                f'{table} has {row["image"]} as image {index} of source {row["source"]}, which lists '
                f'{info["img_path"]} there: its files have changed. Write the table again (run the grid again)'
            )
        info.pop('sample_idx', None)
        infos.append({**info, 'group': row['group']} if row['group'] else info)
    return infos


def _refuse_own_loading(source: Any) -> None:
    kind = type(source)
    if not isinstance(source, BaseSegDataset):
        raise TypeError(f"{kind.__name__} is not derived from mmseg's BaseSegDataset, so its images cannot be merged")
    own = [name for name in LOADING if getattr(kind, name) is not getattr(BaseDataset, name)]
    if own:
        raise TypeError(
            f'{kind.__name__} loads images in a way of its own ({", ".join(own)}), which MergedSplits would skip; put '
            'that into a transform of the pipeline'
        )


def _metainfo(source: BaseSegDataset) -> dict:
    """The metainfo of a source; its groups stand in the table."""
    meta = {key: value for key, value in source.metainfo.items() if key not in ('group', 'label_map')}
    if isinstance(meta.get('background'), str) and meta['background'] not in (meta.get('classes') or ()):
        meta['background'] = None  # a class that the source is not used with
    return meta


def _common_folder(sources: Sequence[BaseSegDataset]) -> str:
    """The folder that holds the images of all sources."""
    folders = {os.path.dirname(source.get_data_info(n)['img_path']) for source in sources for n in range(len(source))}
    absolute = all(map(os.path.isabs, folders))
    return os.path.commonpath(folders if absolute else map(os.path.abspath, folders))
