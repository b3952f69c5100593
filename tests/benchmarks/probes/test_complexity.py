import pytest
import torch
from torch import nn

from benchmarks.probes.complexity import flops, parameters


def test_parameters_by_formula():
    model = nn.Sequential(nn.Conv2d(3, 8, 5), nn.BatchNorm2d(8), nn.Linear(7, 2, bias=False))
    assert parameters(model) == (3 * 8 * 25 + 8) + 2 * 8 + 7 * 2


def test_shared_memory_is_counted_once():
    model = nn.ModuleList([nn.Linear(6, 4, bias=False), nn.Linear(6, 4, bias=False)])
    assert parameters(model) == 48
    model[1].weight.data = model[0].weight.data  # two parameters, one storage
    assert parameters(model) == 24
    model[1].weight = model[0].weight
    assert parameters(model) == 24


def test_two_halves_of_one_storage_are_both_counted():
    flat = torch.zeros(10)
    model = nn.ParameterList([nn.Parameter(flat[:5]), nn.Parameter(flat[5:])])
    assert parameters(model) == 10


def test_parameters_on_the_meta_device():
    assert parameters(nn.Sequential(nn.Linear(3, 2, device='meta'), nn.Linear(3, 2, device='meta'))) == 16


def test_trainable_parameters():
    model = nn.Sequential(nn.Linear(5, 3), nn.Linear(3, 2))
    model[0].requires_grad_(False)
    assert parameters(model, trainable_only=True) == 3 * 2 + 2
    assert parameters(model) == 5 * 3 + 3 + 3 * 2 + 2


@pytest.mark.parametrize('groups', [1, 2])
def test_flops_of_a_convolution(groups):
    conv = nn.Conv2d(4, 6, (3, 5), stride=2, padding=1, groups=groups)
    image = torch.zeros(2, 4, 21, 30)
    outputs = conv(image).numel()
    assert flops(lambda: conv(image)) == 2 * outputs * (4 // groups) * 15


def test_flops_of_attention_are_its_two_products():
    q, k, v = torch.zeros(1, 2, 10, 8), torch.zeros(1, 2, 14, 8), torch.zeros(1, 2, 14, 8)
    assert flops(lambda: torch.softmax(q @ k.mT, -1) @ v) == 2 * 2 * 10 * 14 * 8 * 2
    fused = nn.functional.scaled_dot_product_attention
    assert flops(lambda: fused(q, k, v)) == 2 * 2 * 10 * 14 * 8 * 2


def test_every_view_and_window_is_counted():
    model = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(), nn.ConvTranspose2d(5, 2, 2, 2))
    image = torch.rand(1, 3, 16, 24)
    once = flops(lambda: model(image))
    assert once > 0
    assert flops(lambda: [model(view) for view in (image, image.flip(-1))]) == 2 * once
    # three windows of 16×12 with half of each shared cover 16×24: 1.5 times the area
    assert flops(lambda: [model(image[..., x : x + 12]) for x in (0, 6, 12)]) == 1.5 * once


@pytest.mark.parametrize('context', [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_flops_do_not_depend_on_the_gradient_mode(context):
    model, image = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Flatten(), nn.Linear(5 * 36, 4)), torch.zeros(1, 3, 8, 8)

    def inference():
        with context():
            return model(image)

    assert flops(inference) == 2 * 5 * 36 * 27 + 2 * 180 * 4
