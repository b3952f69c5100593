"""The loss of the best constant prediction: right for any loss, and the training is the same to the bit."""

import math
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.structures import PixelData
from mmseg.models.losses import CrossEntropyLoss
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import register_all_modules
from torch import nn

from benchmarks.analysis.best_constant import falls_below
from benchmarks.stages.best_constant import (
    MOST_TRIALS,
    BestConstant,
    Call,
    askable_head,
    best_constant_loss,
    random_state,
    stand_in,
    watched_steps,
)

register_all_modules(init_default_scope=True)
CROSS_ENTROPY = dict(type='CrossEntropyLoss')


@MODELS.register_module(force=True)
class OneLayer(nn.Module):
    """A backbone of one 1×1 convolution: equal pixels give equal features, at the border, too."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, images):
        return [self.conv(images).relu()]


@MODELS.register_module(force=True)
class DrawingLoss(CrossEntropyLoss):
    """A loss with a ramp over its calls, which draws from every random generator."""

    acted = 0

    def forward(self, *args, **kwargs):
        self.acted += 1
        noise = torch.rand(()).item() + np.random.rand() + random.random()
        return super().forward(*args, **kwargs) * (1 + noise + self.acted)


def segmentor(*losses, classes=3, **head):
    head = (
        dict(
            type='FCNHead',
            in_channels=4,
            channels=4,
            num_convs=1,
            kernel_size=1,
            num_classes=classes,
            norm_cfg=dict(type='BN'),
            loss_decode=list(losses) if len(losses) > 1 else losses[0],
        )
        | head
    )
    torch.manual_seed(0)
    return MODELS.build(
        dict(
            type='EncoderDecoder',
            data_preprocessor=dict(type='SegDataPreProcessor', size=(8, 8)),
            backbone=dict(type='OneLayer'),
            decode_head=head,
        )
    )


def sample(labels):
    return SegDataSample(gt_sem_seg=PixelData(data=torch.as_tensor(np.asarray(labels))[None]))


def batch(learnable=True, seed=0):
    """Two images of 8×8: labels 0, 1 and 2, and a column of void; brightness shows the label if it can be learned."""
    labels = np.random.default_rng(seed).choice(3, p=[0.6, 0.3, 0.1], size=(2, 8, 8))
    images = np.repeat(labels[:, None] * (1.0 if learnable else 0.0), 3, 1)
    labels[:, :, 0] = 255
    return dict(inputs=list(torch.as_tensor(images).float()), data_samples=[sample(one) for one in labels])


def train(model, hook, steps=8, lr=0.1, learnable=True):
    """Train as mmengine's loop does; the weights, and the state of all random generators."""
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=lr))
    runner = SimpleNamespace(model=model, cfg={}, iter=0, max_iters=steps)
    model.train()
    hook and hook.before_train(runner)
    for runner.iter in range(steps):
        data = batch(learnable, runner.iter)
        hook and hook.before_train_iter(runner, runner.iter, data)
        outputs = model.train_step(data, optimizer)
        torch.rand(1), np.random.rand(), random.random()  # as other parts of a run draw
        hook and hook.after_train_iter(runner, runner.iter, data, outputs)
    weights = torch.cat([value.float().flatten() for value in model.state_dict().values()])
    return weights, (torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate())


def lowest(model, samples, channels=3):
    call = Call((len(samples), channels, 4, 4), samples, random_state(), torch.zeros(()))
    return best_constant_loss(model.decode_head, call)


LABELS = [sample([[0, 0, 0, 1], [255, 2, 0, 0]])]  # shares 5/7, 1/7, 1/7
ENTROPY = -(5 * math.log(5 / 7) + 2 * math.log(1 / 7)) / 7


def test_the_best_constant_of_the_cross_entropy_is_the_entropy_of_the_class_shares():
    model = segmentor(CROSS_ENTROPY | dict(avg_non_ignore=True))
    assert lowest(model, LABELS) == pytest.approx(ENTROPY, abs=1e-4)
    doubled = segmentor(CROSS_ENTROPY | dict(avg_non_ignore=True, loss_weight=2.0))
    assert lowest(doubled, LABELS) == pytest.approx(2 * ENTROPY, abs=1e-4)


def test_losses_with_weights_and_overlap_have_their_own_best_constant():
    balanced = segmentor(CROSS_ENTROPY | dict(class_weight=[1 / 5, 1.0, 1.0]))
    assert lowest(balanced, LABELS) == pytest.approx(math.log(3), abs=1e-4)  # equal logits
    weighted = segmentor(CROSS_ENTROPY | dict(class_weight=[1.0, 2.0, 4.0]))
    parts = np.array([5, 2, 4]) / 11  # weight x share
    assert lowest(weighted, LABELS) == pytest.approx(-(parts * np.log(parts)).sum(), abs=1e-4)
    tversky = segmentor(dict(type='TverskyLoss', alpha=0.3, beta=0.7))
    steps = np.linspace(-6, 6, 9)
    grid = [constant_loss(tversky, [0, a, b]) for a in steps for b in steps]
    assert lowest(tversky, LABELS) <= min(grid) + 1e-4


def constant_loss(model, logits):
    """The loss of a constant, asked from the head itself."""
    constant = torch.tensor(logits).float().view(1, 3, 1, 1).expand(1, 3, 4, 4)
    return float(sum(v for k, v in model.decode_head.loss_by_feat(constant, LABELS).items() if 'loss' in k))


def test_one_channel_is_judged_by_the_odds_of_its_class():
    model = segmentor(
        CROSS_ENTROPY | dict(use_sigmoid=True, avg_non_ignore=True), classes=2, out_channels=1, threshold=0.5
    )
    labels = [sample([[0, 0, 0, 1], [255, 0, 0, 0]])]
    wanted = -(6 * math.log(6 / 7) + math.log(1 / 7)) / 7
    assert lowest(model, labels, channels=1) == pytest.approx(wanted, abs=1e-3)


def test_without_a_labelled_pixel_nothing_is_known():
    assert lowest(segmentor(CROSS_ENTROPY), [sample([[255, 255]])]) is None


@pytest.mark.parametrize(
    'losses', [(CROSS_ENTROPY,), (dict(type='DrawingLoss'), CROSS_ENTROPY | dict(loss_name='loss_b'))]
)
def test_weights_statistics_counters_and_random_state_are_those_of_a_training_without_the_hook(losses):
    with_hook, without = segmentor(*losses), segmentor(*losses)
    hook = BestConstant()
    watched, bare = train(with_hook, hook, learnable=False), train(without, None, learnable=False)
    assert torch.equal(watched[0], bare[0]) and watched[1] == bare[1]
    assert hook.fact['steps'] == 4 and 'loss_by_feat' not in vars(with_hook.decode_head)
    counts = [[getattr(part, 'acted', None) for part in model.modules()] for model in (with_hook, without)]
    assert counts[0] == counts[1]


def test_a_network_that_learns_falls_below_and_one_that_does_not_stays_above():
    hook = BestConstant()
    train(segmentor(CROSS_ENTROPY), hook, steps=40)
    assert falls_below(hook.fact['loss'], hook.fact['constant'])
    for stuck in (dict(lr=0.0), dict(learnable=False)):
        hook = BestConstant()
        train(segmentor(CROSS_ENTROPY), hook, steps=40, **stuck)
        assert hook.fact['steps'] == 10 and not falls_below(hook.fact['loss'], hook.fact['constant'])


@pytest.mark.parametrize(
    'loss',
    [
        CROSS_ENTROPY | dict(class_weight=[0.2, 1.0, 3.0]),
        dict(type='DiceLoss', ignore_index=None),
        dict(type='TverskyLoss'),
        dict(type='LovaszLoss', per_image=False, reduction='none'),
    ],
)
def test_the_rule_holds_for_any_loss(loss):
    hook = BestConstant()
    train(segmentor(loss), hook, steps=40, lr=0.3)
    assert falls_below(hook.fact['loss'], hook.fact['constant'])
    hook = BestConstant()
    train(segmentor(loss), hook, steps=30, lr=0.3, learnable=False)
    assert not falls_below(hook.fact['loss'], hook.fact['constant'])


def test_a_network_that_learns_costs_a_few_evaluations(monkeypatch):
    calls = []
    forward = CrossEntropyLoss.forward
    monkeypatch.setattr(CrossEntropyLoss, 'forward', lambda *a, **k: calls.append(1) or forward(*a, **k))
    train(segmentor(CROSS_ENTROPY), BestConstant(), steps=60)
    assert len(calls) - 60 <= 5 + MOST_TRIALS  # two constants without a class, three that are sure of one
    calls.clear()
    train(segmentor(CROSS_ENTROPY), BestConstant(), steps=60, learnable=False)
    assert len(calls) - 60 == 10  # the shares of the classes are as good in each of the watched steps


def refused(model):
    return askable_head(model) is None


def test_a_head_whose_loss_a_constant_cannot_be_asked_for_is_left_alone():
    assert not refused(segmentor(CROSS_ENTROPY))
    assert refused(segmentor(CROSS_ENTROPY, sampler=dict(type='OHEMPixelSampler', min_kept=9)))
    assert refused(nn.Conv2d(1, 1, 1))
    heard = segmentor(CROSS_ENTROPY)
    heard.decode_head.loss_decode.register_forward_pre_hook(lambda *_: None)
    assert refused(heard)
    replaced = segmentor(CROSS_ENTROPY)
    replaced.decode_head.loss_by_feat = lambda *_: {}
    assert refused(replaced)
    learned_weight = segmentor(CROSS_ENTROPY)
    learned_weight.decode_head.loss_decode.scale = nn.Parameter(torch.ones(()))
    assert refused(learned_weight)


def test_of_a_cascade_the_last_head_predicts():
    model = segmentor(CROSS_ENTROPY)
    heads = nn.ModuleList([nn.Identity(), model.decode_head])
    model.decode_head = heads
    assert askable_head(model) is heads[1]


@pytest.mark.parametrize('calls', [0, 2])
def test_a_step_that_asks_the_head_never_or_twice_tells_nothing(calls, monkeypatch):
    model, hook = segmentor(CROSS_ENTROPY), BestConstant()
    head = type(model.decode_head)
    monkeypatch.setattr(
        head,
        'loss',
        lambda self, inputs, samples, cfg: [
            head.loss_by_feat(self, self(inputs), samples) if not calls else self.loss_by_feat(self(inputs), samples)
            for _ in range(calls or 1)
        ][0],
    )
    train(model, hook)
    assert hook.fact is None


def test_a_head_with_several_maps_and_a_loss_that_refuses_constants_tell_nothing(monkeypatch):
    model, hook = segmentor(CROSS_ENTROPY), BestConstant()
    head = type(model.decode_head)
    by_feat = head.loss_by_feat
    monkeypatch.setattr(head, 'forward', lambda self, inputs: (self.conv_seg(self._forward_feature(inputs)), None))
    monkeypatch.setattr(head, 'loss_by_feat', lambda self, logits, samples: by_feat(self, logits[0], samples))
    train(model, hook)
    assert hook.fact is None
    monkeypatch.undo()

    def refuse_constants(self, logits, samples):
        if not logits.requires_grad:
            raise RuntimeError('no gradient')
        return by_feat(self, logits, samples)

    monkeypatch.setattr(head, 'loss_by_feat', refuse_constants)
    train(model, hook := BestConstant())
    assert hook.fact is None


def test_a_head_without_a_loss_does_not_end_the_training(monkeypatch):
    model, hook = segmentor(CROSS_ENTROPY), BestConstant()
    monkeypatch.setattr(type(model.decode_head), 'loss_by_feat', lambda self, logits, samples: dict(acc=logits.sum()))
    monkeypatch.setattr(model, 'parse_losses', lambda losses: (losses['decode.acc'], {}))
    train(model, hook)
    assert hook.fact is None


def test_a_compiled_step_is_left_alone():
    hook = BestConstant()
    runner = SimpleNamespace(model=segmentor(CROSS_ENTROPY), cfg=dict(compile=True), max_iters=4, iter=3)
    hook.before_train(runner)
    hook.before_train_iter(runner, 3)
    assert 'loss_by_feat' not in vars(runner.model.decode_head)


def test_the_stand_in_shares_parameters_and_has_its_own_losses_and_buffers():
    head = segmentor(dict(type='DrawingLoss')).decode_head
    twin = stand_in(head)
    assert all(a is b for a, b in zip(head.parameters(), twin.parameters()))
    assert not any(a is b for a, b in zip(head.buffers(), twin.buffers()))
    assert twin.loss_decode is not head.loss_decode and type(twin) is type(head)


def test_the_last_step_is_among_the_watched_ones():
    assert sorted(watched_steps(1)) == [0] and sorted(watched_steps(4)) == [2, 3]
    steps = sorted(watched_steps(80_000))
    assert (len(steps), steps[0], steps[-1]) == (10, 40_000, 79_999)
