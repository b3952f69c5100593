"""The network as an ONNX file: equal to torch's on test images, and left out where it cannot be exported."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from PIL import Image

from benchmarks.session.export import network
from benchmarks.session.export.network import export_network

CONFIG = """
default_scope = 'mmseg'
model = dict(
    type='EncoderDecoder', data_preprocessor=dict(type='SegDataPreProcessor', mean=[110.0] * 3, std=[60.0] * 3,
    size_divisor=4, test_cfg=dict(size_divisor=4)), backbone=dict(type='UNet', base_channels=4, num_stages=2,
    strides=(1, 1), enc_num_convs=(1, 1), dec_num_convs=(1,), downsamples=(True,), enc_dilations=(1, 1),
    dec_dilations=(1,)), decode_head=dict(type='FCNHead', in_channels=4, in_index=1, channels=4, num_convs=1,
    num_classes=3), test_cfg=dict(mode='whole'))
custom_imports = dict(imports=['plugins.hooks.inference', 'plugins.hooks.ensemble', 'plugins.views.flip'])
custom_hooks = [dict(type='EnsembleHook'), dict(type='InferenceHook')]
inference = dict(views=dict(h=dict(type='FlipView', direction='horizontal')), refine=dict())
test_dataloader = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False), dataset=dict(
    type='BaseSegDataset', data_root={data!r}, img_suffix='.png', metainfo=dict(classes=('a', 'b', 'c')),
    data_prefix=dict(img_path='img', seg_map_path='ann'), pipeline=[
        dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]))
test_cfg = dict(type='TestLoop')
test_evaluator = dict(type='IoUMetric')
"""


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """Config and checkpoint of two networks with random weights, and four test images, one of another size."""
    folder, rng = tmp_path_factory.mktemp('exported'), np.random.default_rng(0)
    for kind in ('img', 'ann'):
        (folder / kind).mkdir()
    for name, size in (('a', (18, 22)), ('b', (18, 22)), ('c', (12, 12)), ('d', (20, 24))):
        Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(folder / 'img' / f'{name}.png')
        Image.fromarray(rng.integers(0, 3, size, np.uint8)).save(folder / 'ann' / f'{name}.png')
    config, checkpoint = folder / 'config.py', folder / 'checkpoint.pth'
    config.write_text(CONFIG.format(data=str(folder)))
    torch.manual_seed(1)
    model = Config.fromfile(config).model.to_dict()
    with DefaultScope.overwrite_default_scope('mmseg'):
        members = [dict(state_dict=MODELS.build(dict(model)).state_dict(), model=model) for _ in range(2)]
    torch.save(dict(state_dict=members[0]['state_dict'], meta={}, ensemble=members), checkpoint)
    return config, checkpoint


@pytest.mark.slow
def test_it_gives_the_probabilities_of_torch(exported, tmp_path):
    onnxruntime = pytest.importorskip('onnxruntime')
    said = export_network(*exported, tmp_path / 'network.onnx')
    assert said['status'] == 'ok', said
    assert said['input'] == [1, 3, 20, 24] and said['preprocessor']['mean'] == [110.0] * 3
    # Of four images, three are padded to the size of the first.
    assert said['images'] == 3 and said['labels'] == 3 * 20 * 24
    assert said['labels_differ'] == 0 and said['largest_difference'] < 1e-5
    assert '1×3×20×24' in said['said'] and '0 of 1440 labels differ' in said['said']
    session = onnxruntime.InferenceSession(str(tmp_path / 'network.onnx'), providers=['CPUExecutionProvider'])
    (p,) = session.run(None, dict(image=np.zeros((1, 3, 20, 24), np.float32)))
    assert p.shape == (1, 3, 20, 24) and np.allclose(p.sum(axis=1), 1, atol=1e-5)


class Halves(torch.nn.Module):
    """Gives class 0 the left half of an image, and class 1 the right one, with a probability of 0.75."""

    def forward(self, image):
        left = torch.full(image.shape[2:], 0.25)
        left[:, : image.shape[3] // 2] = 0.75
        return torch.stack([left, 1 - left])[None]


def test_a_difference_is_counted(monkeypatch):
    class Session:
        def __init__(self, *_, **__):
            pass

        def run(self, _, inputs):
            p = Halves()(torch.from_numpy(inputs['image'])).numpy()
            p[0, :, 0, 0] = 0.45, 0.55  # another label
            p[0, :, 3, 4] = 0.35, 0.65  # the same label
            return [p]

    model = Halves()
    model.model = SimpleNamespace(decode_head=None)
    monkeypatch.setitem(sys.modules, 'onnxruntime', SimpleNamespace(InferenceSession=Session))
    found = network._parity(model, Path('network.onnx'), [torch.zeros(1, 3, 8, 8)] * 2)
    assert found == dict(images=2, labels=128, labels_differ=2, largest_difference=pytest.approx(0.3))


def test_a_missing_package_is_named_and_nothing_fails(exported, tmp_path, monkeypatch):
    monkeypatch.setattr(network, 'missing_packages', lambda: ['onnxscript'])
    said = export_network(*exported, tmp_path / 'network.onnx')
    assert said['status'] == 'left out' and 'packages are not installed: onnxscript' in said['said']


@pytest.mark.parametrize('leaves_a_part', [True, False])
def test_a_network_that_cannot_be_exported_is_told_and_leaves_no_file(exported, tmp_path, monkeypatch, leaves_a_part):
    target = tmp_path / 'network.onnx'

    def fail(*_, **__):
        if leaves_a_part:
            target.touch()
        raise RuntimeError('no decomposition\nof deform_conv')

    monkeypatch.setattr(network, 'missing_packages', list)
    monkeypatch.setattr(torch.onnx, 'export', fail)
    said = export_network(*exported, target)
    assert said['status'] == 'failed' and said['said'].endswith('RuntimeError: no decomposition')
    assert not target.exists()
