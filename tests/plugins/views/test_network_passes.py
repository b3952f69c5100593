"""Views in one pass of the network equal views one at a time."""

import logging
import multiprocessing
import resource
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmseg.registry import TRANSFORMS
from torch.nn.functional import interpolate

import plugins.views.composed
import plugins.views.flip
import plugins.views.identity
import plugins.views.rot90
import plugins.views.scale  # noqa: F401
from plugins.hooks.inference import InferenceModel
from plugins.views.merge_rules import MERGE_RULES
from plugins.views.network_passes import NetworkPasses, _to_original, view_logits

SLIDE = dict(mode='slide', crop_size=(32, 48), stride=(20, 32))
VIEWS = dict(
    hflip=dict(type='FlipView', direction='horizontal'),
    identity=dict(type='IdentityView'),
    rot180=dict(type='Rot90View', quarter_turns=2),
    rot90=dict(type='Rot90View', quarter_turns=1),
    scale_050=dict(type='ScaleView', scale=0.5),
    turned_flip=dict(
        type='ComposedView',
        views=[dict(type='Rot90View', quarter_turns=1), dict(type='FlipView', direction='vertical')],
    ),
    vflip=dict(type='FlipView', direction='vertical'),
)


def build(configs=VIEWS):
    return {name: TRANSFORMS.build(config) for name, config in configs.items()}


def all_logits(model, data, views, views_per_batch):
    (sample,) = data['data_samples']
    with torch.no_grad():
        return list(NetworkPasses(views_per_batch).logits(model, data['inputs'][0], sample.metainfo, views))


def pointwise(inputs):
    """A network without sums: its result for an image is the same whatever else is in the batch."""
    return torch.cat([inputs[:, :1] * 2, inputs[:, 1:2] - inputs[:, 2:], inputs[:, 2:]], dim=1)


@pytest.mark.parametrize('views_per_batch', [2, 3, 7, 100])
def test_where_the_network_is_batch_invariant_so_are_the_maps(toy, batch, views_per_batch):
    data = batch((21, 37), ori_shape=(25, 40))
    alone, together = (all_logits(toy(pointwise), data, build(), n) for n in (1, views_per_batch))
    assert len(alone) == len(VIEWS)
    assert all(torch.equal(one, other) for one, other in zip(alone, together))


@pytest.mark.parametrize('test_cfg', [dict(mode='whole'), SLIDE])
@pytest.mark.parametrize('size, ori_shape', [((40, 56), (40, 56)), ((61, 75), (50, 90))])
@pytest.mark.parametrize('views_per_batch', [2, 4, 7])
def test_a_real_network_rounds_alike_to_a_millionth(build_unet, batch, test_cfg, size, ori_shape, views_per_batch):
    model, data = build_unet(test_cfg), batch(size, ori_shape=ori_shape)
    alone, together = (all_logits(model, data, build(), n) for n in (1, views_per_batch))
    for one, other in zip(alone, together):
        assert one.shape == (3, *ori_shape) and one.std() > 0.05
        np.testing.assert_allclose(other, one, atol=1e-5 * one.abs().max())


@pytest.mark.parametrize('merge', ['mean', 'mean_logits', 'max'])
@pytest.mark.parametrize('head', [dict(), dict(num_classes=2, out_channels=1, threshold=0.4)])
def test_merged_maps_are_the_same_to_one_level(build_unet, batch, merge, head):
    model, data = build_unet(**head), batch((40, 56))
    alone, together = (
        InferenceModel(model, build(), [], merge=merge, views_per_batch=n).merged_maps(data)[0] for n in (None, 4)
    )
    assert np.abs(alone.astype(int) - together).max() <= 1


def test_every_view_equals_itself_alone(build_unet, batch):
    model, data, views = build_unet(), batch((40, 56)), build()
    together = all_logits(model, data, views, 1)
    with torch.no_grad():
        for name, logits in zip(sorted(views), together):
            assert torch.equal(
                logits, view_logits(model, data['inputs'][0], data['data_samples'][0].metainfo, views[name])
            )


def shapes(toy, data, views_per_batch, configs=VIEWS):
    model = toy(pointwise)
    all_logits(model, data, build(configs), views_per_batch)
    return model.shapes


def test_views_of_one_size_go_together_up_to_the_number(toy, batch):
    wide, tall, half = (3, 24, 40), (3, 40, 24), (3, 16, 24)
    data = batch((24, 40))  # in sorted order: hflip identity rot180 rot90 scale_050 turned_flip vflip
    assert shapes(toy, data, None) == [(1, *size) for size in (wide, wide, wide, tall, half, tall, wide)]
    assert shapes(toy, data, 2) == [(2, *wide), (2, *wide), (2, *tall), (1, *half)]
    assert shapes(toy, data, 3) == [(3, *wide), (2, *tall), (1, *half), (1, *wide)]
    assert shapes(toy, data, 8) == [(4, *wide), (2, *tall), (1, *half)]


def test_sizes_count_after_padding(toy, batch):
    assert shapes(toy, batch((23, 17)), 8, {name: VIEWS[name] for name in ('identity', 'rot90')}) == [(2, 3, 24, 24)]


def test_one_view_at_a_time_prepares_no_other(toy, batch, monkeypatch):
    model = toy(pointwise)
    prepared = []
    forward = model.data_preprocessor.forward
    monkeypatch.setattr(model.data_preprocessor, 'forward', lambda *args: (prepared.append(1), forward(*args))[1])
    maps = NetworkPasses().logits(model, batch((24, 40))['inputs'][0], dict(ori_shape=(24, 40)), build())
    for count, _ in enumerate(maps, start=1):
        assert len(prepared) == count


OF_A_GPU = torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB.')


class SmallMemory:
    """A network that has memory for so many images at once."""

    def __init__(self, images, error=OF_A_GPU):
        self.images, self.error = images, error

    def __call__(self, inputs):
        if len(inputs) > self.images:
            raise self.error
        return pointwise(inputs)


@pytest.fixture
def warnings_logged():
    """Messages that reach mmengine's current logger."""
    messages = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)


@pytest.mark.parametrize(
    'error',
    [
        OF_A_GPU,
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes. Error code 12"),
        RuntimeError('std::bad_alloc'),
        MemoryError(),
    ],
)
def test_out_of_memory_falls_back_to_one_at_a_time_for_good(toy, batch, warnings_logged, error):
    data = batch((24, 40))
    model, passes = toy(SmallMemory(1, error)), NetworkPasses(4)
    (sample,) = data['data_samples']
    images = [list(passes.logits(model, data['inputs'][0], sample.metainfo, build())) for _ in range(3)]
    expected = all_logits(toy(pointwise), data, build(), 1)
    for maps in images:
        assert all(torch.equal(one, other) for one, other in zip(maps, expected))
    assert [len for len, *_ in model.shapes] == [4] + 3 * len(VIEWS) * [1]  # tried once, never again
    assert passes.shared == 0 and len(warnings_logged) == 1 and '4 views in one pass do not fit' in warnings_logged[0]


def test_enough_memory_is_used(toy, batch, warnings_logged):
    model = toy(SmallMemory(3))
    all_logits(model, batch((24, 40)), build(), 3)
    assert max(len for len, *_ in model.shapes) == 3 and warnings_logged == []


def test_memory_for_not_even_one_view_is_an_error(toy, batch):
    with pytest.raises(torch.cuda.OutOfMemoryError):
        all_logits(toy(SmallMemory(0)), batch((24, 40)), build(), 4)


TWELVE = {f'view_{number:02}': dict(type='FlipView', direction='horizontal') for number in range(12)}


def _in_little_memory(model, data, room, answer):
    """What twelve views in one pass end with in a process that may have so many bytes more."""
    alone = all_logits(model, data, build(TWELVE), 1)
    has = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (has + room, has + room))
    passes = NetworkPasses(12)
    (sample,) = data['data_samples']
    with torch.no_grad():
        maps = list(passes.logits(model, data['inputs'][0], sample.metainfo, build(TWELVE)))
    equal = all(torch.equal(one, other) for one, other in zip(alone, maps, strict=True))
    answer.send((passes.shared, passes.views_per_batch, equal))


def test_twelve_views_that_the_process_has_no_memory_for_give_the_maps_of_single_views(build_unet, batch):
    """A real limit, in a process of its own: the pass of twelve fails in torch's own allocator."""
    model, data = build_unet(), batch((512, 512))
    context = multiprocessing.get_context('spawn')
    receiver, sender = context.Pipe(duplex=False)
    # Measured: one view at a time goes through with 140 MiB more and not with 125, twelve in one pass not with 330.
    process = context.Process(target=_in_little_memory, args=(model, data, 190 * 2**20, sender))
    process.start()
    sender.close()
    process.join(120)
    assert process.exitcode == 0
    shared, views_per_batch, equal = receiver.recv()
    assert (shared, views_per_batch) == (0, 1) and equal


def test_other_errors_are_not_caught(toy, batch):
    def broken(inputs):
        raise RuntimeError('sizes must match')

    model = toy(broken)
    with pytest.raises(RuntimeError, match='sizes must match'):
        all_logits(model, batch((24, 40)), build(), 4)
    assert len(model.shapes) == 1


@pytest.mark.parametrize('views_per_batch', [0, -1, 2.0, True, '4'])
def test_an_impossible_number_is_refused(views_per_batch):
    with pytest.raises(ValueError, match='views_per_batch=.* positive whole number'):
        NetworkPasses(views_per_batch)


@pytest.mark.parametrize('channels', [1, 2, 5])
@pytest.mark.parametrize('turn', [0, 1, 2])
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_what_needs_no_resizing_is_the_same_as_if_it_were_resized(channels, turn, layout):
    logits = torch.randn(1, channels, 33, 41, generator=torch.Generator().manual_seed(channels))
    size, align_corners = ((41, 33) if turn == 1 else (33, 41)), bool(turn)
    given = torch.rot90(logits.contiguous(memory_format=layout)[0], turn, (-2, -1))
    resized = interpolate(given[None], size=size, mode='bilinear', align_corners=align_corners)[0]
    ours = _to_original(SimpleNamespace(align_corners=align_corners), given, dict(ori_shape=size))
    # Exponentials differ in the last bit between the parts of an array that are computed 8 or 16 at once and its end.
    for function in (torch.clone, torch.sigmoid, MERGE_RULES['mean'].term):
        assert torch.equal(function(ours), function(resized))
