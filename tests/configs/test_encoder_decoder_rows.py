"""The rows that change encoder or decoder fit every baseline, and each other."""

import copy
import warnings
from pathlib import Path

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from benchmarks.errors import BadInput
from benchmarks.stacks.compose import compose, load_config, strip_helpers
from benchmarks.stacks.feature_levels import probe_levels
from benchmarks.stacks.imports import import_modules
from benchmarks.stacks.technique import load_techniques

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
ROWS = ('pretrained_encoder', 'unet_decoder', 'unet_decoder_gated', 'deep_supervision', 'boundary_refinement')
BASELINES = ('unet_small_icbm152', 'unet_lite0_small_icbm152', 'deeplabv3plus_small_icbm152', 'segformer_small_icbm152')
# Baselines whose levels the tests can know by heart.
LEVELS = dict(
    unet_small_icbm152=([96, 48, 24, 12], [8, 4, 2, 1]),
    unet_lite0_small_icbm152=([16, 24, 40, 112], [2, 4, 8, 16]),
    deeplabv3plus_small_icbm152=([16, 32, 64, 128], [4, 8, 8, 8]),
    segformer_small_icbm152=([16, 32, 64, 128], [4, 8, 16, 32]),
)
SIZE = (32, 48)


@pytest.fixture(scope='module')
def techniques():
    return load_techniques(CONFIGS / 'techniques', sorted([*ROWS, 'focal_dice_boundary']))


def composed(baseline, stack, techniques):
    base = strip_helpers(load_config(CONFIGS / 'baselines' / f'{baseline}.py'))
    import_modules({name: techniques[name] for name in stack}, base)
    return compose(base, stack, techniques, probe_levels)


def step_and_prediction(model_config):
    """Losses of a training step, and the sizes of what is predicted."""
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmseg'), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        model = MODELS.build(ConfigDict(copy.deepcopy(model_config)))
    samples = [SegDataSample(gt_sem_seg=PixelData(data=torch.randint(3, (1, *SIZE)))) for _ in range(2)]
    data = dict(inputs=[torch.randint(256, (3, *SIZE), dtype=torch.uint8) for _ in samples], data_samples=samples)
    losses = model.train()(**model.data_preprocessor(copy.deepcopy(data), True), mode='loss')
    model.parse_losses(losses)[0].backward()
    for sample in samples:
        sample.set_metainfo(dict(img_shape=SIZE, ori_shape=SIZE))
    model.eval()
    return model, losses, [one.seg_logits.data.shape for one in model.test_step(data)]


@pytest.mark.parametrize('baseline', BASELINES)
@pytest.mark.parametrize('row', ROWS)
def test_a_row_fits_a_baseline(baseline, row, techniques):
    if (baseline, row) == ('unet_lite0_small_icbm152', 'unet_decoder'):
        row = 'unet_decoder_gated'  # it has the decoder already
    config = composed(baseline, (row,), techniques)['model']
    model, losses, shapes = step_and_prediction(config)
    assert losses['decode.loss_ce'].isfinite() and shapes == [(3, *SIZE)] * 2
    channels, strides = ([16, 24, 40, 112, 320], [2, 4, 8, 16, 32]) if row == 'pretrained_encoder' else LEVELS[baseline]
    changed = config['auxiliary_head' if row == 'deep_supervision' else 'decode_head']
    if row != 'boundary_refinement':
        assert (changed['in_channels'], changed['in_strides']) == (channels, strides)
        assert changed['in_index'] == list(range(len(channels)))
        parameters = getattr(model, 'auxiliary_head' if row == 'deep_supervision' else 'decode_head').parameters()
        assert all((parameter.grad != 0).any() for parameter in parameters)
    else:
        assert losses['decode.coarse.loss_ce'] == losses['decode.loss_ce']


def test_the_pretrained_encoder_gets_the_images_that_its_weights_know(techniques):
    model = composed('deeplabv3plus_small_icbm152', ('pretrained_encoder',), techniques)['model']
    assert model['data_preprocessor']['mean'] == [127.0] * 3 and model['data_preprocessor']['std'] == [128.0] * 3
    assert model['backbone'] == dict(type='EfficientNetLite0', pretrained=True)
    assert model['auxiliary_head'] is None and model['neck'] is None and model['pretrained'] is None


def test_classes_losses_and_norms_of_the_baseline_stay(techniques):
    base = load_config(CONFIGS / 'baselines' / 'segformer_small_icbm152.py')['model']['decode_head']
    head = composed('segformer_small_icbm152', ('unet_decoder',), techniques)['model']['decode_head']
    for key in ('num_classes', 'loss_decode', 'norm_cfg', 'align_corners', 'dropout_ratio'):
        assert head[key] == base[key]


def test_they_stack_with_each_other_and_with_a_loss(techniques):
    stack = ('unet_decoder_gated', 'deep_supervision', 'boundary_refinement', 'focal_dice_boundary')
    config = composed('unet_small_icbm152', stack, techniques)['model']
    assert config['decode_head']['head']['loss_decode']['type'] == 'FocalDiceBoundaryLoss'
    _, losses, shapes = step_and_prediction(config)
    names = {name for name in losses if 'loss' in name}
    assert {name.rpartition('.')[0] for name in names} == {
        'decode',
        'decode.coarse',
        'aux.level0',
        'aux.level1',
        'aux.level2',
        'aux.level3',
    }
    assert shapes == [(3, *SIZE)] * 2


@pytest.mark.parametrize('stack', [('unet_decoder', 'unet_decoder_gated'), ('unet_decoder', 'pretrained_encoder')])
def test_two_decoders_clash(stack, techniques):
    with pytest.raises(BadInput, match='both set'):
        composed('unet_small_icbm152', stack, techniques)
