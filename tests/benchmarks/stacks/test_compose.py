import copy
import inspect
import re

import pytest

from benchmarks.errors import BadInput
from benchmarks.stacks.compose import (
    READ_FROM_CFG,
    RUNNER_KEYS,
    compose,
    compose_all,
    datasets,
    load_config,
    nested,
    refuse_dead_keys,
    set_data_root,
    strip_helpers,
)
from benchmarks.stacks.technique import Technique

BASE = dict(
    model=dict(type='M', head=dict(type='H', loss=dict(type='CE', weight=1.0))),
    train_dataloader=dict(dataset=dict(type='D', pipeline=[dict(type='Load'), dict(type='Pack')])),
    custom_imports=dict(imports=['base.module'], allow_failed_imports=False),
)


def rows(**overlays):
    return {name: Technique(name, name, '', overlay, imports=[f'plugins.{name}']) for name, overlay in overlays.items()}


def test_runner_keys_are_the_arguments_of_mmengines_runner():
    from mmengine.runner import Runner

    assert set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'} == RUNNER_KEYS


def test_keys_read_from_cfg_are_those_that_the_runner_reads_later():
    from mmengine.runner import Runner

    source = inspect.getsource(Runner)
    assert set(re.findall(r"self\.cfg\.get\(\s*'(\w+)'", source)) == READ_FROM_CFG


def test_configs_that_ship_with_mmseg_load():
    config = load_config('mmseg::unet/unet-s5-d16_fcn_4xb4-160k_cityscapes-512x1024.py')
    assert config['model']['backbone']['type'] == 'UNet' and config['train_pipeline'][0]['type'] == 'LoadImageFromFile'
    assert 'train_pipeline' not in strip_helpers(config) and strip_helpers(config)['model'] == config['model']


@pytest.mark.parametrize(
    'path, message', [('mmseg::unet/no_such_config.py', 'no_such_config'), ('nowhere/x.py', 'nowhere/x.py')]
)
def test_a_missing_config_is_named(path, message):
    with pytest.raises(BadInput, match=message):
        load_config(path)


def test_a_config_that_does_not_parse_is_named(tmp_path):
    (tmp_path / 'broken.py').write_text('model = dict(')
    with pytest.raises(BadInput, match='broken.py cannot be read'):
        load_config(tmp_path / 'broken.py')


def test_helpers_are_stripped_and_a_top_level_preprocessor_moves_into_the_model():
    config = dict(BASE, crop_size=(4, 4), norm_cfg=dict(type='BN'), data_preprocessor=dict(type='P'))
    before = copy.deepcopy(config)
    stripped = strip_helpers(config)
    assert stripped.keys() == BASE.keys() and stripped['model']['data_preprocessor'] == dict(type='P')
    assert config == before
    own = dict(config, model=dict(config['model'], data_preprocessor=dict(type='Q')))
    assert strip_helpers(own)['model']['data_preprocessor'] == dict(type='Q')


@pytest.mark.parametrize(
    'overlay, cure',
    [
        (dict(train_pipeline=[]), 'set the place that uses it, train_dataloader.dataset.pipeline'),
        (dict(data_preprocessor=dict(size=(4, 4))), 'set the place that uses it, model.data_preprocessor'),
        (dict(my_variable=3), 'set the place that uses it, inside model'),
        (dict(data_root='x'), '--data-root'),
    ],
)
def test_a_helper_variable_is_refused_with_the_place_that_uses_it(overlay, cure):
    with pytest.raises(BadInput) as caught:
        refuse_dead_keys(overlay, dict(BASE, my_variable=2), "technique 'a'")
    key = next(iter(overlay))
    text = str(caught.value)
    assert text.startswith(f"technique 'a': '{key}' is only a helper variable") and cure in text


def test_a_technique_is_told_the_cure_though_the_helpers_are_stripped():
    with pytest.raises(BadInput, match="'train_pipeline' is only a helper .* train_dataloader.dataset.pipeline"):
        compose(BASE, ('a',), rows(a=dict(train_pipeline=[], model=dict(type='N'))))


def test_an_unknown_top_level_key_is_refused_with_a_close_match():
    with pytest.raises(BadInput, match="nothing reads the top-level key 'modle'; did you mean 'model'"):
        refuse_dead_keys(dict(modle=dict()), BASE, 'it')
    for key in ('inference', 'custom_hooks', 'compile', 'randomness'):
        refuse_dead_keys({key: {}}, BASE, 'it')


def test_the_empty_stack_is_the_base():
    assert compose(BASE, (), {}) == BASE


def test_techniques_merge_and_their_imports_form_a_set():
    table = rows(b=dict(model=dict(head=dict(type='B'))), a=dict(model=dict(head=dict(loss=dict(weight=2.0)))))
    before = copy.deepcopy((BASE, table))
    config = compose(BASE, ('b', 'a'), table)
    assert config['model'] == dict(type='M', head=dict(type='B', loss=dict(type='CE', weight=2.0)))
    assert config['custom_imports'] == dict(
        imports=['base.module', 'plugins.a', 'plugins.b'], allow_failed_imports=False
    )
    assert (BASE, table) == before


def test_the_order_of_a_stack_does_not_matter_with_insertions_either():
    def after_load(*items):
        return dict(train_dataloader=dict(dataset=dict(pipeline=dict(_insert_=list(items), _after_='Load'))))

    table = rows(
        b=after_load(dict(type='B')),
        a=after_load(dict(type='A1'), dict(type='A2')),
        c=dict(custom_hooks=dict(_insert_=[dict(type='H')])),
    )
    config = compose(BASE, ('b', 'c', 'a'), table)
    assert config == compose(BASE, ('a', 'b', 'c'), table) == compose(BASE, ('c', 'a', 'b'), table)
    pipeline = config['train_dataloader']['dataset']['pipeline']
    assert [step['type'] for step in pipeline] == ['Load', 'B', 'A1', 'A2', 'Pack']


@pytest.mark.parametrize('order', [('a', 'b'), ('b', 'a')])
@pytest.mark.parametrize(
    'first, second, key',
    [
        (dict(model=dict(head=dict(type='A'))), dict(model=dict(head=dict(type='B'))), 'model.head.type'),
        (
            dict(model=dict(head=dict(_delete_=True, type='A'))),
            dict(model=dict(head=dict(loss=dict(weight=3)))),
            'model.head.loss.weight',
        ),
    ],
)
def test_techniques_that_set_the_same_or_nested_keys_are_refused(order, first, second, key):
    with pytest.raises(BadInput) as caught:
        compose(BASE, order, rows(a=first, b=second))
    assert f"techniques '{order[0]}' and '{order[1]}' both set '{key}'; stack only one" in str(caught.value)


@pytest.mark.parametrize(
    'overlay, named',
    [
        (dict(model=dict(head=dict(loss=dict(weight=1.0)))), 'model.head.loss.weight'),
        (dict(), 'no key at all'),
        (dict(model=dict()), 'model'),
        (dict(model=dict(head=dict(loss=dict(_delete_=True, type='CE', weight=1.0)))), 'model.head.loss'),
    ],
)
def test_a_technique_that_changes_nothing_is_refused(overlay, named):
    with pytest.raises(BadInput) as caught:
        compose(BASE, ('a',), rows(a=overlay))
    assert "technique 'a' changes nothing" in str(caught.value) and f'({named})' in str(caught.value)


@pytest.mark.parametrize(
    ('value', 'message'),
    [
        (dict(_from_='train_cfg.max_iters', _times__=0.1), "the mark '_times__' is unknown; did you mean '_times_'?"),
        (dict(_drop_=True), "the mark '_drop_' is unknown"),
        ([dict(_keep_=0.5)], "the mark '_keep_' does nothing in its place"),
    ],
)
def test_a_mark_that_is_left_over_is_refused(value, message):
    """It would reach a plugin as an argument."""
    base = dict(model=dict(head=dict(size=1)), train_cfg=dict(max_iters=10))
    with pytest.raises(BadInput, match=re.escape(f"technique 'a': {message}")):
        compose(base, frozenset('a'), rows(a=dict(model=dict(head=dict(size=value)))))


def test_marks_of_mmengine_and_of_the_baseline_are_kept():
    base = dict(model=dict(head=dict(_own_=1, size=1)))
    config = compose(base, frozenset('a'), rows(a=dict(model=dict(head=dict(size=dict(_scope_='mmseg'))))))
    assert config['model'] == dict(head=dict(_own_=1, size=dict(_scope_='mmseg')))


def test_a_pattern_of_names_of_parameters_is_no_mark():
    patterns = dict(optim_wrapper=dict(paramwise_cfg=dict(custom_keys={'_head_': dict(lr_mult=10)})))
    assert compose({}, frozenset('a'), rows(a=patterns))['optim_wrapper'] == patterns['optim_wrapper']
    misplaced = dict(optim_wrapper=dict(paramwise_cfg=dict(custom_keys=[dict(_keep_=1)])))
    with pytest.raises(BadInput, match="the mark '_keep_' does nothing in its place"):
        compose({}, frozenset('a'), rows(a=misplaced))


def test_options_with_dots_become_an_overlay():
    assert nested({'model.head.type': 'X', 'model.head.loss.weight': 2}, BASE) == dict(
        model=dict(head=dict(type='X', loss=dict(weight=2)))
    )


def test_a_number_picks_an_element_of_a_list_and_several_options_add_up():
    options = {
        'train_dataloader.dataset.pipeline.0.color_type': 'grayscale',
        'train_dataloader.dataset.pipeline.1.type': 'X',
    }
    assert nested(options, BASE) == dict(
        train_dataloader=dict(dataset=dict(pipeline=[dict(type='Load', color_type='grayscale'), dict(type='X')]))
    )
    assert BASE['train_dataloader']['dataset']['pipeline'] == [dict(type='Load'), dict(type='Pack')]


@pytest.mark.parametrize('step', ['2', 'Load', '-1'])
def test_a_step_that_is_no_index_is_refused(step):
    with pytest.raises(BadInput, match=f"'{step}' is no index of a list of 2"):
        nested({f'train_dataloader.dataset.pipeline.{step}.x': 1}, BASE)


def test_the_data_root_reaches_every_split_and_wrapped_data_sets():
    def leaf(n):
        return dict(type='D', data_root=f'old{n}', data_prefix=dict(img_path='i'))

    config = dict(
        train_dataloader=dict(dataset=dict(type='RepeatDataset', times=2, dataset=leaf(1))),
        val_dataloader=None,
        test_dataloader=dict(dataset=dict(type='ConcatDataset', datasets=[leaf(2), leaf(3)])),
    )
    changed = set_data_root(config, 'new')
    splits = [changed['train_dataloader'], changed['test_dataloader']]
    assert [one['data_root'] for split in splits for one in datasets(split)] == ['new', 'new', 'new']
    assert config['train_dataloader']['dataset']['dataset']['data_root'] == 'old1'


@pytest.mark.parametrize(
    'given, allowed',
    [(dict(imports='base.module'), False), (dict(imports=['base.module'], allow_failed_imports=True), True)],
)
def test_imports_of_a_string_and_leave_to_fail_survive(given, allowed):
    heavier = rows(a=dict(model=dict(head=dict(loss=dict(weight=2.0)))))
    config = compose(dict(BASE, custom_imports=given), ('a',), heavier)
    assert config['custom_imports'] == dict(imports=['base.module', 'plugins.a'], allow_failed_imports=allowed)


def test_many_stacks_are_composed_as_each_of_them_alone():
    techniques = rows(
        loss=dict(model=dict(head=dict(loss=dict(weight=2.0)))),
        wide=dict(model=dict(channels=dict(_from_='model.head.loss.weight', _times_=2))),
        more=dict(train_dataloader=dict(dataset=dict(pipeline=dict(_insert_=[dict(type='Flip')], _after_='Load')))),
    )
    stacks = [(), ('loss',), ('more', 'loss'), ('loss', 'more', 'wide'), ('wide', 'more')]
    before = copy.deepcopy(BASE)
    found = compose_all(BASE, stacks, techniques)
    assert found == {stack: compose(BASE, stack, techniques) for stack in stacks} and list(found) == stacks
    found[()]['model']['head']['loss']['weight'] = found['wide', 'more']['model']['head']['type'] = 'spoilt'
    assert before == BASE and found['loss',]['model']['head'] == dict(type='H', loss=dict(type='CE', weight=2.0))


@pytest.mark.parametrize(
    'stack, message',
    [
        (('loss', 'other'), "'loss' and 'other' both set 'model.head.loss.weight'"),
        (('other', 'same'), "technique 'same' changes nothing"),
        (('other', 'dead'), 'nothing reads the top-level key'),
    ],
)
def test_each_stack_of_many_is_checked(stack, message):
    techniques = rows(
        loss=dict(model=dict(head=dict(loss=dict(weight=2.0)))),
        other=dict(model=dict(head=dict(loss=dict(weight=3.0)))),
        same=dict(model=dict(type='M')),
        dead=dict(nobody=1),
    )
    with pytest.raises(BadInput, match=message):
        compose_all(BASE, [(), ('loss',), ('other',), stack], techniques)
