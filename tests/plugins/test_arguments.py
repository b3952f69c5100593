"""Every number that a plugin takes is checked where the plugin is built: a table of what is refused, and of why not."""

import importlib
import inspect
import pkgutil

import mmengine.registry
import mmseg.registry
import pytest
import torch
from mmengine.registry import Registry
from torch import nn

import plugins
from plugins.arguments import check_number, check_whole, check_wholes

nan, inf = float('nan'), float('inf')
NUMBER = ('1', True, nan, inf, None)  # what no number is; None only where it is not the default
WHOLE = (*NUMBER, 1.5)
NO_LIST = (5, (), 'ab', (1.5,), (nan,), (True,))
LABEL = (-1, 256, 1.5, True, nan)
CLASSES = ((), (-1,), (256,), (1.5,), 3)
LOSS = dict(class_weight=((), (-1.0, 1.0), (0.0, 0.0), (nan, 1.0), (inf, 1.0)), loss_weight=(*NUMBER, -1))
FOCAL = dict(LOSS, gamma=(*NUMBER, -0.1), alpha=(-0.1, nan, inf, (), (nan, 0.5), (-1.0, 1.0)))
TVERSKY = dict(LOSS, smooth=(*NUMBER, -1), over=('pixel', 1))
SPREAD = (0, -1, nan, inf, True, '3', (), (3,), (1, 2, 3, 4), (1, 0), (nan, 1), (1, 0, 1))
WEIGHT = (*NUMBER, -1)
CHECKED_BY_MMSEG = 'the base class of the head takes it'
PART = dict(fraction=(*NUMBER, 0, 1, -0.1), seed=(*WHOLE, -1), label_dir='a path')
PEOPLE = dict(seed=(*WHOLE, -1), data_root='a path')
ICBM = dict(PEOPLE, noise_sigma=(*NUMBER, -1), bias_amplitude=(*NUMBER, -1))
CBAM_HEAD = dict(cbam_reduction=(*WHOLE, 0), cbam_kernel_size=(*WHOLE, 0, 4))
# For each registered class: its needed arguments, and for each argument either bad values or the reason why none is.
# Switches (bool), configs (dict) and paths are left out: their reason is their type.
TABLE: dict[str, tuple[dict, dict]] = {
    'PairedSampler': (dict(dataset=[1, 2], seed=0), dict(dataset='built by mmengine', seed=WHOLE)),
    'HardImageSampler': (
        dict(dataset=[1, 2], seed=0),
        dict(dataset='built by mmengine', seed=WHOLE, mix=(*NUMBER, -0.1, 1.1), momentum=(*NUMBER, -0.1, 1)),
    ),
    'ImagesAndMasks': (
        {},
        dict(
            img_suffix='suffixes; files of none are refused where the data are listed',
            seg_map_suffix='as img_suffix',
            include=('(',),
            exclude=('(',),
            mask_name=(('(', ''), ('a',)),
            group=('(', 'no group', dict(csv='x')),
            label_map='labels that no class has are refused where the masks are read',
            ann_file='a path',
        ),
    ),
    'LabelledPart': (dict(dataset={}, fraction=0.5), PART),
    'UnlabelledPart': (dict(dataset={}, fraction=0.5), PART),
    'PseudoLabelled': (dict(dataset={}, fraction=0.5), PART),
    'DecodedCache': (dict(dataset={}), dict(max_gib=(*NUMBER, 0, -1))),
    'ICBM152Dataset': (dict(data_root='nowhere'), ICBM),
    'ICBM152LesionDataset': (
        dict(data_root='nowhere', variant='imbalanced'),
        dict(PEOPLE, variant='a name; an unknown one is refused where the data are listed, before anything runs'),
    ),
    'ICBM152PeopleDataset': (dict(data_root='nowhere'), PEOPLE),
    'NewImages': (
        dict(paths=[], pipeline=[], metainfo={}),
        dict(
            paths='paths that the folder command has listed; a file that cannot be read is named there',
            pipeline='built by mmengine',
        ),
    ),
    'MergedSplits': (
        dict(sources=[], ann_file='nowhere'),
        dict(
            sources='configs of data sets; the harness writes them, and the registry refuses wrong ones',
            ann_file='a table; a wrong one is refused where the data are listed',
            pipeline='built by mmengine',
        ),
    ),
    'CompileInferenceHook': ({}, dict(backend=('no such backend',), dynamic='a switch')),
    'CompileTrainingHook': ({}, dict(backend=('no such backend',), dynamic='a switch')),
    'CutMixHook': ({}, dict(prob=(*NUMBER, -0.1, 1.1), concentration=(*NUMBER, 0, -1))),
    'GradientCheckpointingHook': ({}, dict(modules='names; unknown ones are refused where the model is known')),
    'MixedPrecisionInferenceHook': ({}, dict(dtype='a name; checked where the device is known')),
    'PairedArmsHook': ({}, dict(num_threads=(0, -1, 1.5, True, nan, '1'))),
    'WeightEMAHook': ({}, dict(momentum=(*NUMBER, 0, 1.1), warm_up=(*WHOLE, 0), begin_iter=(*WHOLE, -1))),
    'CBAM': (dict(channels=8), dict(channels=(*WHOLE, 0), reduction=(*WHOLE, 0), kernel_size=(*WHOLE, 0, 4))),
    'SelfAttention': (
        dict(channels=8),
        dict(channels=(*WHOLE, 1), num_heads=(*WHOLE, 0), head_channels=(0, 1.5, True, nan), max_keys=(*WHOLE, 0)),
    ),
    'EfficientNetLite0': (
        {},
        dict(out_indices=(*NO_LIST, (1, 0), (9,), (-1,)), frozen_stages=(*WHOLE, -2, 9), init_cfg='a config'),
    ),
    'BoundaryRefinementHead': (
        dict(head=dict(type='FCNHead', in_channels=4, channels=4, num_classes=2)),
        dict(refinement_channels=(*WHOLE, 0), refinement_depth=(*WHOLE, 0), head='a config', norm_cfg='a config'),
    ),
    'CBAMFCNHead': (dict(in_channels=4, channels=4, num_classes=2), CBAM_HEAD),
    'CBAMSegformerHead': (dict(in_channels=[4, 8], in_index=[0, 1], channels=4, num_classes=2), CBAM_HEAD),
    'CBAMDepthwiseSeparableASPPHead': (
        dict(in_channels=4, channels=4, num_classes=2, c1_in_channels=0, c1_channels=0),
        CBAM_HEAD,
    ),
    'DeepSupervisionHead': (
        dict(in_channels=[4, 8], in_strides=[1, 2], num_classes=2),
        dict(
            in_channels=(*NO_LIST, (0, 1), (4,)),
            in_strides=(*NO_LIST, (0, 1), (1,)),
            in_index=((0,), ()),
            channels=(*WHOLE, 0),
            norm_cfg='a config',
            init_cfg='a config',
        ),
    ),
    'UNetHead': (
        dict(in_channels=[4, 8], in_strides=[1, 2], num_classes=2),
        dict(
            in_channels=(*NO_LIST, (0, 1), (4,)),
            in_strides=(*NO_LIST, (0, 1), (1,)),
            in_index=((0,), ()),
            channels_per_stride=(*WHOLE, 0),
            max_channels=(*WHOLE, 0),
            num_convs=(*WHOLE, 0),
            norm_cfg='a config',
        ),
    ),
    'KervadecBoundaryLoss': ({}, LOSS),
    'BoundaryWeightedCrossEntropyLoss': ({}, dict(LOSS, w0=(*NUMBER, -1), sigma_px=(*NUMBER, 0, -1))),
    'GeneralTverskyLoss': ({}, dict(TVERSKY, alpha=(*NUMBER, -1), beta=(*NUMBER, -1), gamma=(*NUMBER, 0, -1))),
    'SoftDiceLoss': ({}, TVERSKY),
    'SoftmaxFocalLoss': ({}, FOCAL),
    'OneVsAllFocalLoss': ({}, dict(FOCAL, alpha=(*FOCAL['alpha'], 1.1, (0.5, 1.1)))),
    'FocalDiceBoundaryLoss': (
        {},
        dict(
            LOSS,
            gamma=(*NUMBER, -0.1),
            focal_weight=WEIGHT,
            dice_weight=WEIGHT,
            boundary_weight=WEIGHT,
            boundary_ramp=(*WHOLE, -1),
        ),
    ),
    'AttentionNeck': (
        dict(block=dict(type='CBAM'), in_channels=[4, 8]),
        dict(in_channels=(*NO_LIST, (0, 1)), levels=((), (2,), (0, 0), (1.5,), (True,)), neck='a config'),
    ),
    'MultiScaleSegDataPreProcessor': (
        dict(sizes=[32]),
        dict(sizes=(5, (), (0,), (-1,), (1.5,), (True,), (nan,), ((1, 2, 3),)), seed=(-1, 1.5, True, nan)),
    ),
    'MixedPrecisionOptimWrapper': (
        dict(optimizer=torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)),
        dict(
            optimizer='built by mmengine',
            dtype=('int8',),
            loss_scale=(0, -1, nan, inf, True, 'static'),
            accumulative_counts=(*WHOLE, 0),
            clip_grad='a config of torch',
        ),
    ),
    'OHEMFractionSampler': (
        dict(context=nn.Module()),
        dict(context='given by mmseg', fraction=(*NUMBER, 0, 1.1), thresh=(0, 1.1, nan, True)),
    ),
    'Components': (
        dict(min_size=4),
        dict(min_size=(*WHOLE, 1, 0), classes=CLASSES, background=LABEL, connectivity=(6, nan, True)),
    ),
    'DenseCRF': (
        {},
        dict(
            iterations=(*WHOLE, 0, -1),
            gaussian_sxy=SPREAD,
            gaussian_compat=WEIGHT,
            bilateral_sxy=SPREAD,
            bilateral_srgb=(*SPREAD, (1, 2)),
            bilateral_compat=WEIGHT,
            implementation=('fast',),
            threads=(*WHOLE, 0),
            device=('tpu',),
        ),
    ),
    'FillHoles': (
        {},
        dict(max_size=(0, 1.5, nan, True), classes=CLASSES, background=LABEL, connectivity=(6, nan, True)),
    ),
    'Morphology': (
        dict(operation='open', radius=1),
        dict(operation=('dilate',), radius=(*WHOLE, 0), classes=CLASSES, background=LABEL),
    ),
    'CorruptImage': (dict(kind='jpeg', strength=1), dict(kind=('snow',), strength=(*WHOLE, 0, 6))),
    'SquareCutOut': ({}, dict(prob=(*NUMBER, -0.1, 1.1), side=(*NUMBER, 0, 1.1), seg_fill=LABEL)),
    'ElasticDeformation': (
        {},
        dict(
            prob=(*NUMBER, -0.1, 1.1), strength=(*NUMBER, -0.1), points=(*WHOLE, 1), pad_val=NUMBER, seg_pad_val=LABEL
        ),
    ),
    'ComposedView': (dict(views=[dict(type='IdentityView')]), dict(views=((),))),
    'FlipView': (dict(direction='horizontal'), dict(direction=('diagonally', 1))),
    'Rot90View': (dict(quarter_turns=1), dict(quarter_turns=(0, 4, 1.5, True, nan))),
    'ScaleView': (dict(scale=1.5), dict(scale=(*NUMBER, 0, -1))),
}
NEEDS_NO_ENTRY = ('bool', 'dict', 'dict | None', 'ConfigType', 'ConfigType | None')


def registered_classes() -> dict[str, type]:
    for module in pkgutil.walk_packages(plugins.__path__, 'plugins.'):
        if not module.ispkg:
            importlib.import_module(module.name)
    registries = [
        value
        for namespace in (mmengine.registry, mmseg.registry)
        for value in vars(namespace).values()
        if isinstance(value, Registry)
    ]
    return {
        name: kind
        for registry in registries
        for name, kind in registry.module_dict.items()
        if kind.__module__.startswith('plugins.')
    }


CLASSES_BY_NAME = registered_classes()
CASES = [
    (name, argument)
    for name, (_, arguments) in TABLE.items()
    for argument, values in arguments.items()
    if not isinstance(values, str)
]


def arguments_of(kind: type) -> set[str]:
    """The arguments of a class that may be wrong although their type is right."""
    if kind.__init__ is object.__init__:
        return set()
    parameters = [one for one in inspect.signature(kind.__init__).parameters.values() if one.name != 'self']
    return {
        one.name
        for one in parameters
        if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        and one.name not in ('loss_name', 'data_root')
        and getattr(one.annotation, '__name__', str(one.annotation)) not in ('bool', 'dict')
    }


def test_the_table_has_each_argument_of_each_plugin():
    missing = {
        name: sorted(arguments_of(kind) - TABLE.get(name, ({}, {}))[1].keys()) for name, kind in CLASSES_BY_NAME.items()
    }
    assert {name: names for name, names in missing.items() if names} == {}, 'add bad values, or the reason for none'
    assert TABLE.keys() <= CLASSES_BY_NAME.keys()


@pytest.mark.parametrize('name, argument', CASES)
def test_wrong_arguments_are_refused_where_they_are_written(name, argument):
    needed, arguments = TABLE[name]
    kind = CLASSES_BY_NAME[name]
    parameter = inspect.signature(kind.__init__).parameters.get(argument)
    for value in arguments[argument]:
        if value is None and parameter is not None and parameter.default is None:
            continue  # the default
        with pytest.raises(ValueError, match=argument.split('_')[-1]):
            kind(**{**needed, argument: value})
            pytest.fail(f'{name}({argument}={value!r}) builds')


@pytest.mark.parametrize('implementation', ['pydensecrf', 'shared_lattice', 'torch_lattice'])
@pytest.mark.parametrize('argument, value', [('gaussian_sxy', 0), ('bilateral_srgb', nan), ('iterations', 1.5)])
def test_all_implementations_of_the_crf_refuse_the_same(implementation, argument, value):
    with pytest.raises(ValueError, match=argument):
        CLASSES_BY_NAME['DenseCRF'](implementation=implementation, **{argument: value})


@pytest.mark.parametrize(
    'check, value, message',
    [
        (lambda value: check_number('x', value, above=0), 0, 'x=0: give a finite number above 0'),
        (
            lambda value: check_number('x', value, 0, 1),
            nan,
            'x=nan: give a finite number of at least 0 and of at most 1',
        ),
        (lambda value: check_whole('x', value, least=1), 2.0, 'x=2.0: give a whole number of at least 1'),
        (lambda value: check_wholes('x', value), [], r'x=\[\]: give a list of at least one whole number'),
        (lambda value: check_wholes('x', value, most=3), [1, 4], r'x\[1\]=4: give a whole number of at most 3'),
    ],
)
def test_a_message_names_argument_value_and_range(check, value, message):
    with pytest.raises(ValueError, match=message):
        check(value)
    check_number('x', torch.tensor(1.0).item())
