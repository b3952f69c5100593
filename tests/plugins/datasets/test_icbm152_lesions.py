"""The data sets with planted lesions: what they hold, and that a rerun gives the same."""

from itertools import islice

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS
from scipy import ndimage

from plugins.datasets import icbm152_lesion_slices as made
from plugins.datasets import icbm152_people_slices as healthy
from plugins.datasets.icbm152_folder import verify_checksums
from plugins.datasets.icbm152_slices import load_volumes

VARIANTS = ('imbalanced', 'fixed_scale')


@pytest.fixture(scope='module', autouse=True)
def template():
    """Read once for the whole module."""
    read = load_volumes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(healthy, 'load_volumes', lambda: read)
        yield


@pytest.fixture(scope='module', params=VARIANTS)
def variant(request):
    return request.param


@pytest.fixture(scope='module')
def cfg(variant, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('ABLATION_WORK_DIR', str(tmp_path_factory.mktemp('work')))
        return Config.fromfile(f'configs/baselines/unet_small_{variant}.py')


@pytest.fixture(scope='module')
def datasets(cfg):
    with DefaultScope.overwrite_default_scope('mmseg'):
        return {split: DATASETS.build(cfg[f'{split}_dataloader'].dataset) for split in ('train', 'val', 'test')}


@pytest.fixture(scope='module')
def labels(datasets):
    """Path below ann_dir → labels, of all splits."""
    infos = [dataset.get_data_info(i) for dataset in datasets.values() for i in range(len(dataset))]
    return {
        '/'.join(info['seg_map_path'].split('/')[-2:]): cv2.imread(info['seg_map_path'], cv2.IMREAD_UNCHANGED)
        for info in infos
    }


def components(labels):
    """The radius of each lesion of a slice; None where it is no disk."""
    ids, _ = ndimage.label(labels, np.ones((3, 3)))
    found = []
    for n, box in enumerate(ndimage.find_objects(ids), 1):
        inside = ids[box] == n
        radius = (inside.shape[0] - 1) // 2
        rows, columns = np.ogrid[-radius : radius + 1, -radius : radius + 1]
        is_disk = np.array_equal(inside, rows**2 + columns**2 <= radius**2)
        found.append(radius if is_disk else None)
    return found


@pytest.mark.slow
def test_splits_people_and_classes_are_those_of_the_embedded_people(datasets, cfg):
    assert {split: len(dataset) for split, dataset in datasets.items()} == dict(train=64, val=16, test=96)
    groups = {
        split: {dataset.get_data_info(i)['group'] for i in range(len(dataset))} for split, dataset in datasets.items()
    }
    assert len(groups['test']) == 96 and len(set.union(*groups.values())) == 176
    meta = datasets['test'].metainfo
    assert meta['classes'] == ('background', 'lesion') and meta['background'] == 0
    assert cfg.model.decode_head.num_classes == 2


def test_samples_are_what_a_model_takes(datasets):
    sample = datasets['train'][3]
    assert sample['inputs'].shape == (3, 96, 96) and sample['data_samples'].gt_sem_seg.data.shape == (1, 96, 96)
    sample = datasets['test'][20]
    assert sample['inputs'].shape == (3, 160, 160)
    assert set(np.unique(sample['data_samples'].gt_sem_seg.data)) == {0, 1}


def test_every_lesion_is_a_disk_of_an_allowed_radius(labels, variant):
    planting = made.VARIANTS[variant]
    found = {path: components(picture) for path, picture in labels.items()}
    radii = [radius for lesions in found.values() for radius in lesions]
    assert set(radii) == set(range(planting.smallest, planting.largest + 1))
    assert max(map(len, found.values())) == planting.most
    assert all(found.values())


def test_the_imbalance_is_what_the_variant_is_named_for(labels, variant):
    share = {
        split: np.mean([picture.mean() for path, picture in labels.items() if path.startswith(split)])
        for split in ('train', 'val', 'test')
    }
    ratio = {split: (1 - value) / value for split, value in share.items()}
    if variant == 'imbalanced':
        assert all(50 < value < 100 for value in ratio.values())
        assert max(picture.mean() for picture in labels.values()) < 1 / 21  # > 20:1 in every single slice, too
    else:
        assert all(12 < value < 20 for value in ratio.values())


def test_lesions_lie_within_the_head_and_are_bright(datasets, labels):
    for person, head, _ in islice(healthy.heads(0, healthy.Spread()), 0, None, 29):
        lesion = labels[person.path] > 0
        assert (head[0][lesion] < 0.5).all()
    contrast = []
    for i in range(0, len(datasets['test']), 5):
        info = datasets['test'].get_data_info(i)
        image = cv2.imread(info['img_path'], cv2.IMREAD_UNCHANGED).astype(float)
        lesion = labels['/'.join(info['seg_map_path'].split('/')[-2:])] > 0
        around = ndimage.binary_dilation(lesion, iterations=4) & ~ndimage.binary_dilation(lesion, iterations=1)
        contrast.append(image[lesion].mean() - image[around].mean())
    assert np.mean(contrast) > 20


def test_images_differ_from_those_of_healthy_people_in_the_lesions_alone():
    one, other, without = (next(pictures) for pictures in (*map(made.render, VARIANTS), healthy.render()))
    assert one[0] == other[0] == without[0]
    for _path, image, lesions in (one, other):
        reach = ndimage.binary_dilation(lesions, np.ones((3, 3)), iterations=4)  # of the widest blur, 3 × 1.2 pixels
        assert np.array_equal(image[~reach], without[1][~reach])
        assert (image[lesions == 1] >= without[1][lesions == 1]).mean() > 0.9
    assert not np.array_equal(one[1], other[1])


def test_the_folder_is_what_render_gives_and_a_rerun_gives_the_same(cfg, variant, labels):
    root = cfg.test_dataloader.dataset.data_root
    assert root.endswith(f'/data/icbm152_{variant}')
    verify_checksums(root)
    for path, image, expected in islice(made.render(variant), 3, 9):
        assert np.array_equal(labels[path], expected)
        assert np.array_equal(cv2.imread(f'{root}/img_dir/{path}', cv2.IMREAD_UNCHANGED), image)


def test_seed_moves_the_lesions():
    first, other = (next(made.render('imbalanced', seed))[2] for seed in (0, 1))
    assert not np.array_equal(first, other)


def test_planting_keeps_inside_and_apart_and_stops_without_room():
    brain = np.zeros((60, 60), bool)
    brain[10:40, 5:55] = True
    planted = made.plant(brain, made.Planting(9, 9, 4, 4), np.random.default_rng(3))
    ids, count = ndimage.label(planted)
    assert not (planted & ~brain).any() and 3 <= count <= 9
    for n in range(1, count + 1):
        to_others = ndimage.distance_transform_edt(~(planted & (ids != n)))
        assert to_others[ids == n].min() > made.GAP
    assert not made.plant(brain, made.Planting(2, 2, 15, 15), np.random.default_rng(0)).any()


def test_a_disk_by_hand():
    assert made.disk((5, 6), (2, 3), 2).astype(int).tolist() == [
        [0, 0, 0, 1, 0, 0],
        [0, 0, 1, 1, 1, 0],
        [0, 1, 1, 1, 1, 1],
        [0, 0, 1, 1, 1, 0],
        [0, 0, 0, 1, 0, 0],
    ]


def test_unknown_variants_and_folders_of_the_other_one_are_refused(cfg, datasets, variant, tmp_path):
    config = cfg.test_dataloader.dataset
    with DefaultScope.overwrite_default_scope('mmseg'):
        with pytest.raises(ValueError, match="variant 'huge' .* is unknown; use one of"):
            DATASETS.build(dict(config, data_root=str(tmp_path / 'new'), variant='huge'))
        other = next(name for name in VARIANTS if name != variant)
        with pytest.raises(ValueError, match=f'variant {variant} instead of {other}'):
            DATASETS.build(dict(config, variant=other))
    assert not (tmp_path / 'new').exists()
