"""Void is one label: the parts of a config that disagree are named before anything is trained."""

import copy
from pathlib import Path

import pytest

from benchmarks.errors import BadInput
from benchmarks.preflight.stack import import_and_register
from benchmarks.preflight.void_label import check_void_label
from benchmarks.stacks.compose import compose, load_config, strip_helpers
from benchmarks.stacks.protocol import apply_protocol
from benchmarks.stacks.references import Levels
from benchmarks.stacks.technique import load_techniques

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
PROTOCOL = load_config(CONFIGS / '_base_' / 'protocol.py')
TECHNIQUES = load_techniques(CONFIGS / 'techniques', [path.stem for path in sorted(CONFIGS.glob('techniques/*.py'))])
AUXILIARY = dict(type='FCNHead', in_channels=12, channels=4, num_classes=2, loss_decode=dict(type='CrossEntropyLoss'))


def baseline(**changed_data):
    """A baseline on ordinary folders of images, with ``changed_data`` in both data sets."""
    loaded = strip_helpers(load_config(CONFIGS / 'baselines' / 'unet_small_dsb2018.py'))
    loaded['train_dataloader']['dataset'] = loaded['train_dataloader']['dataset']['dataset']  # without its cache
    config = apply_protocol(loaded, PROTOCOL, 'cpu')[0]
    for loader in ('train_dataloader', 'test_dataloader'):
        config[loader]['dataset'].update(copy.deepcopy(changed_data))
    return config


def void_254():
    """A baseline with the void label 254 in every part that has one."""
    config = baseline(ignore_index=254)
    config['model']['decode_head']['ignore_index'] = 254
    config['model']['data_preprocessor']['seg_pad_val'] = 254
    config['test_evaluator'] = dict(type='IoUMetric', iou_metrics=['mIoU'], ignore_index=254)
    return config


@pytest.fixture(scope='module')
def registries():
    import plugins.datasets.merged_splits  # noqa: F401

    return import_and_register(TECHNIQUES, baseline())


@pytest.fixture
def check(registries):
    return lambda config: check_void_label(config, 'the baseline', registries)


def test_255_everywhere_is_what_every_part_takes_by_default(check):
    check(baseline())


def test_254_named_in_every_part_is_accepted(check):
    check(void_254())


def test_a_data_set_alone_is_refused_with_every_part_that_does_not_follow(check):
    with pytest.raises(BadInput) as refused:
        check(baseline(ignore_index=254))
    message = str(refused.value)
    assert message.startswith('the baseline: train_dataloader.dataset.ignore_index is 254, but ')
    for part in (
        'model.decode_head.ignore_index is 255 (the default of FCNHead)',
        'model.data_preprocessor.seg_pad_val is 255;',
        'ignore_index is 255 (the default of IoUMetric)',
        'set the latter to 254, otherwise set ignore_index of all data sets',
    ):
        assert part in message


def step(kind, **arguments):
    return dict(type=kind, **arguments)


@pytest.mark.parametrize(
    'path, change',
    [
        ('model.decode_head.ignore_index', lambda config: config['model']['decode_head'].pop('ignore_index')),
        ('model.auxiliary_head.ignore_index', lambda config: config['model'].update(auxiliary_head=AUXILIARY)),
        ('model.auxiliary_head.0.ignore_index', lambda config: config['model'].update(auxiliary_head=[AUXILIARY])),
        (
            'model.decode_head.loss_decode.1.ignore_index',
            lambda config: config['model']['decode_head'].update(
                loss_decode=[dict(type='CrossEntropyLoss'), dict(type='TverskyLoss')]
            ),
        ),
        ('model.data_preprocessor.seg_pad_val', lambda config: config['model']['data_preprocessor'].pop('seg_pad_val')),
        ('test_evaluator.ignore_index', lambda config: config['test_evaluator'].pop('ignore_index')),
        (
            'test_dataloader.dataset.ignore_index',
            lambda config: config['test_dataloader']['dataset'].pop('ignore_index'),
        ),
        *(
            (f'train_dataloader.dataset.pipeline.0.{key}', lambda config, new=new: _pipeline(config).insert(0, new))
            for key, new in (
                ('seg_pad_val', step('RandomRotate', prob=0.5, degree=10)),
                ('pad_val.seg', step('Pad', size=(64, 64))),
                ('seg_fill_in', step('RandomCutOut', prob=0.5, n_holes=1, cutout_ratio=(0.2, 0.2), seg_fill_in=255)),
                ('seg_fill', step('SquareCutOut')),
                ('ignore_index', step('RandomCrop', crop_size=(64, 64), cat_max_ratio=0.75)),
                ('ignore_index', step('GenerateEdge')),
            )
        ),
    ],
)
def test_each_part_that_disagrees_is_named(check, path, change):
    config = void_254()
    change(config)
    with pytest.raises(BadInput) as refused:
        check(config)
    assert f' {path} is 255' in str(refused.value)


def _pipeline(config):
    return config['train_dataloader']['dataset']['pipeline']


@pytest.mark.parametrize(
    'new',
    [
        step('RandomRotate', prob=0.5, degree=10, seg_pad_val=254),
        step('RandomRotate', prob=0.5, degree=10, seg_pad_val=0),  # filled with a class
        step('Pad', size=(64, 64), pad_val=dict(img=0, seg=254)),
        step('RandomCutOut', prob=0.5, n_holes=1, cutout_ratio=(0.2, 0.2)),  # keeps the labels
        step('RandomCrop', crop_size=(64, 64)),  # looks at labels only below cat_max_ratio=1
    ],
)
def test_what_agrees_or_fills_with_a_class_is_accepted(check, new):
    config = void_254()
    _pipeline(config).insert(0, new)
    check(config)


def test_a_head_without_a_void_label_is_accepted(check):
    config = baseline()
    config['model']['decode_head']['ignore_index'] = None
    check(config)


def test_labels_that_are_dropped_when_loaded_need_255(check):
    config = void_254()
    config['train_dataloader']['dataset']['reduce_zero_label'] = True
    with pytest.raises(
        BadInput, match=r'train_dataloader.dataset.reduce_zero_label drops labels, .* as 255, but .*254'
    ):
        check(config)
    config = baseline(reduce_zero_label=True)
    check(config)


def test_labels_that_a_merged_source_drops_need_255(check):
    config = void_254()
    loader = config['train_dataloader']
    source = {key: value for key, value in loader['dataset'].items() if key != 'pipeline'}
    merged = dict(type='MergedSplits', ann_file='table.csv', pipeline=loader['dataset']['pipeline'])
    loader['dataset'] = dict(**merged, sources=[source, dict(source, reduce_zero_label=True)])
    with pytest.raises(BadInput, match=r'train_dataloader.dataset.sources.*reduce_zero_label drops labels'):
        check(config)
    loader['dataset']['sources'] = [source, source]
    check(config)
    with pytest.raises(BadInput, match=r'sources.*ignore_index is 255, but|sources.*ignore_index is 255'):
        check(
            {**config, 'train_dataloader': dict(dataset=dict(merged, sources=[source, dict(source, ignore_index=255)]))}
        )


def test_classes_that_are_left_out_are_loaded_as_255(check):
    config = void_254()
    config['train_dataloader']['dataset'].update(type='CityscapesDataset', metainfo=dict(classes=('road', 'sky')))
    with pytest.raises(BadInput, match='train_dataloader.dataset.metainfo.classes drops labels'):
        check(config)


@pytest.mark.parametrize('name', ['cut_out', 'elastic', 'heavy_augmentation', 'deep_supervision', 'unet_decoder'])
def test_techniques_follow_the_head(check, name):
    for config, void in ((void_254(), 254), (baseline(), 255)):
        composed = compose(config, (name,), TECHNIQUES, lambda part: Levels([12] * 4, [8, 4, 2, 1]))
        check(composed)
        filled = [step[key] for step in _pipeline(composed) for key in ('seg_fill', 'seg_pad_val') if key in step]
        assert set(filled) <= {void}
