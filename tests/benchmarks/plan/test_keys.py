import pytest

from benchmarks.errors import BadInput
from benchmarks.files import digest
from benchmarks.plan.keys import as_computed, config_parts, refuse_addresses, stage_key, stage_of

CONFIG = dict(
    model=dict(
        type='M',
        backbone=dict(type='B'),
        test_cfg=dict(mode='whole'),
        data_preprocessor=dict(type='P', size=(4, 4), test_cfg=dict(size_divisor=8)),
    ),
    train_dataloader=dict(batch_size=2, dataset=dict(type='D', data_root='a')),
    test_dataloader=dict(dataset=dict(type='D', data_root='a')),
    test_cfg=dict(type='TestLoop', fp16=False),
    test_evaluator=dict(type='IoUMetric'),
    default_hooks=dict(logger=dict(type='LoggerHook'), checkpoint=dict(type='CheckpointHook')),
    custom_hooks=[dict(type='TestHook'), dict(type='TrainHook')],
    inference=dict(views=dict(h=dict(type='V')), refine=dict(c=dict(type='R'))),
    log_level='INFO',
    something_new=3,
)


def parts(config=CONFIG):
    return config_parts(config, lambda hook: hook == 'TestHook')


def test_each_key_feeds_its_stage():
    split = parts()
    assert split['refine'] == {'inference.refine': dict(c=dict(type='R'))}
    assert split['predict'] == {
        'model.test_cfg': dict(mode='whole'),
        'model.data_preprocessor.test_cfg': dict(size_divisor=8),
        'test_dataloader': CONFIG['test_dataloader'],
        'test_cfg': CONFIG['test_cfg'],
        'inference.views': dict(h=dict(type='V')),
        'custom_hooks': [dict(type='TestHook')],
    }
    assert split['train'] == {
        'model.type': 'M',
        'model.data_preprocessor.type': 'P',
        'model.data_preprocessor.size': (4, 4),
        'model.backbone': dict(type='B'),
        'train_dataloader': CONFIG['train_dataloader'],
        'default_hooks.checkpoint.type': 'CheckpointHook',
        'custom_hooks': [dict(type='TrainHook')],
        'something_new': 3,
    }


@pytest.mark.parametrize(
    'path, stage',
    [
        ('model.decode_head.num_classes', 'train'),
        ('model.test_cfg.mode', 'predict'),
        ('optim_wrapper', 'train'),
        ('load_from', 'train'),
        ('env_cfg', 'train'),
        ('randomness.seed', 'train'),
        ('never_heard_of', 'train'),
        ('test_dataloader.dataset.pipeline', 'predict'),
        ('test_evaluator', 'nothing'),
        ('val_cfg', 'nothing'),
        ('val_dataloader.batch_size', 'nothing'),
        ('log_processor.window_size', 'nothing'),
        ('visualizer', 'nothing'),
        ('default_hooks.logger.interval', 'nothing'),
        ('default_hooks.checkpoint.interval', 'train'),
        ('work_dir', 'nothing'),
        ('default_hooks.checkpoint.max_keep_ckpts', 'nothing'),
        ('resume', 'nothing'),
        ('train_cfg.val_interval', 'nothing'),
        ('train_cfg.val_begin', 'nothing'),
        ('train_cfg.max_iters', 'train'),
        ('inference.views.h', 'predict'),
        ('inference.refine.crf', 'refine'),
        ('custom_imports.imports', 'nothing'),
    ],
)
def test_the_table(path, stage):
    assert stage_of(tuple(path.split('.'))) == stage


def test_a_model_without_a_dict_to_split_counts_as_training():
    split = parts(dict(CONFIG, inference=None, default_hooks=None))
    assert split['train']['default_hooks'] is None and split['predict']['inference'] is None
    assert split['refine'] == {}


def test_where_data_lie_is_left_out_at_any_depth():
    leaf = dict(type='D', data_root='a', data_prefix=dict(img_path='i'), ann_file='x.txt', img_suffix='.png')
    node = dict(dataset=dict(type='ConcatDataset', datasets=[leaf, leaf]), batch_size=2)
    assert as_computed(node) == dict(
        dataset=dict(type='ConcatDataset', datasets=[dict(type='D', img_suffix='.png')] * 2), batch_size=2
    )
    assert 'data_root' in leaf


@pytest.mark.parametrize(
    'metainfo, kept',
    [
        (dict(background=0), None),
        (dict(background=0, dataset_name='Mine', group='(.*)_frame'), None),
        (dict(classes=('a', 'b'), background='a', palette=[[0, 0, 0]]), dict(classes=['a', 'b'], palette=[[0, 0, 0]])),
        ('classes.txt', 'classes.txt'),
    ],
)
def test_what_metainfo_declares_for_scores_is_left_out_at_any_depth(metainfo, kept):
    node = dict(dataset=dict(type='RepeatDataset', dataset=dict(type='D', metainfo=metainfo)))
    inner = dict(type='D') if kept is None else dict(type='D', metainfo=kept)
    assert as_computed(node) == dict(dataset=dict(type='RepeatDataset', dataset=inner))
    assert as_computed(dict(background=0)) == dict(background=0)  # a refinement's own argument


def test_digests():
    assert digest(dict(a=1, b=(1, 2))) == digest(dict(b=[1, 2], a=1))
    assert digest([1, 2]) != digest([2, 1]) and digest(1) != digest('1') != digest([1]) and digest(1) != digest(1.5)
    assert digest(None) != digest(False) != digest(0)
    assert digest(dict) == digest(dict)  # what JSON does not know enters by its repr


def test_the_order_of_a_set_does_not_count():
    assert digest({'a', 'b', 'c'}) == digest({'c', 'a', 'b'}) == digest(frozenset('abc')) != digest({'a', 'b'})


def test_what_is_told_apart_by_its_address_is_refused_with_its_place():
    refuse_addresses(dict(a=[1, 'at 0x12', None, dict], b=dict(c=(2.5, {'x'}))))
    with pytest.raises(BadInput, match="'b.c.1' is <object object at 0x"):
        refuse_addresses(dict(a=1, b=dict(c=(2, object()))))


def test_a_stage_key_depends_on_each_ingredient_and_its_name():
    key = stage_key(dict(a='1', b='2'))
    assert len(key) == 40 and set(key) <= set('0123456789abcdef')
    changes = dict(a='2', b='1'), dict(a='1'), dict(a='1', c='2'), dict(a='1', b='3')
    others = [stage_key(changed) for changed in changes]
    assert key == stage_key(dict(b='2', a='1')) and len({key, *others}) == 5
