"""A technique changes the pipeline of a data set that the baseline has wrapped."""

import copy

import pytest

from benchmarks.errors import BadInput
from benchmarks.stacks.compose import compose, load_config, strip_helpers
from benchmarks.stacks.overlay import apply
from benchmarks.stacks.technique import Technique
from benchmarks.stacks.wrapped_pipelines import inside_wrappers

PIPELINE = [dict(type='Load'), dict(type='Flip'), dict(type='Pack')]
LEAF = dict(type='D', pipeline=PIPELINE)
INSERT = dict(pipeline=dict(_insert_=[dict(type='Noise')], _before_='Pack'))
WITH_NOISE = [dict(type='Load'), dict(type='Flip'), dict(type='Noise'), dict(type='Pack')]


def loader(dataset):
    return dict(train_dataloader=dict(dataset=dataset))


def changed(dataset, *changes):
    config = loader(dataset)
    before = copy.deepcopy((config, changes))
    result = apply(config, [loader(change) for change in changes])
    assert (config, changes) == before
    return result['train_dataloader']['dataset']


def test_an_insertion_reaches_through_one_wrapper_and_through_two():
    once = dict(type='RepeatDataset', times=3, dataset=LEAF)
    assert changed(once, INSERT) == dict(type='RepeatDataset', times=3, dataset=dict(type='D', pipeline=WITH_NOISE))
    twice = dict(type='Cache', dataset=once)
    assert changed(twice, INSERT)['dataset']['dataset'] == dict(type='D', pipeline=WITH_NOISE)


def test_without_a_wrapper_nothing_is_moved():
    assert changed(LEAF, INSERT) == dict(type='D', pipeline=WITH_NOISE)


def test_a_whole_pipeline_and_a_change_of_each_step_reach_through_as_well():
    wrapped = dict(type='RepeatDataset', times=3, dataset=LEAF)
    assert changed(wrapped, dict(pipeline=[dict(type='Pack')]))['dataset']['pipeline'] == [dict(type='Pack')]
    each = changed(wrapped, dict(pipeline=dict(_each_=dict(on=True))))['dataset']['pipeline']
    assert each == [dict(step, on=True) for step in PIPELINE]


def test_the_wrapper_keeps_its_own_keys_and_its_own_pipeline():
    wrapped = dict(type='RepeatDataset', times=3, dataset=LEAF)
    assert changed(wrapped, dict(times=5, **INSERT)) == dict(
        type='RepeatDataset', times=5, dataset=dict(type='D', pipeline=WITH_NOISE)
    )
    mosaic = dict(type='MultiImageMixDataset', pipeline=PIPELINE, dataset=LEAF)
    assert changed(mosaic, INSERT) == dict(type='MultiImageMixDataset', pipeline=WITH_NOISE, dataset=LEAF)


def test_a_change_that_names_the_data_set_inside_stays_where_it_is():
    wrapped = dict(type='RepeatDataset', times=3, dataset=LEAF)
    assert changed(wrapped, dict(dataset=INSERT))['dataset']['pipeline'] == WITH_NOISE


def test_a_change_that_replaces_the_data_set_has_the_pipeline_it_says():
    wrapped = dict(type='RepeatDataset', times=3, dataset=LEAF)
    assert changed(wrapped, dict(_delete_=True, type='E', pipeline=PIPELINE)) == dict(type='E', pipeline=PIPELINE)


def test_several_data_sets_side_by_side_are_refused():
    with pytest.raises(BadInput, match=r"'train_dataloader.dataset.pipeline' is not a list in the baseline"):
        changed(dict(type='ConcatDataset', datasets=[LEAF, LEAF]), INSERT)


def test_an_augmentation_and_a_wrap_compose_in_both_orders_on_a_config_of_mmseg_that_repeats_its_images():
    base = strip_helpers(load_config('mmseg::unet/unet-s5-d16_fcn_4xb4-40k_chase-db1-128x128.py'))
    assert base['train_dataloader']['dataset']['type'] == 'RepeatDataset'
    inserted = dict(pipeline=dict(_insert_=[dict(type='CLAHE')], _before_='PackSegInputs'))
    techniques = {
        'clahe': Technique('clahe', 'CLAHE', 'local contrast', loader(inserted)),
        'cache': Technique('cache', 'cache', 'decoded once', loader(dict(_wrap_='dataset', type='Cache'))),
    }
    one, other = (
        compose(base, stack, techniques)['train_dataloader'] for stack in (('clahe', 'cache'), ('cache', 'clahe'))
    )
    assert one == other
    assert [one['dataset']['type'], one['dataset']['dataset']['type']] == ['Cache', 'RepeatDataset']
    steps = [step['type'] for step in one['dataset']['dataset']['dataset']['pipeline']]
    assert steps[-2:] == ['CLAHE', 'PackSegInputs']


@pytest.mark.parametrize('inside', [dict(pipeline=[dict(type='B')]), dict(_delete_=True, type='E', pipeline=[])])
@pytest.mark.parametrize('names', [('a', 'b'), ('b', 'a')])
def test_two_techniques_that_name_one_pipeline_in_two_ways_clash(names, inside):
    base = loader(dict(type='RepeatDataset', times=3, dataset=LEAF))
    overlays = dict(zip(names, (loader(dict(pipeline=[dict(type='A')])), loader(dict(dataset=inside)))))
    techniques = {name: Technique(name, name, name, overlay) for name, overlay in overlays.items()}
    with pytest.raises(BadInput, match=r"both set 'train_dataloader\.dataset\.dataset"):
        compose(base, names, techniques)


def test_what_was_moved_once_stays():
    base = loader(dict(type='Cache', dataset=dict(type='RepeatDataset', times=3, dataset=LEAF)))
    moved = inside_wrappers(loader(dict(times=5, **INSERT)), base)
    assert moved == loader(dict(times=5, dataset=dict(dataset=INSERT))) == inside_wrappers(moved, base)
