"""No place that a config names for mmengine's files lies outside of a stage's folder."""

import copy

from mmengine.hooks import CheckpointHook, LoggerHook
from mmengine.visualization import Visualizer

from benchmarks.stages.written_places import PLACES, written_inside

CONFIG = dict(
    default_hooks=dict(
        checkpoint=dict(type='CheckpointHook', interval=5, out_dir='/elsewhere'),
        logger=dict(type='LoggerHook', out_dir='s3://elsewhere'),
    ),
    custom_hooks=[dict(type='Own', out_dir='/elsewhere', path='kept')],
    visualizer=dict(type='Visualizer', save_dir='/e', vis_backends=[dict(type='LocalVisBackend', save_dir='/e')]),
    vis_backends=[dict(type='LocalVisBackend', save_dir='/e')],
    model=dict(type='M', out_dir='an argument of a model'),
    custom_imports=None,
)


def test_places_are_left_out_and_all_else_stays():
    before = copy.deepcopy(CONFIG)
    inside = written_inside(CONFIG)
    assert before == CONFIG
    assert 'elsewhere' not in repr(inside) and '/e' not in repr(inside)
    assert inside['default_hooks']['checkpoint'] == dict(type='CheckpointHook', interval=5)
    assert inside['custom_hooks'] == [dict(type='Own', path='kept')] and inside['model'] == CONFIG['model']


def test_these_are_the_places_that_mmengine_writes_to():
    import inspect

    arguments = [inspect.signature(one.__init__).parameters for one in (CheckpointHook, LoggerHook, Visualizer)]
    assert [sorted(set(PLACES) & set(names)) for names in arguments] == [['out_dir'], ['out_dir'], ['save_dir']]
