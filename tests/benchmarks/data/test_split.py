import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.data.fingerprint import fingerprint
from benchmarks.data.split import cached_split, list_split
from benchmarks.errors import BadInput

LONG_AGO = 1_500_000_000


def _write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _age(root):
    """Stamps from long ago: the cache distrusts what has just changed."""
    for path in (*Path(root).rglob('*'), Path(root)):
        os.utime(path, (LONG_AGO, LONG_AGO))


@pytest.fixture
def root(tmp_path):
    root = tmp_path / 'data'
    rng = np.random.default_rng(0)
    for name in ('b', 'a', 'sub/c'):
        _write(root / 'img' / f'{name}_im.png', rng.integers(0, 256, (6, 5, 3), np.uint8))
        _write(root / 'ann' / f'{name}_gt.png', rng.integers(0, 2, (6, 5), np.uint8))
    _age(root)
    return root


def _cfg(root, **extra):
    cfg = dict(
        type='BaseSegDataset',
        data_root=str(root),
        img_suffix='_im.png',
        seg_map_suffix='_gt.png',
        metainfo=dict(classes=('sky', 'road')),
        data_prefix=dict(img_path='img', seg_map_path='ann'),
        pipeline=[dict(type='NoSuchTransform')],
    )
    return {**cfg, **extra}


def test_a_listing_is_what_the_data_set_says(root):
    split = list_split('train', _cfg(root))
    assert split.name == 'train'
    assert split.names == split.groups == ['a', 'b', 'sub/c']
    assert split.images == [f'{root}/img/{name}_im.png' for name in split.names]
    assert split.masks == [f'{root}/ann/{name}_gt.png' for name in split.names]
    assert split.classes == ('sky', 'road') and split.background is None
    assert (split.reduce_zero_label, split.label_map, split.ignore_index) == (False, None, 255)
    assert not split.grouped and split.folders == (f'{root}/img',)


def test_the_config_is_not_changed(root):
    cfg = _cfg(root)
    list_split('train', cfg)
    assert cfg == _cfg(root)


def test_only_listed_images_count(root):
    (root / 'list.txt').write_text('sub/c\nb\n')
    split = list_split('val', _cfg(root, ann_file='list.txt', reduce_zero_label=True, ignore_index=7))
    assert split.names == ['sub/c', 'b']
    assert split.reduce_zero_label and split.ignore_index == 7


def test_wrappers_are_looked_into(root):
    repeated = dict(type='RepeatDataset', times=40, dataset=_cfg(root))
    assert list_split('train', repeated).names == ['a', 'b', 'sub/c']
    mixed = dict(type='MultiImageMixDataset', dataset=repeated, pipeline=[dict(type='NoSuchTransform')])
    assert list_split('train', mixed).names == ['a', 'b', 'sub/c']
    other = root.parent / 'other'
    _write(other / 'img' / 'a_im.png', np.zeros((4, 4, 3), np.uint8))
    joined = dict(type='ConcatDataset', datasets=[_cfg(root), _cfg(other), _cfg(root)])
    assert list_split('train', joined).names == [
        'data/img/a',
        'data/img/b',
        'data/img/sub/c',
        'other/img/a',
        'data/img/a#2',
        'data/img/b#2',
        'data/img/sub/c#2',
    ]


@pytest.mark.parametrize(
    'classes, declared, expected',
    [
        (('sky', 'background'), None, 1),
        (('sky', 'road'), None, None),
        (('sky', 'road'), 'road', 1),
        (('sky', 'road'), 0, 0),
        (('background', 'road'), 1, 1),
    ],
)
def test_background(root, classes, declared, expected):
    meta = dict(classes=classes) if declared is None else dict(classes=classes, background=declared)
    assert list_split('train', _cfg(root, metainfo=meta)).background == expected


@pytest.mark.parametrize('declared', ['tree', 2, -1])
def test_background_must_be_a_class(root, declared):
    with pytest.raises(BadInput, match=f'{declared}.*none of the classes'):
        list_split('train', _cfg(root, metainfo=dict(classes=('sky', 'road'), background=declared)))


def test_missing_folder_is_named_with_its_cure(tmp_path):
    with pytest.raises(BadInput, match='val data: .*nowhere not found.*--data-root'):
        list_split('val', _cfg(tmp_path / 'nowhere'))
    (tmp_path / 'half' / 'ann').mkdir(parents=True)
    with pytest.raises(BadInput, match='half/img not found'):
        list_split('val', dict(type='RepeatDataset', times=2, dataset=_cfg(tmp_path / 'half')))


def test_missing_list_file_is_named(root):
    with pytest.raises(BadInput, match='lost.txt not found'):
        list_split('train', _cfg(root, ann_file='lost.txt'))


def test_what_cannot_be_built_is_named(root):
    with pytest.raises(BadInput, match='NoSuchDataset.*train_dataloader.dataset'):
        list_split('train', _cfg(root, type='NoSuchDataset'))
    # The harness wraps training data: the message names the type that the user wrote.
    with pytest.raises(BadInput, match='the data set BaseSegDataset cannot be built'):
        list_split('train', dict(type='RepeatDataset', times=2, dataset=_cfg(root, image_suffix='.png')))
    with pytest.raises(BadInput, match='image_suffix'):
        list_split('train', _cfg(root, image_suffix='.png'))
    with pytest.raises(BadInput, match='no_such_module'):
        list_split('train', _cfg(root), imports=['no_such_module'])


PLUGIN = """
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS


@DATASETS.register_module()
class {name}(BaseSegDataset):
    METAINFO = dict(classes=('sky', 'road'), background='sky')

    def load_data_list(self):
        infos = super().load_data_list()
        for info in infos:
            info['group'] = 'patient1'
        return infos
"""


def test_groups_and_classes_come_from_a_plugin(root, tmp_path, monkeypatch):
    (tmp_path / 'grouping_plugin.py').write_text(PLUGIN.format(name='GroupedForTest'))
    monkeypatch.syspath_prepend(tmp_path)
    cfg = _cfg(root, type='GroupedForTest')
    del cfg['metainfo']
    split = list_split('test', cfg, imports=['grouping_plugin'])
    assert split.groups == ['patient1'] * 3 and split.grouped
    assert split.background == 0 and split.names == ['a', 'b', 'sub/c']


def _meta(group):
    return dict(classes=('sky', 'road'), group=group)


TABLE = dict(csv='groups.csv', image='file', group='video')


def test_metainfo_declares_groups_of_any_data_set_by_the_name(root):
    split = list_split('test', _cfg(root, metainfo=_meta('(?:sub/)?([abc])')))
    assert split.groups == ['a', 'b', 'c'] and split.grouped and split.names == ['a', 'b', 'sub/c']
    repeated = dict(type='RepeatDataset', times=2, dataset=_cfg(root, metainfo=_meta('(.)')))
    assert list_split('train', repeated).groups == ['a', 'b', 's']


def test_metainfo_declares_groups_by_a_table_and_a_changed_table_is_noticed(root, tmp_path):
    (root / 'groups.csv').write_text('file,video\na,v1\nb_im.png,v2\nsub/c.png,v1\nother,v3\n')
    _age(root)
    cfg = _cfg(root, metainfo=_meta(TABLE))
    assert cached_split('test', cfg, tmp_path / 'cache').groups == ['v1', 'v2', 'v1']
    (root / 'groups.csv').write_text('file,video\na,v1\nb_im.png,v1\nsub/c.png,v1\nother,v3\n')
    assert cached_split('test', cfg, tmp_path / 'cache').groups == ['v1', 'v1', 'v1']


@pytest.mark.parametrize(
    'group, table, said',
    [
        ('(.)$', '', "metainfo's group: '(.)$' gives no group to the images sub/c"),
        ('sub', '', "metainfo's group 'sub' has 0 groups ( ); give it one"),
        ('(', '', 'give a regular expression'),
        (7, '', 'give a regular expression'),
        (dict(csv='groups.csv'), '', "dict(csv='groups.csv', image='…', group='…')"),
        (TABLE | dict(csv='none.csv'), '', 'none.csv, which cannot be read: No such file'),
        (TABLE, 'name,video\n', 'lacks file'),
        (TABLE, 'file,video\na,1\n', 'groups.csv has no row for the images b, sub/c'),
        (TABLE, 'file,video\na,1\nb,\nsub/c,1\n', 'has no group in the row of b'),
        (TABLE, 'file,video\na,1\nb,1\nb,2\nsub/c,1\n', 'gives two groups to b'),
    ],
)
def test_a_declaration_of_groups_that_does_not_fit_is_named(root, group, table, said):
    (root / 'groups.csv').write_text(table)
    with pytest.raises(BadInput) as refused:
        list_split('test', _cfg(root, metainfo=_meta(group)))
    assert said in str(refused.value) and str(refused.value).startswith('test data: ')


def test_groups_that_are_declared_twice_are_refused(root, tmp_path, monkeypatch):
    (tmp_path / 'twice_plugin.py').write_text(PLUGIN.format(name='TwiceForTest'))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BadInput, match="declares 'group', but TwiceForTest gives its images groups itself"):
        list_split('test', _cfg(root, type='TwiceForTest', metainfo=dict(group='(.)')), imports=['twice_plugin'])


def test_a_subset_of_classes_gives_the_label_map(root, tmp_path, monkeypatch):
    (tmp_path / 'subset_plugin.py').write_text(PLUGIN.format(name='SubsetForTest'))
    monkeypatch.syspath_prepend(tmp_path)
    cfg = _cfg(root, type='SubsetForTest', metainfo=dict(classes=('road',)))
    cache = tmp_path / 'cache'
    _age_sources(tmp_path)
    first = cached_split('test', cfg, cache, imports=['subset_plugin'])
    assert first.label_map == {0: 255, 1: 0}
    assert first.background is None  # it is not among the classes used
    assert cached_split('test', cfg, cache, imports=['subset_plugin']) == first


def _age_sources(folder):
    for path in folder.glob('*.py'):
        os.utime(path, (LONG_AGO, LONG_AGO))


def _no_build(*_):
    raise AssertionError('the data set was built')


@pytest.fixture
def remembered(root, tmp_path, monkeypatch):
    """Lists once, then gives a function that lists from memory, and fails if the data set is built."""
    cache = tmp_path / 'cache'
    first = cached_split('train', _cfg(root), cache)

    def again(**extra):
        with monkeypatch.context() as patch:
            patch.setattr('benchmarks.data.split._build', _no_build)
            return cached_split('train', _cfg(root, **extra), cache)

    assert again() == first
    return again


def test_the_pipeline_does_not_enter(remembered):
    assert remembered(pipeline=[]).names == ['a', 'b', 'sub/c']


@pytest.mark.parametrize('extra', [dict(reduce_zero_label=True), dict(indices=2), dict(img_suffix='.png')])
def test_another_config_is_listed_anew(remembered, extra):
    with pytest.raises(AssertionError, match='was built'):
        remembered(**extra)


@pytest.mark.parametrize(
    'change',
    [
        lambda root: _write(root / 'img' / 'd_im.png', np.zeros((4, 4, 3), np.uint8)),
        lambda root: _write(root / 'img' / 'new' / 'd_im.png', np.zeros((4, 4, 3), np.uint8)),
        lambda root: (root / 'img' / 'sub' / 'c_im.png').unlink(),
        lambda root: (root / 'ann' / 'a_gt.png').unlink(),
        lambda root: (root / 'img').rename(root / 'moved'),
    ],
    ids=['added', 'added in a new folder', 'removed from a subfolder', 'mask removed', 'folder gone'],
)
def test_changed_folders_are_noticed(remembered, root, change):
    change(root)
    with pytest.raises(AssertionError, match='was built'):
        remembered()


def test_added_and_removed_images_are_listed(root, tmp_path):
    cache = tmp_path / 'cache'
    cached_split('train', _cfg(root), cache)
    _write(root / 'img' / 'd_im.png', np.zeros((4, 4, 3), np.uint8))
    assert cached_split('train', _cfg(root), cache).names == ['a', 'b', 'd', 'sub/c']
    (root / 'img' / 'a_im.png').unlink()
    assert cached_split('train', _cfg(root), cache).names == ['b', 'd', 'sub/c']


def test_a_changed_list_file_is_noticed(root, tmp_path):
    (root / 'list.txt').write_text('a\n')
    _age(root)
    cfg = _cfg(root, ann_file='list.txt')
    assert cached_split('train', cfg, tmp_path / 'cache').names == ['a']
    (root / 'list.txt').write_text('b\n')  # same size, same folder stamp
    assert cached_split('train', cfg, tmp_path / 'cache').names == ['b']


def test_changed_code_of_the_data_set_is_noticed(root, tmp_path, monkeypatch):
    (tmp_path / 'edited_plugin.py').write_text(PLUGIN.format(name='EditedForTest'))
    _age_sources(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    cfg = _cfg(root, type='EditedForTest')
    first = cached_split('train', cfg, tmp_path / 'cache', imports=['edited_plugin'])
    monkeypatch.setattr('benchmarks.data.split._build', _no_build)
    assert cached_split('train', cfg, tmp_path / 'cache') == first
    (tmp_path / 'edited_plugin.py').write_text('# edited')
    with pytest.raises(AssertionError, match='was built'):
        cached_split('train', cfg, tmp_path / 'cache')


WRAPPER = """
from mmseg.registry import DATASETS


@DATASETS.register_module()
class WrapsForTest:
    def __init__(self, dataset):
        self.dataset = DATASETS.build(dataset)
        self.metainfo = self.dataset.metainfo

    def full_init(self):
        pass

    def __len__(self):
        return len(self.dataset)
"""


def test_changed_code_of_a_wrapper_is_noticed(root, tmp_path, monkeypatch):
    (tmp_path / 'wrapping_plugin.py').write_text(WRAPPER)
    _age_sources(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    cfg = dict(type='RepeatDataset', times=2, dataset=dict(type='WrapsForTest', dataset=_cfg(root)))
    first = cached_split('train', cfg, tmp_path / 'cache', imports=['wrapping_plugin'])
    monkeypatch.setattr('benchmarks.data.split._build', _no_build)
    assert cached_split('train', cfg, tmp_path / 'cache') == first
    (tmp_path / 'wrapping_plugin.py').write_text(WRAPPER + '# edited')
    with pytest.raises(AssertionError, match='was built'):
        cached_split('train', cfg, tmp_path / 'cache')


def test_fresh_folders_are_not_trusted(root, tmp_path, monkeypatch):
    os.utime(root / 'img')
    cached_split('train', _cfg(root), tmp_path / 'cache')
    monkeypatch.setattr('benchmarks.data.split._build', _no_build)
    with pytest.raises(AssertionError, match='was built'):
        cached_split('train', _cfg(root), tmp_path / 'cache')


@pytest.mark.parametrize('content', ['', '{"watched": {', '[]', 'null', '{"watched": {}, "split": {}}'])
def test_a_damaged_listing_is_ignored(root, tmp_path, content):
    first = cached_split('train', _cfg(root), tmp_path / 'cache')
    (entry,) = (tmp_path / 'cache').glob('listing_*.json')
    entry.write_text(content)
    assert cached_split('train', _cfg(root), tmp_path / 'cache') == first


def test_a_warm_call_imports_neither_torch_nor_mmseg(root, tmp_path):
    split = cached_split('train', _cfg(root), tmp_path / 'cache')
    code = (
        'import sys\n'
        'from benchmarks.data.split import cached_split\n'
        'from benchmarks.data.fingerprint import fingerprint\n'
        f'split = cached_split("train", {_cfg(root)!r}, {str(tmp_path / "cache")!r}, imports=["mmseg"])\n'
        'print(fingerprint(split))\n'
        'heavy = {"torch", "mmseg", "mmengine", "mmcv"} & set(sys.modules)\n'
        'assert not heavy, heavy\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == fingerprint(split)


def test_the_backend_of_masks_follows_the_pipeline_and_is_no_part_of_the_listing(root, tmp_path):
    def config(**arguments):
        return _cfg(root, pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', **arguments)])

    assert cached_split('train', config(), tmp_path).mask_backend == 'pillow'
    assert cached_split('train', config(imdecode_backend='cv2'), tmp_path).mask_backend == 'cv2'


def test_a_background_may_be_declared_as_none(root):
    def declared(**background):
        split = list_split('train', _cfg(root, metainfo=dict(classes=('background', 'road'), **background)))
        return split.background, split.background_declared

    assert declared() == (0, False)
    assert declared(background=0) == (0, True)
    assert declared(background=None) == (None, True)
