"""Training and testing through torch.compile, in plain mmsegmentation; with backends that generate no code."""

import sys

import pytest
import torch
from mmengine.hooks import Hook
from mmseg.registry import HOOKS, MODELS
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import plugins.hooks.gradient_checkpointing
import plugins.hooks.inference
import plugins.hooks.mixed_precision_inference
import plugins.views.scale  # noqa: F401
from plugins.hooks.compile_inference import CompileInferenceHook
from plugins.hooks.compile_training import CompileTrainingHook
from plugins.hooks.compiled_networks import CompiledNetworks

TRAINING = dict(type='CompileTrainingHook', backend='eager')
INFERENCE = dict(type='CompileInferenceHook', backend='eager')
SCALES = dict(views=dict(plain=dict(type='IdentityView'), half=dict(type='ScaleView', scale=0.5)))


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@HOOKS.register_module(force=True)
class KeepsPredictions(Hook):
    """Keeps the logits of each tested image."""

    def before_test(self, runner):
        self.logits = []

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.logits += [sample.seg_logits.data for sample in outputs]


def hook_of(runner, kind):
    return next(hook for hook in runner.hooks if isinstance(hook, kind))


def trained(run, hooks, **settings):
    runner = run(hooks, **settings)
    return runner, runner.train().state_dict()


@pytest.mark.slow
def test_training_runs_graphs_and_gives_the_same_weights_under_the_same_names(plain_run):
    _, plain = trained(plain_run, [])
    runner, ours = trained(plain_run, [dict(TRAINING, backend='aot_eager')])
    assert list(ours) == list(plain)
    for name in plain:
        torch.testing.assert_close(ours[name], plain[name], atol=1e-5, rtol=1e-4)
    assert hook_of(runner, CompileTrainingHook).acted == 3 * 2  # backbone and head, in each of 3 steps
    assert 'forward' not in vars(runner.model.backbone)


@pytest.mark.slow
def test_the_checkpoint_loads_into_a_plain_model(plain_run):
    runner, _ = trained(plain_run, [TRAINING], steps=1)
    saved = torch.load(f'{runner.work_dir}/iter_1.pth', weights_only=False)['state_dict']
    assert not [name for name in saved if '_orig_mod' in name]
    plain_run().model.load_state_dict(saved, strict=True)


@pytest.mark.slow
def test_testing_runs_graphs_and_predicts_the_same(plain_run):
    plain, ours = plain_run([dict(type='KeepsPredictions')]), plain_run([dict(type='KeepsPredictions'), INFERENCE])
    ours.model.load_state_dict(plain.model.state_dict())
    scores = plain.test(), ours.test()
    assert scores[0] == scores[1]
    logits = [hook_of(runner, KeepsPredictions).logits for runner in (plain, ours)]
    torch.testing.assert_close(*map(torch.stack, logits), atol=1e-5, rtol=1e-4)
    assert hook_of(ours, CompileInferenceHook).acted == 6 * 2
    assert 'forward' not in vars(ours.model.backbone)


@pytest.mark.slow
@pytest.mark.parametrize('order', [1, -1])
def test_it_reaches_the_model_inside_views_and_goes_with_mixed_precision(plain_run, order):
    hooks = [dict(type='InferenceHook'), INFERENCE, dict(type='MixedPrecisionInferenceHook')][::order]
    runner = plain_run(hooks, inference=SCALES)
    runner.test()
    acted = {type(hook).__name__: hook.acted for hook in runner.hooks if hasattr(hook, 'acted')}
    assert acted['CompileInferenceHook'] == 6 * 2 * 2 and acted['MixedPrecisionInferenceHook'] == 6 * 2


@pytest.mark.slow
def test_training_leaves_inference_alone_and_the_reverse(plain_run):
    runner = plain_run([TRAINING, INFERENCE], steps=1)
    runner.test()
    assert hook_of(runner, CompileTrainingHook).acted is None
    inference = hook_of(runner, CompileInferenceHook)
    tested = inference.acted
    assert tested > 0
    runner.train()
    assert inference.acted == tested and hook_of(runner, CompileTrainingHook).acted > 0


@pytest.mark.slow
def test_it_goes_with_gradient_checkpointing(plain_run):
    checkpointing = dict(type='GradientCheckpointingHook')
    runner, ours = trained(plain_run, [TRAINING, checkpointing])
    _, plain = trained(plain_run, [])
    for name in plain:
        torch.testing.assert_close(ours[name], plain[name], atol=1e-5, rtol=1e-4)
    acted = {type(hook).__name__: hook.acted for hook in runner.hooks if hasattr(hook, 'acted')}
    assert acted['GradientCheckpointingHook'] == 15 and acted['CompileTrainingHook'] >= 3


@MODELS.register_module(force=True)
class Uncapturable(nn.Module):
    """A backbone that a compiler must not look into."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    @torch.compiler.disable
    def forward(self, x):
        return [self.conv(x)]


def test_what_runs_no_graph_is_not_counted():
    module = Uncapturable()
    compiled = CompiledNetworks('eager', None, training=True)
    compiled.compile([module])
    module(torch.rand(1, 3, 4, 4))
    assert compiled.times == 0


def test_a_flop_counter_sees_the_operations():
    module = nn.Sequential(nn.Conv2d(3, 4, 3)).eval()
    image = torch.rand(1, 3, 8, 8)
    compiled = CompiledNetworks('eager', None, training=False)
    compiled.compile([module])
    module(image)
    assert compiled.times == 1
    with FlopCounterMode(display=False) as counter:
        module(image)
    assert counter.get_total_flops() == 2 * 3 * 9 * 4 * 36 and compiled.times == 1


def test_the_second_size_makes_graphs_for_any():
    module = nn.Sequential(nn.Conv2d(3, 4, 3)).eval()
    compiled = CompiledNetworks('eager', None, training=False)
    graphs = []
    generate = compiled._generate
    compiled._generate = lambda graph, inputs: graphs.append(graph) or generate(graph, inputs)
    compiled.compile([module])
    with torch.no_grad():
        for size in (8, 9, 10, 11):
            module(torch.rand(1, 3, size, size))
    assert compiled.times == 4 and len(graphs) == 2


def test_compiling_twice_and_restoring_leaves_the_class_method():
    module = nn.Conv2d(3, 4, 3)
    compiled = CompiledNetworks('eager', None, training=True)
    compiled.compile([module])
    compiled.compile([module])
    compiled.restore()
    assert 'forward' not in vars(module)


def test_a_missing_compiler_is_told_with_the_cure(monkeypatch):
    from torch._inductor import config

    monkeypatch.setattr(config.cpp, 'cxx', (None, 'no-such-compiler'))
    sys.modules['torch._inductor.cpp_builder'].cpp_compiler_search.cache_clear()
    with pytest.raises(RuntimeError, match='needs a C\\+\\+ compiler.*aot_eager'):
        CompiledNetworks('inductor', None, training=True).compile([nn.Conv2d(3, 4, 3)])
    sys.modules['torch._inductor.cpp_builder'].cpp_compiler_search.cache_clear()


def test_an_unknown_backend_is_refused():
    with pytest.raises(ValueError, match='indctor.*inductor'):
        CompileTrainingHook(backend='indctor')
