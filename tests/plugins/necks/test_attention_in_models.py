"""The attention neck and the CBAM heads in whole models of plain mmsegmentation, built from config files."""

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

CONFIG = """
custom_imports = dict(allow_failed_imports=False, imports=[
    'plugins.attention.cbam', 'plugins.attention.self_attention', 'plugins.necks.attention_neck',
    'plugins.heads.cbam_fcn_head', 'plugins.heads.cbam_sep_aspp_head', 'plugins.heads.cbam_segformer_head'])
norm_cfg = dict(type='BN')
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor', mean=[123.7, 116.3, 103.5], std=[58.4, 57.1, 57.4],
                           size=(64, 64), test_cfg=dict(size_divisor=32)),
    train_cfg=dict(), test_cfg=dict(mode='whole'))
"""
HEAD = 'num_classes=3, norm_cfg=norm_cfg, dropout_ratio=0.0, channels=8'
MODEL_CONFIGS = {
    'unet': f"""
model.update(
    backbone=dict(type='UNet', base_channels=6, num_stages=4, strides=(1, 1, 1, 1), enc_num_convs=(1, 1, 1, 1),
                  dec_num_convs=(1, 1, 1), downsamples=(True, True, True), enc_dilations=(1, 1, 1, 1),
                  dec_dilations=(1, 1, 1), norm_cfg=norm_cfg),
    decode_head=dict(type='FCNHead', in_channels=6, in_index=3, num_convs=1, {HEAD}),
    auxiliary_head=dict(type='FCNHead', in_channels=12, in_index=2, num_convs=1, {HEAD}))
""",
    'deeplabv3plus': f"""
model.update(
    backbone=dict(type='MobileNetV2', out_indices=(1, 6), strides=(1, 2, 2, 1, 1, 1, 1), widen_factor=0.25,
                  dilations=(1, 1, 1, 2, 2, 4, 4), norm_cfg=norm_cfg),
    decode_head=dict(type='DepthwiseSeparableASPPHead', in_channels=80, in_index=-1, dilations=(1, 2, 3),
                     c1_in_channels=8, c1_channels=4, {HEAD}))
""",
    'segformer': f"""
model.update(
    backbone=dict(type='MixVisionTransformer', embed_dims=8, num_layers=[1, 1, 1, 1], num_heads=[1, 1, 1, 1],
                  patch_sizes=[7, 3, 3, 3], sr_ratios=[8, 4, 2, 1], drop_path_rate=0.0),
    decode_head=dict(type='SegformerHead', in_channels=[8, 8, 8, 8], in_index=[0, 1, 2, 3], {HEAD}))
""",
    'fpn': f"""
model.update(
    backbone=dict(type='ResNetV1c', depth=18, base_channels=8, stem_channels=8, norm_cfg=norm_cfg),
    neck=dict(type='FPN', in_channels=[8, 16, 32, 64], out_channels=8, num_outs=4),
    decode_head=dict(type='FPNHead', in_channels=[8] * 4, in_index=[0, 1, 2, 3], feature_strides=[4, 8, 16, 32],
                     {HEAD}))
""",
}
PYRAMIDS = dict(
    unet=([48, 24, 12, 6], [2, 3]), deeplabv3plus=([8, 80], [0, 1]), segformer=([8] * 4, None), fpn=([8] * 4, None)
)
NECK = """
model.update(neck=dict(type='AttentionNeck', block={block}, in_channels={channels}, levels={levels},
                       neck=model.get('neck')))
"""
BLOCKS = dict(cbam=dict(type='CBAM', reduction=2), self_attention=dict(type='SelfAttention', max_keys=16))


def configured(tmp_path, model, change=''):
    """A model of plain mmsegmentation, from a config file with ``custom_imports``."""
    path = tmp_path / 'config.py'
    path.write_text(CONFIG + MODEL_CONFIGS[model] + change)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(Config.fromfile(path).model)
        model.init_weights()
    return model


def with_neck(tmp_path, model, block):
    channels, levels = PYRAMIDS[model]
    return configured(tmp_path, model, NECK.format(block=BLOCKS[block], channels=channels, levels=levels))


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(3)
    images = [torch.randint(0, 256, (3, 64, 64), generator=generator, dtype=torch.uint8) for _ in range(2)]
    samples = []
    for image in images:
        sample = SegDataSample(metainfo=dict(ori_shape=(64, 64), img_shape=(64, 64), pad_shape=(64, 64)))
        sample.gt_sem_seg = PixelData(data=(image[:1] // 86).long())
        samples.append(sample)
    return dict(inputs=images, data_samples=samples)


def unmoved(part, model, batch, steps):
    """The parameters of ``part`` that some of mmseg's own training steps leave where they were."""
    before = {name: value.clone() for name, value in part.state_dict().items()}
    optimizer = OptimWrapper(torch.optim.Adam(model.parameters(), lr=0.01))  # moves whatever has a gradient
    model.train()
    for _ in range(steps):
        log = model.train_step(batch, optimizer)
        assert log['loss'].isfinite()
    return [name for name, value in part.state_dict().items() if torch.equal(value, before[name])]


def predicted(model, batch):
    model.eval()
    with torch.no_grad():
        return torch.stack([sample.seg_logits.data for sample in model.test_step(batch)])


@pytest.mark.parametrize('block', BLOCKS)
@pytest.mark.parametrize('model', MODEL_CONFIGS)
def test_a_neck_between_any_backbone_and_any_head_learns(tmp_path, batch, model, block):
    built = with_neck(tmp_path, model, block)
    before = predicted(built, batch)
    assert before.shape == (2, 3, 64, 64) and before.isfinite().all()
    assert unmoved(built.neck.blocks, built, batch, steps=2) == []
    after = predicted(built, batch)
    assert after.isfinite().all() and not torch.allclose(before, after)


@pytest.mark.parametrize('model', MODEL_CONFIGS)
def test_self_attention_starts_as_the_model_without_it(tmp_path, batch, model):
    plain, attending = configured(tmp_path, model), with_neck(tmp_path, model, 'self_attention')
    renamed = {
        name.replace('neck.', 'neck.neck.', 1) if name.startswith('neck.') else name: value
        for name, value in plain.state_dict().items()
    }
    missing, unexpected = attending.load_state_dict(renamed, strict=False)
    assert unexpected == [] and all(name.startswith('neck.blocks.') for name in missing)
    assert torch.equal(predicted(attending, batch), predicted(plain, batch))


@pytest.mark.parametrize(
    'model, head',
    [('unet', 'CBAMFCNHead'), ('segformer', 'CBAMSegformerHead'), ('deeplabv3plus', 'CBAMDepthwiseSeparableASPPHead')],
)
def test_a_change_of_the_heads_type_is_all_it_takes(tmp_path, batch, model, head):
    change = f"\nmodel['decode_head'].update(type='{head}', cbam_reduction=2)\n"
    plain, attending = configured(tmp_path, model), configured(tmp_path, model, change)
    assert {name for name in attending.state_dict() if not name.startswith('decode_head.cbam.')} == set(
        plain.state_dict()
    )
    attending.load_state_dict(plain.state_dict(), strict=False)
    assert not torch.allclose(predicted(attending, batch), predicted(plain, batch))
    assert unmoved(attending.decode_head.cbam, attending, batch, steps=1) == []
    assert predicted(attending, batch).isfinite().all()
