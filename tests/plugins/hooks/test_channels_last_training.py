"""Training in channels_last: the same mathematics, and checkpoints like any other."""

import copy
from types import SimpleNamespace

import pytest
import torch
from mmengine.registry import MODEL_WRAPPERS, DefaultScope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

import plugins.hooks.gradient_checkpointing
import plugins.hooks.weight_ema
import plugins.optim.mixed_precision  # noqa: F401
from plugins.hooks.channels_last_training import ChannelsLastTrainingHook

OURS = dict(type='ChannelsLastTrainingHook')
LAST = torch.channels_last
ADAM = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.01))


@pytest.fixture(autouse=True)
def names_of_mmseg():
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield


def hook_of(runner):
    return next(hook for hook in runner.hooks if isinstance(hook, ChannelsLastTrainingHook))


def saving(interval):
    return dict(logger=None, checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=interval))


class Wrapper(nn.Module):
    """A model in a wrapper, as distributed training has it."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)


@pytest.fixture(autouse=True)
def wrapper_registered():
    MODEL_WRAPPERS.register_module(module=Wrapper)
    yield
    MODEL_WRAPPERS.module_dict.pop('Wrapper')


def in_float64(config):
    """A model in double precision, also of its images."""
    torch.manual_seed(0)
    model = MODELS.build(copy.deepcopy(config)).double().train()
    forward = model.data_preprocessor.forward
    model.data_preprocessor.forward = lambda data, training: (lambda out: dict(out, inputs=out['inputs'].double()))(
        forward(data, training)
    )
    return model


def batch(seed):
    generator = torch.Generator().manual_seed(seed)
    labels = [torch.randint(2, (1, 16, 16), generator=generator) for _ in range(2)]
    return dict(
        inputs=[torch.randint(256, (3, 16, 16), generator=generator, dtype=torch.uint8) for _ in labels],
        data_samples=[SegDataSample(gt_sem_seg=PixelData(data=one)) for one in labels],
    )


def losses(model, steps=4, hook=None):
    """The loss of each step of a short training, and the wrapper that made it."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    runner = SimpleNamespace(model=model, optim_wrapper=SimpleNamespace(optimizer=optimizer))
    if hook:
        hook.before_train(runner)
    found = []
    for step in range(steps):
        torch.manual_seed(step)
        data = model.data_preprocessor(batch(step), True)
        assert data['inputs'].is_contiguous(memory_format=LAST) == bool(hook)
        loss, _ = model.parse_losses(model(**data, mode='loss'))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    if hook:
        hook.after_train(runner)
    return found


def test_in_double_precision_losses_and_weights_are_the_same_but_for_rounding(small_model):
    plain, ours, hook = in_float64(small_model), in_float64(small_model), ChannelsLastTrainingHook()
    expected = losses(plain)
    assert losses(ours, hook=hook) == pytest.approx(expected, rel=1e-12)
    assert len(set(expected)) == 4 and hook.acted == 4
    for (name, one), (other_name, other) in zip(plain.state_dict().items(), ours.state_dict().items()):
        assert name == other_name and one.shape == other.shape
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_weights_and_all_that_convolutions_see_have_the_format_while_training_only(plain_run):
    run, seen = plain_run([OURS], steps=2), []
    convs = [module for module in run.model.backbone.modules() if isinstance(module, nn.Conv2d)]
    for conv in convs:
        conv.register_forward_hook(
            lambda conv, inputs, output: seen.append(
                all(tensor.is_contiguous(memory_format=LAST) for tensor in (conv.weight, *inputs, output))
            )
        )
    before = {name: id(parameter) for name, parameter in run.model.named_parameters()}
    run.train()
    assert len(seen) == 2 * len(convs) and all(seen)
    assert before == {name: id(parameter) for name, parameter in run.model.named_parameters()}
    assert all(tensor.is_contiguous() for tensor in run.model.state_dict().values())
    assert 'forward' not in vars(run.model.data_preprocessor) and hook_of(run).acted == 2


@pytest.mark.parametrize(
    'more, changes',
    [
        ([], dict()),
        ([dict(type='WeightEMAHook')], dict()),
        ([dict(type='GradientCheckpointingHook')], dict()),
        ([], dict(optim_wrapper=ADAM)),
    ],
    ids=['plain', 'averaged', 'checkpointed', 'AdamW'],
)
def test_a_checkpoint_is_like_any_other(plain_run, more, changes):
    files = []
    for hooks in ([], [OURS]):
        run = plain_run([*more, *hooks], steps=3, default_hooks=saving(3), **changes)
        run.train()
        files.append(torch.load(f'{run.work_dir}/iter_3.pth', weights_only=False))
    assert files[0].keys() == files[1].keys() and hook_of(run).acted == 3
    for weights in [name for name in files[0] if name.endswith('state_dict')]:
        assert list(files[0][weights]) == list(files[1][weights])
        for name, tensor in files[0][weights].items():
            saved = files[1][weights][name]
            assert saved.is_contiguous() and saved.dtype == tensor.dtype
            # AdamW divides gradients near 0 by their own size
            torch.testing.assert_close(saved, tensor, rtol=1e-2, atol=5e-3 if changes else 1e-4)
    plain_run().load_checkpoint(f'{run.work_dir}/iter_3.pth', strict=True)


def test_a_resumed_training_is_the_same_as_one_that_was_not_interrupted(plain_run, small_model, small_pictures):
    import plugins.datasets.paired  # noqa: F401

    model = dict(small_model, decode_head=dict(small_model['decode_head'], dropout_ratio=0.0))
    data = dict(
        type='BaseSegDataset',
        data_root=str(small_pictures),
        img_suffix='.png',
        seg_map_suffix='.png',
        data_prefix=dict(img_path='img', seg_map_path='ann'),
        metainfo=dict(classes=('dark', 'bright')),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='RandomCrop', crop_size=(16, 16)),
            dict(type='PackSegInputs'),
        ],
    )
    settings = dict(
        model=model,
        optim_wrapper=ADAM,
        default_hooks=saving(2),
        loader=dict(sampler=dict(type='PairedSampler'), dataset=dict(type='PairedDataset', dataset=data)),
    )
    whole = plain_run([OURS], steps=4, **settings).train().state_dict()
    first = plain_run([OURS], steps=2, **settings)
    first.train()
    rest = plain_run([OURS], steps=4, **settings, load_from=f'{first.work_dir}/iter_2.pth', resume=True)
    ours = rest.train().state_dict()
    assert all(torch.equal(whole[name], ours[name]) for name in whole)
    state = rest.optim_wrapper.optimizer.state
    assert all(of['exp_avg'].is_contiguous(memory_format=LAST) for weight, of in state.items() if weight.ndim == 4)


def test_it_goes_with_mixed_precision(plain_run):
    optim = dict(type='MixedPrecisionOptimWrapper', optimizer=dict(type='SGD', lr=0.05))
    run = plain_run([OURS], steps=2, optim_wrapper=optim)
    assert all(weight.isfinite().all() for weight in run.train().state_dict().values())
    assert run.optim_wrapper.acted == 2 and hook_of(run).acted == 2


def test_a_wrapped_model_is_unwrapped(small_model):
    """MMDistributedDataParallel is registered so, too; a process group of its own once hung in the suite."""
    model, hook = in_float64(small_model), ChannelsLastTrainingHook()
    runner = SimpleNamespace(
        model=Wrapper(model), optim_wrapper=SimpleNamespace(optimizer=torch.optim.SGD(model.parameters(), lr=0.05))
    )
    hook.before_train(runner)
    assert model.backbone.encoder[0][0].convs[0].conv.weight.is_contiguous(memory_format=LAST)
    data = model.data_preprocessor(batch(0), True)
    model.parse_losses(runner.model(**data, mode='loss'))[0].backward()
    assert hook.acted == 1 and data['inputs'].is_contiguous(memory_format=LAST)


def test_a_network_without_convolutions_says_that_nothing_acted(small_model):
    model = in_float64(small_model)
    model.backbone = model.decode_head = nn.Identity()
    hook = ChannelsLastTrainingHook()
    hook.before_train(
        SimpleNamespace(
            model=model, optim_wrapper=SimpleNamespace(optimizer=torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1))
        )
    )
    model.data_preprocessor(batch(0), True)
    assert hook.acted == 0


def test_nothing_is_counted_where_nothing_trains(plain_run):
    run = plain_run([OURS])
    assert 'mIoU' in run.test() and hook_of(run).acted is None
