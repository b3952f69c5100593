"""A choice by a score on the test images is named; one by images of its own, or without validation, is not."""

import pytest

from benchmarks.preflight.selection import selected_on_test

TEST = dict(type='D', data_root='x', data_prefix=dict(img_path='test'), pipeline=[dict(type='Load')])
OTHER = TEST | dict(data_prefix=dict(img_path='val'))
BEST = dict(default_hooks=dict(checkpoint=dict(type='CheckpointHook', save_best='mIoU')))


def config(validated=TEST, val_cfg=dict(type='ValLoop'), **parts):
    loaders = dict(test_dataloader=dict(dataset=TEST), val_dataloader=validated and dict(dataset=validated))
    return dict(**loaders, val_cfg=val_cfg, **parts)


@pytest.mark.parametrize(
    'parts, culprit',
    [
        (BEST, "default_hooks.checkpoint.save_best='mIoU'"),
        (dict(custom_hooks=[dict(type='EarlyStoppingHook', monitor='mIoU')]), "custom_hooks.0.monitor='mIoU'"),
        (
            dict(param_scheduler=[dict(type='ReduceOnPlateauLR', factor=0.5)]),
            "param_scheduler.0.type='ReduceOnPlateauLR'",
        ),
    ],
)
def test_what_reads_a_score_on_the_test_images_is_named(parts, culprit):
    assert selected_on_test(config(**parts)) == [culprit]
    through_another_pipeline = TEST | dict(pipeline=[], metainfo=dict(classes=('a',)))
    assert selected_on_test(config(through_another_pipeline, **parts)) == [culprit]


def test_clean_configs_are_silent():
    assert selected_on_test(config()) == []
    assert selected_on_test(config(OTHER, **BEST)) == []
    assert selected_on_test(config(None, **BEST)) == []
    assert selected_on_test(config(val_cfg=None, **BEST)) == []
