import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS

CONFIG = 'configs/_base_/datasets/icbm152.py'


@pytest.fixture(scope='module')
def cfg(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('ABLATION_WORK_DIR', str(tmp_path_factory.mktemp('work')))
        return Config.fromfile(CONFIG)


@pytest.fixture(scope='module')
def datasets(cfg):
    with DefaultScope.overwrite_default_scope('mmseg'):
        return {split: DATASETS.build(cfg[f'{split}_dataloader'].dataset) for split in ('train', 'val', 'test')}


def test_data_root_follows_the_environment(cfg, monkeypatch):
    assert cfg.data_root.endswith('/data/icbm152') and not cfg.data_root.startswith('work_dirs')
    monkeypatch.delenv('ABLATION_WORK_DIR', raising=False)
    plain = Config.fromfile(CONFIG)
    assert plain.data_root == 'work_dirs/data/icbm152'
    for split in ('train', 'val', 'test'):
        assert plain[f'{split}_dataloader'].dataset.data_root == 'work_dirs/data/icbm152'


@pytest.mark.slow
def test_splits_have_their_sizes_and_share_no_group(datasets):
    assert {split: len(dataset) for split, dataset in datasets.items()} == dict(train=72, val=8, test=56)
    groups = {
        split: {dataset.get_data_info(i)['group'] for i in range(len(dataset))} for split, dataset in datasets.items()
    }
    assert len(groups['test']) == 8
    assert groups['train'].isdisjoint(groups['test']) and groups['val'].isdisjoint(groups['train'] | groups['test'])


def test_group_is_the_slab_in_the_file_name(datasets):
    info = datasets['test'].get_data_info(0)
    assert info['group'] == 'slab01'
    assert '/slab01_y' in info['img_path'] and '/slab01_y' in info['seg_map_path']


def test_samples_are_what_a_model_takes(datasets):
    sample = datasets['train'][3]
    assert sample['inputs'].shape == (3, 96, 96)
    assert sample['data_samples'].gt_sem_seg.data.shape == (1, 96, 96)
    sample = datasets['test'][20]
    assert sample['inputs'].shape == (3, 160, 160)
    assert set(np.unique(sample['data_samples'].gt_sem_seg.data)) == {0, 1, 2}


def test_metainfo_names_the_background(datasets):
    meta = datasets['val'].metainfo
    assert meta['background'] == 'background' and meta['classes'][0] == 'background'
    assert len(meta['palette']) == len(meta['classes']) == 3


def test_parameters_enter_the_folder(datasets, cfg):
    with DefaultScope.overwrite_default_scope('mmseg'), pytest.raises(ValueError, match='bias_amplitude 0.2 instead'):
        DATASETS.build(dict(cfg.test_dataloader.dataset, bias_amplitude=0.5))


def test_unknown_arguments_are_refused(cfg):
    with pytest.raises(TypeError, match='noise_sigmaa'):
        DATASETS.build(dict(cfg.test_dataloader.dataset, noise_sigmaa=0.5, pipeline=[]))


def test_lazy_init_writes_nothing(tmp_path):
    DATASETS.build(dict(type='ICBM152Dataset', data_root=str(tmp_path / 'data'), lazy_init=True))
    assert not (tmp_path / 'data').exists()
