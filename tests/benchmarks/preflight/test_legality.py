import copy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import plugins.views.composed  # noqa: F401
from benchmarks.check.readme_tables import techniques_without_row
from benchmarks.errors import BadInput
from benchmarks.preflight.builds import BuiltOnce, check_builds, check_loaders, check_sampling, check_test_sample
from benchmarks.preflight.legality import KeyChecker, Registries, parameters
from benchmarks.stacks.compose import compose, load_config, nested, strip_helpers
from benchmarks.stacks.imports import import_modules
from benchmarks.stacks.merging import merge
from benchmarks.stacks.overlay import apply
from benchmarks.stacks.protocol import apply_protocol, pair_training_data
from benchmarks.stacks.technique import Technique, load_techniques

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
NEW = techniques_without_row(CONFIGS.parent)
PROTOCOL = load_config(CONFIGS / '_base_' / 'protocol.py')
TECHNIQUES = load_techniques(
    CONFIGS / 'techniques', [path.stem for path in sorted((CONFIGS / 'techniques').glob('*.py'))]
)


@pytest.fixture(scope='module')
def base():
    return apply_protocol(strip_helpers(load_config(CONFIGS / 'baselines' / 'unet_small_icbm152.py')), PROTOCOL, 'cpu')[
        0
    ]


@pytest.fixture(scope='module')
def key_checker(base):
    import_modules(TECHNIQUES, base)
    return KeyChecker(Registries())


def applied(base, overlay):
    return apply(base, [overlay])


def head(**keys):
    return dict(model=dict(decode_head=keys))


def loader(**keys):
    return dict(train_dataloader=keys)


def optim(**keys):
    return dict(optim_wrapper=keys)


def into_pipeline(**step):
    return loader(dataset=dict(pipeline=dict(_insert_=[step], _after_='RandomFlip')))


ILLEGAL = {
    'a misspelt key of a typed dict': (
        head(loss_decodee=dict(loss_weight=2.0)),
        r"'model.decode_head.loss_decodee' is not a legal key: "
        r"'FCNHead' takes no 'loss_decodee'; did you mean 'loss_decode'",
    ),
    'a misspelt key deeper down': (
        head(loss_decode=dict(loss_wieght=2.0)),
        r"'CrossEntropyLoss' takes no 'loss_wieght'; did you mean 'loss_weight'",
    ),
    'a misspelt type': (head(type='FCNHaed'), r"'model.decode_head' has the type 'FCNHaed'.* did you mean 'FCNHead'"),
    'an argument left over from the type before': (
        head(loss_decode=dict(type='TverskyLoss')),
        r"'TverskyLoss' takes no 'use_sigmoid'.* replace the whole dict with _delete_=True",
    ),
    'an unknown key of the optimizer wrapper': (
        optim(clipgrad=dict(max_norm=1)),
        r"'OptimWrapper' takes no 'clipgrad'; did you mean 'clip_grad'",
    ),
    'an unknown key of the optimizer': (optim(optimizer=dict(learning_rate=1)), r"'AdamW' takes no 'learning_rate'"),
    'an unknown key of a data loader': (
        loader(batchsize=4),
        r"'train_dataloader.batchsize' is not a legal key.* did you mean 'batch_size'",
    ),
    'an unknown key of a data set': (
        loader(dataset=dict(img_sufix='.png')),
        r"'ICBM152Dataset' takes no 'img_sufix'; did you mean 'img_suffix'",
    ),
    'an unknown key of a loop': (
        dict(train_cfg=dict(max_iter=3)),
        r"'IterBasedTrainLoop' takes no 'max_iter'; did you mean 'max_iters'",
    ),
    'an unknown key of inference': (
        dict(inference=dict(veiws={})),
        r"'inference.veiws' is not a legal key.* did you mean 'views'",
    ),
    'an unknown argument of a view': (
        dict(inference=dict(views=dict(h=dict(type='FlipView', axis=1)))),
        r"'inference.views.h.axis'.* 'FlipView' takes no 'axis'",
    ),
    'an unknown view': (
        dict(inference=dict(views=dict(h=dict(type='FlippView')))),
        r"the type 'FlippView'.* did you mean 'FlipView'",
    ),
    'an unknown argument of a refinement': (
        dict(inference=dict(refine=dict(c=dict(type='DenseCRF', iteration=3)))),
        r"takes no 'iteration'; did you mean 'iterations'",
    ),
    'an unknown type in an inserted transform': (
        into_pipeline(type='RandomRotat'),
        r"the type 'RandomRotat'.* 'RandomRotate'",
    ),
    'an unknown argument in an inserted transform': (
        into_pipeline(type='RandomRotate', prob=0.5, degrees=10),
        r"'RandomRotate' takes no 'degrees'; did you mean 'degree'",
    ),
    'an unknown argument of what a transform passes on to': (
        into_pipeline(type='RandomResize', scale=(64, 64), keep_ration=True),
        r"takes no 'keep_ration'; did you mean 'keep_ratio'",
    ),
    'an unknown argument in an inserted hook': (
        dict(custom_hooks=dict(_insert_=[dict(type='EMAHook', momentun=0.1)])),
        r"'EMAHook' takes no 'momentun'",
    ),
    'an unknown argument of a default hook': (
        dict(default_hooks=dict(logger=dict(intervall=3))),
        r"'LoggerHook' takes no 'intervall'; did you mean 'interval'",
    ),
    'an unknown key of randomness': (
        dict(randomness=dict(sed=3)),
        r"'randomness.sed' is not a legal key.* did you mean 'seed'",
    ),
    'an unknown argument in a list given whole': (
        dict(param_scheduler=[dict(type='PolyLR', powr=0.9)]),
        r"'PolyLR' takes no 'powr'; did you mean 'power'",
    ),
    'another set of keys for an untyped dict': (
        dict(model=dict(test_cfg=dict(crop=4))),
        r"the baseline's 'model.test_cfg' has no 'crop'.* with _delete_=True",
    ),
    'a misspelt setting per parameter, where the base has none': (
        optim(paramwise_cfg=dict(norm_decay_mull=0.0)),
        r"'optim_wrapper.paramwise_cfg.norm_decay_mull' is not a legal key.* did you mean 'norm_decay_mult'",
    ),
    'a misspelt key of an empty dict': (
        dict(model=dict(train_cfg=dict(sampelr=None))),
        r"'model.train_cfg.sampelr' is not a legal key.* did you mean 'sampler'",
    ),
    'a misspelt key of a dict given whole': (
        dict(model=dict(test_cfg=dict(_delete_=True, mode='slide', crop_sise=(64, 64)))),
        r"'model.test_cfg.crop_sise' is not a legal key.* did you mean 'crop_size'",
    ),
}


@pytest.mark.parametrize('kind', ILLEGAL)
def test_illegal_keys_are_refused_with_close_matches(key_checker, base, kind):
    overlay, message = ILLEGAL[kind]
    with pytest.raises(BadInput, match=message) as caught:
        key_checker.check(overlay, base, applied(base, overlay), "technique 'x'")
    assert str(caught.value).startswith("technique 'x': '")


LEGAL = {
    'a key of the base': head(dropout_ratio=0.3),
    'an argument that the base leaves at its default': head(ignore_index=254),
    'an argument of a base class': head(sampler=dict(type='OHEMPixelSampler', thresh=0.7)),
    'a new clip_grad': optim(clip_grad=dict(max_norm=1.0, norm_type=2)),
    'an argument of the optimizer': optim(optimizer=dict(betas=(0.9, 0.95), amsgrad=True)),
    'settings per parameter': optim(
        paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))), accumulative_counts=2
    ),
    'mixed precision': optim(type='AmpOptimWrapper', loss_scale='dynamic'),
    'a hook with a priority': dict(custom_hooks=dict(_insert_=[dict(type='EMAHook', momentum=0.01, priority='LOW')])),
    'a new view': dict(inference=dict(views=dict(h=dict(type='FlipView', direction='horizontal')))),
    'a view of views': dict(
        inference=dict(views=dict(both=dict(type='ComposedView', views=[dict(type='FlipView', direction='vertical')])))
    ),
    'a new refinement': dict(inference=dict(refine=dict(c=dict(type='Components', order=10, min_size=3)))),
    'a new default hook': dict(default_hooks=dict(ema=dict(type='EMAHook'))),
    'an argument of a loop': dict(train_cfg=dict(val_begin=3)),
    'an argument of a data loader': loader(pin_memory=True, drop_last=True),
    'an inserted transform': into_pipeline(type='RandomRotate', prob=0.5, degree=10),
    'what a transform passes on to another': into_pipeline(
        type='RandomResize', scale=(64, 64), ratio_range=(0.5, 2.0), keep_ratio=True
    ),
    'another loss, whole': head(loss_decode=dict(_delete_=True, type='DiceLoss', use_sigmoid=False)),
    'several losses': head(loss_decode=[dict(type='CrossEntropyLoss'), dict(type='DiceLoss')]),
    'another initialisation': dict(model=dict(backbone=dict(init_cfg=dict(type='Normal', layer='Conv2d', std=0.02)))),
    'an untyped dict, whole': dict(
        model=dict(test_cfg=dict(_delete_=True, mode='slide', crop_size=(64, 64), stride=(32, 32)))
    ),
    'what a sliding window needs, on a base that tests whole images': dict(
        model=dict(test_cfg=dict(mode='slide', crop_size=(64, 64), stride=(32, 32)))
    ),
    'settings per layer of another constructor': optim(
        constructor='LearningRateDecayOptimizerConstructor', paramwise_cfg=dict(num_layers=12, decay_rate=0.9)
    ),
    'an auxiliary head': dict(
        model=dict(auxiliary_head=dict(type='FCNHead', in_channels=12, channels=4, num_classes=3))
    ),
    'determinism': dict(randomness=dict(deterministic=True)),
}


@pytest.mark.parametrize('kind', LEGAL)
def test_legal_keys_are_accepted(key_checker, base, kind):
    overlay = LEGAL[kind]
    key_checker.check(overlay, base, applied(base, overlay), 'it')
    assert applied(base, overlay) != base


def test_settings_that_a_constructor_of_ones_own_reads_are_its_own(key_checker, base):
    from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS

    OPTIM_WRAPPER_CONSTRUCTORS.register_module(
        name='OnesOwnConstructor', module=type('OnesOwnConstructor', (), {}), force=True
    )
    overlay = optim(constructor='OnesOwnConstructor', paramwise_cfg=dict(norm_decay_mull=0.0))
    key_checker.check(overlay, base, applied(base, overlay), 'it')
    assert applied(base, overlay)['optim_wrapper']['paramwise_cfg'] == dict(norm_decay_mull=0.0)


@pytest.mark.parametrize('kind, near', [('Zzyzxqqq', None), ('FCNHaed', 'FCNHead')])
def test_of_hundreds_of_registered_names_only_the_nearest_are_shown(key_checker, base, kind, near):
    with pytest.raises(BadInput) as caught:
        key_checker.check(head(type=kind), base, applied(base, head(type=kind)), 'it')
    text = str(caught.value)
    expected = f"did you mean '{near}'" if near else 'registered names the nearest are'
    assert expected in text and len(text) < 400


def sampled(base, loader, **changes):
    return pair_training_data(merge(base, dict(changes, train_dataloader=loader)), PROTOCOL)


@pytest.mark.parametrize(
    'loader, changes',
    [
        (dict(sampler=dict(_delete_=True, type='InfiniteSampler')), {}),
        (dict(sampler=dict(_delete_=True, type='DefaultSampler')), {}),
        (dict(sampler=dict(_delete_=True, type='PairedSampler', shuffle=False)), dict(randomness=dict(seed=3))),
    ],
)
def test_samplers_that_say_when_a_sample_is_drawn_are_welcome(key_checker, base, loader, changes):
    config = sampled(base, loader, **changes)
    check_sampling(config, key_checker.registries, 'it')
    assert config['train_dataloader']['sampler']['type'] == 'PairedSampler'


@pytest.mark.parametrize(
    'loader, changes, message',
    [
        (
            dict(sampler=dict(_delete_=True, type='RoundRobinMultiSourceSampler')),
            {},
            "it: 'train_dataloader.sampler' is 'RoundRobinMultiSourceSampler', which does not say when",
        ),
        (dict(sampler=dict(_delete_=True)), {}, "'train_dataloader.sampler' is None"),
        (dict(batch_sampler=dict(type='AspectRatioBatchSampler')), {}, "'train_dataloader.batch_sampler' is 'Aspect"),
        ({}, dict(randomness=dict(diff_rank_seed=True)), "'randomness.diff_rank_seed' is True"),
    ],
)
def test_what_draws_samples_unpaired_is_refused(key_checker, base, loader, changes, message):
    with pytest.raises(BadInput, match=message):
        check_sampling(sampled(base, loader, **changes), key_checker.registries, 'it')


def test_loader_arguments_that_do_not_go_together_are_refused(base):
    check_loaders(base, 'it')
    with pytest.raises(BadInput, match="it: 'test_dataloader' cannot be built: .*persistent_workers"):
        check_loaders(merge(base, dict(test_dataloader=dict(num_workers=0, persistent_workers=True))), 'it')


def test_a_number_that_is_a_text_is_named_by_its_key(base):
    with pytest.raises(BadInput, match="'train_dataloader.batch_size' is the text '2'; write .*: batch_size=2"):
        check_loaders(merge(base, dict(train_dataloader=dict(batch_size='2'))), 'it')


@pytest.mark.parametrize('loader', ['train_dataloader', 'test_dataloader'])
def test_a_mistyped_data_set_is_told_the_nearest_name_also_inside_a_wrapper(key_checker, base, loader):
    wrapped = dict(_delete_=True, type='RepeatDataset', times=2, dataset=dict(type='CHASEDB1Dataset'))
    with pytest.raises(BadInput, match="registers the data set 'CHASEDB1Dataset'; did you mean 'ChaseDB1Dataset'?"):
        check_builds(merge(base, {loader: dict(dataset=wrapped)}), 'it')


LOAD, ANNOTATIONS, PACK = dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')
RESIZE = dict(type='Resize', scale=(8, 8), keep_ratio=False)


@pytest.mark.parametrize(
    'pipeline, message',
    [
        ([LOAD, ANNOTATIONS, PACK], None),
        ([LOAD, RESIZE, ANNOTATIONS, PACK], None),
        ([LOAD, PACK], 'gives no gt_sem_seg, so nothing can be scored; add LoadAnnotations'),
        ([LOAD, ANNOTATIONS, RESIZE, PACK], r'annotations of 8×8 pixels for an image of 12×16'),
        ([LOAD, ANNOTATIONS], 'end it with PackSegInputs'),
        ([LOAD, ANNOTATIONS, dict(type='PackSegInputs', meta_keys=('ori_shape',))], "gives no 'img_path'"),
        ([PACK, LOAD], 'cannot load the first test image: KeyError'),
    ],
)
def test_one_test_image_is_loaded_before_any_training(key_checker, tmp_path, pipeline, message):
    for kind, shape in (('img', (12, 16, 3)), ('ann', (12, 16))):
        (tmp_path / kind).mkdir()
        Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / kind / '1.png')
    config = dict(
        test_dataloader=dict(
            dataset=dict(
                type='BaseSegDataset',
                data_root=str(tmp_path),
                data_prefix=dict(img_path='img', seg_map_path='ann'),
                img_suffix='.png',
                metainfo=dict(classes=('a',)),
                pipeline=pipeline,
            )
        )
    )
    before = copy.deepcopy(config)
    if message is None:
        check_test_sample(config, 'it')
    else:
        with pytest.raises(BadInput, match=message):
            check_test_sample(config, 'it')
    assert config == before


def test_colours_in_place_of_labels_are_told_as_such(key_checker, tmp_path):
    for kind, shape in (('img', (12, 16, 3)), ('ann', (12, 16, 3))):
        (tmp_path / kind).mkdir()
        Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / kind / '1.png')
    dataset = dict(type='BaseSegDataset', data_root=str(tmp_path), img_suffix='.png', metainfo=dict(classes=('a',)))
    dataset |= dict(data_prefix=dict(img_path='img', seg_map_path='ann'), pipeline=[LOAD, ANNOTATIONS, PACK])
    with pytest.raises(BadInput, match=r'annotations of the shape \(12, 16, 3\), which is not one label per pixel'):
        check_test_sample(dict(test_dataloader=dict(dataset=dataset)), 'it')


@pytest.mark.parametrize(
    'heads, key, message',
    [
        (
            [dict(type='FCNHead', channels=4), dict(type='ASPPHead', dilations=(1, 2), channels=4)],
            'num_convs',
            "'ASPPHead' takes no 'num_convs'",
        ),
        ([dict(type='ASPPHead', channels=4), dict(type='FCNHead', num_convs=1, channels=4)], 'num_convs', None),
    ],
)
def test_the_last_head_of_a_cascade_decides(key_checker, base, heads, key, message):
    cascade = {**base, 'model': {**base['model'], 'decode_head': heads}}
    overlay = head(**{key: 2})
    if message is None:
        key_checker.check(overlay, cascade, applied(cascade, overlay), 'it')
    else:
        with pytest.raises(BadInput, match=message):
            key_checker.check(overlay, cascade, applied(cascade, overlay), 'it')


def test_options_on_a_pipeline_are_judged(key_checker, base):
    plain = {key: value for key, value in base.items() if key != 'custom_hooks'}
    for step, message in (('prob', None), ('probb', "'RandomFlip' takes no 'probb'; did you mean 'prob'")):
        options = nested({f'train_dataloader.dataset.pipeline.3.{step}': 0.1}, plain)
        if message is None:
            key_checker.check(options, plain, merge(plain, options), '--cfg-options')
        else:
            with pytest.raises(BadInput, match=message):
                key_checker.check(options, plain, merge(plain, options), '--cfg-options')


@pytest.mark.parametrize(
    'refine, message',
    [
        (dict(crf=('DenseCRF', 10), opening=('Morphology', 20)), None),
        (
            dict(crf=('DenseCRF', 20), opening=('Morphology', 10)),
            "Refinement 'crf' takes probabilities, but 'opening' before it gives labels; give 'crf' a lower order",
        ),
        (dict(a=('DenseCRF', 10), b=('DenseCRF', 20)), None),
        (dict(b=('DenseCRF', 10), a=('Components', 10)), "Refinement 'b' takes probabilities, but 'a'"),
    ],
)
def test_a_chain_that_does_not_fit_is_refused(key_checker, base, refine, message):
    required = dict(Morphology=dict(operation='open', radius=1), Components=dict(min_size=2))
    rows = {name: dict(type=kind, order=order, **required.get(kind, {})) for name, (kind, order) in refine.items()}
    config = merge(base, dict(inference=dict(refine=rows)))
    if message is None:
        check_builds(config, 'it')
    else:
        with pytest.raises(BadInput, match=message):
            check_builds(config, 'it')


@pytest.mark.parametrize('name', TECHNIQUES)
def test_every_technique_of_this_checkout_is_legal_and_builds(key_checker, base, name):
    technique = TECHNIQUES[name]
    try:
        config = compose(base, (name,), TECHNIQUES)
    except BadInput as error:
        assert name in NEW, error  # a new row may be made for another network than this U-Net
        pytest.skip(str(error))
    key_checker.check(technique.overlay, base, config, name)
    assert check_builds(pair_training_data(config, PROTOCOL), name) > (0 if name in NEW else 200_000)


def test_more_parameters_are_counted_for_more_attention(key_checker, base):
    assert check_builds(compose(base, ('cbam',), TECHNIQUES), 'it') - check_builds(base, 'it') == 2 * 12 * 4 + 2 * 7 * 7


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(model=dict(backbone=dict(strides=(1, 1)))), 'it does not build: AssertionError'),
        (dict(inference=dict(views=dict(h=dict(type='FlipView', direction='sideways')))), 'sideways'),
        (dict(inference=dict(views=dict(h=dict(direction='horizontal')))), 'does not build'),
        (dict(inference=dict(merge='medain')), 'does not build: ValueError: .*medain'),
        (dict(inference=dict(views_per_batch=0)), 'does not build: ValueError: .*views_per_batch'),
        (dict(param_scheduler=[dict(type='LinearLR', begin=12, end=10)]), 'LinearLR begins at 12 and ends at 10'),
        (dict(custom_hooks=[dict(type='PairedArmsHook', threads=1)]), 'does not build: TypeError'),
        (loader(dataset=dict(pipeline=[dict(type='RandomFlip', prob=3.0)])), 'does not build'),
        (
            loader(dataset=dict(pipeline=[dict(type='RandomCrop', crop_size=(0, 64))])),
            r"assert crop_size\[0\] > 0 .*; correct 'train_dataloader.dataset.pipeline.0' \(RandomCrop\)",
        ),
        (
            dict(model=dict(test_cfg=dict(mode='slide', crop_size=(64, 64)))),
            "it does not build: 'model.test_cfg.stride'",
        ),
    ],
)
def test_a_wrong_value_fails_before_any_training(base, change, message):
    before = copy.deepcopy(base)
    with pytest.raises(BadInput, match=message):
        check_builds(merge(base, change), 'it')
    assert base == before


def test_all_parts_that_cannot_be_built_are_told_at_once(key_checker, base):
    change = dict(
        model=dict(backbone=dict(strides=(1, 1))),
        inference=dict(views=dict(h=dict(type='FlipView', direction='sideways'))),
        param_scheduler=[dict(type='LinearLR', begin=12, end=10)],
        train_dataloader=dict(dataset=dict(type='NoSuchData', pipeline=[dict(type='RandomFlip', prob=3.0)])),
    )
    with pytest.raises(BadInput) as refused:
        check_builds(merge(base, change), 'it')
    flip = "assert 0 <= prob <= 1; correct 'train_dataloader.dataset.pipeline.0' (RandomFlip)"
    for culprit in ('length of strides', "'inference.views.h' (FlipView)", 'begins at 12', "'NoSuchData'", flip):
        assert any(culprit in mistake for mistake in refused.value.args), (culprit, refused.value.args)
    assert len(refused.value.args) == 5 and all('it does not build' in mistake for mistake in refused.value.args)


def test_parts_that_configs_share_are_built_once_and_what_differs_is_still_found(key_checker, base, monkeypatch):
    from mmseg.registry import MODELS

    built, build = [], MODELS.build
    monkeypatch.setattr(MODELS, 'build', lambda config, *rest: built.append(config['type']) or build(config, *rest))
    once = BuiltOnce()
    view = dict(type='FlipView', direction='vertical')
    other = merge(base, dict(log_level='DEBUG', inference=dict(views=dict(h=view))))
    sizes = [check_builds(config, 'it', once) for config in (base, other, base)]
    assert built.count('EncoderDecoder') == 1 and sizes == [check_builds(base, 'it')] * 3
    assert check_builds(merge(base, dict(model=dict(backbone=dict(base_channels=16)))), 'it', once) > sizes[0]
    for _ in range(2):
        with pytest.raises(BadInput, match='it does not build'):
            check_builds(merge(base, loader(dataset=dict(pipeline=[dict(type='RandomFlip', prob=3.0)]))), 'it', once)


@pytest.mark.parametrize('module', ['plugins.no_such_module', 'no_such_package'])
def test_a_module_that_cannot_be_imported_is_named_with_its_technique(module):
    row = Technique('x', 'X', '', {}, imports=[module])
    with pytest.raises(BadInput, match=f"technique 'x' imports '{module}', which fails: ModuleNotFoundError"):
        import_modules(dict(x=row), {})


def test_parameters_follow_the_mro_as_far_as_keywords_are_passed_on():
    class Root:
        def __init__(self, a, *, b=1):
            pass

    class Closed(Root):
        def __init__(self, c):
            pass

    class Open(Root):
        def __init__(self, d, *args, **kwargs):
            pass

    class Silent(Open):
        pass

    def function(e, **kwargs):
        pass

    assert parameters(Root) == {'a', 'b'}
    assert parameters(Closed) == {'c'}
    assert parameters(Open) == parameters(Silent) == {'a', 'b', 'd'}
    assert parameters(function) == {'e'}
