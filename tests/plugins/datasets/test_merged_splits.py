"""Chosen images of several data sets: the same infos, groups from the table, refusals by name."""

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS
from PIL import Image

import plugins.datasets.images_and_masks  # noqa: F401
from plugins.datasets.merged_splits import MergedSplits

META = dict(classes=('land', 'water'), palette=[[0, 0, 0], [9, 9, 9]], background='land', group='(.)')
LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]


@DATASETS.register_module()
class OwnLoading(BaseSegDataset):
    def prepare_data(self, idx):
        return super().prepare_data(idx)


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield


@pytest.fixture
def sources(tmp_path):
    for split in ('train', 'test'):
        for n in range(3):
            for kind, pixels in (('img', np.full((6, 8, 3), 40 * n, np.uint8)), ('ann', np.full((6, 8), n % 2))):
                path = tmp_path / 'data' / kind / split / f'{n}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels.astype(np.uint8)).save(path)
    common = dict(type='BaseSegDataset', data_root=str(tmp_path / 'data'), metainfo=META, ignore_index=7)
    suffixes = dict(img_suffix='.png', seg_map_suffix='.png')
    return [
        dict(**common, **suffixes, data_prefix=dict(img_path=f'img/{split}', seg_map_path=f'ann/{split}'))
        for split in ('train', 'test')
    ]


def table(folder, *rows, header='source,index,image,group'):
    path = folder / 'table.csv'
    path.write_text('\n'.join([header, *rows]) + '\n')
    return str(path)


def test_it_lists_the_images_of_the_table_as_their_sources_do(sources, tmp_path):
    rows = ['1,2,2.png,b', '0,0,0.png,a', '0,2,2.png,']
    merged = MergedSplits(sources, table(tmp_path, *rows), LOAD)
    train, test = (DATASETS.build({**source, 'pipeline': []}) for source in sources)
    wanted = [test.get_data_info(2) | dict(group='b'), train.get_data_info(0) | dict(group='a'), train.get_data_info(2)]
    assert [merged.get_data_info(n) for n in range(3)] == [info | dict(sample_idx=n) for n, info in enumerate(wanted)]
    assert merged.metainfo['classes'] == META['classes'] and merged.metainfo['background'] == 'land'
    assert 'group' not in merged.metainfo and merged.ignore_index == 7
    sample = merged[0]
    assert int(sample['data_samples'].gt_sem_seg.data.max()) == 0 and int(sample['inputs'].max()) == 80
    assert merged.data_prefix['img_path'] == str(tmp_path / 'data' / 'img')


def test_the_label_map_of_the_first_source_holds(sources, tmp_path):
    for source in sources:
        source.update(type='ImagesAndMasks', label_map={1: 0, 0: 1}, metainfo={**META, 'group': None})
    merged = MergedSplits(sources, table(tmp_path, '0,1,1.png,', '1,0,0.png,'), LOAD)
    assert merged.label_map == merged.metainfo['label_map'] == {1: 0, 0: 1}
    assert [int(merged[n]['data_samples'].gt_sem_seg.data.max()) for n in range(2)] == [0, 1]


@pytest.mark.parametrize(
    ('rows', 'culprit'), [(['0,1,2.png,'], '1.png there'), (['1,9,9.png,'], 'nothing there'), ([], 'names no image')]
)
def test_a_table_of_another_state_is_refused(sources, tmp_path, rows, culprit):
    with pytest.raises(ValueError, match=culprit):
        MergedSplits(sources, table(tmp_path, *rows), LOAD)


def test_a_table_without_a_column_is_refused(sources, tmp_path):
    with pytest.raises(ValueError, match='lacks the columns group'):
        MergedSplits(sources, table(tmp_path, '0,0,0.png', header='source,index,image'), LOAD)


def test_a_source_that_loads_in_its_own_way_is_refused(sources, tmp_path):
    sources[1]['type'] = 'OwnLoading'
    with pytest.raises(TypeError, match=r'OwnLoading loads images in a way of its own \(prepare_data\)'):
        MergedSplits(sources, table(tmp_path, '0,0,0.png,'), LOAD)
