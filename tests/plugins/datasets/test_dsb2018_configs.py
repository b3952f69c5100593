import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS


@pytest.fixture
def data_root(tmp_path):
    rng = np.random.default_rng(0)
    for split in ('train', 'val', 'test'):
        for i, size in enumerate([(256, 320), (302, 636), (520, 696)]):
            for folder, classes in (('img_dir', 256), ('ann_dir', 2), ('ann_dir_border', 3)):
                path = tmp_path / folder / split / f'fluo_{i}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), rng.integers(0, classes, size, np.uint8))
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize('name, n_classes', [('dsb2018', 2), ('dsb2018_border', 3)])
def test_config_loads_every_split(name, n_classes, data_root, caplog):
    cfg = Config.fromfile(f'configs/_base_/datasets/{name}.py')
    for split in ('train', 'val', 'test'):
        dataset_cfg = cfg[f'{split}_dataloader'].dataset
        dataset_cfg.data_root = str(data_root)
        with DefaultScope.overwrite_default_scope('mmseg'):
            dataset = DATASETS.build(dataset_cfg)
        assert len(dataset) == 3
        meta = dataset.metainfo
        assert meta['background'] == 0 and len(meta['classes']) == len(meta['palette']) == n_classes
        for i, size in enumerate([(256, 320), (302, 636), (520, 696)]):
            sample = dataset[i]
            expected = (256, 256) if split == 'train' else size
            assert sample['inputs'].shape == (3, *expected)
            assert set(np.unique(sample['data_samples'].gt_sem_seg.data)) == set(range(n_classes))
    assert not caplog.records
