"""The loss of the best constant prediction, beside the network's own loss in a few steps of a training.

A constant prediction gives every pixel of every image the same logits. A network whose loss is never lower has learned
nothing from the images. This holds for any loss: both numbers come from the ``loss_by_feat`` of the decode head that
predicts, on the same labels. Auxiliary heads are left out, because they predict nothing.

The training itself stays as it is, to the bit: a copy of the head's losses judges the constants, after the step.
"""
# N images, K channels of the logits, h×w their pixels

import contextlib
import copy
import math
import random
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from benchmarks.analysis.best_constant import falls_below

MOST_STEPS = 10
MOST_TRIALS = 20  # of constants to improve the first ones
MOST_CLASSES = 8  # of which a constant may be sure; with hundreds of classes the rare ones are no good constant
SURE = 10.0  # the logit of a class of which a constant is sure; that of the others is -SURE
LEAST_SHARE = 1e-6  # of a class that a batch lacks


class Call(NamedTuple):
    """A call of the head's ``loss_by_feat`` in a training step.

    Args:
        shape: Shape of the logits, (N, K, h, w).
        samples: The batch's data samples, with the true labels in ``gt_sem_seg``.
        random_state: The random generators before the call.
        loss: The head's loss.
    """

    shape: tuple[int, ...]
    samples: list
    random_state: tuple
    loss: Tensor


class _Enough(Exception):
    """A constant is as good as the network."""


class BestConstant(Hook):
    """Looks at steps of the last half of a training until the loss falls below that of the best constant prediction.

    Attributes:
        fact: What is recorded (:mod:`benchmarks.analysis.best_constant`). None if it is not known: the model has no
            decode head with one map of logits, a sampler chooses the pixels of the loss by the prediction, another
            part of the run listens to the losses or has replaced them, or the whole step is compiled.
    """

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.fact: dict[str, Any] | None = None
        self._head: Any = None
        self._steps: frozenset[int] = frozenset()
        self._stand_in: Any = None
        self._calls: list[Call | None] = []

    def before_train(self, runner: Runner) -> None:
        """Choose the steps, if the model has a head whose loss can be asked."""
        self._head = None if runner.cfg.get('compile') else askable_head(runner.model)
        self._steps = watched_steps(runner.max_iters) if self._head is not None else frozenset()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Listen to the head, and keep the state of its losses as it is before the step."""
        if runner.iter not in self._steps:
            return
        self._calls = []
        try:
            self._stand_in = stand_in(self._head)
        except Exception:  # modules may hold anything, and the training goes on whatever it is
            self._give_up()
        else:
            self._head.loss_by_feat = self._listen

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Compare the step's loss with those of constants; only now, when the memory of the step is free again."""
        if self._stand_in is None:
            return
        del self._head.loss_by_feat
        judge, self._stand_in = self._stand_in, None
        call = self._calls[0] if len(self._calls) == 1 else None
        self._calls = []
        if call is None:
            self._give_up()
            return
        try:
            self._compare(judge, call)
        except Exception:  # as above: a loss may refuse a constant
            self._give_up()

    def _listen(self, *args: Any, **kwargs: Any) -> dict:
        """The head's own ``loss_by_feat``, noted."""
        state = random_state()
        losses = type(self._head).loss_by_feat(self._head, *args, **kwargs)
        call = None
        if len(args) == 2 and not kwargs and isinstance(args[0], Tensor) and args[0].dim() == 4:
            with contextlib.suppress(Exception):  # as above: a head may give no loss
                call = Call(tuple(args[0].shape), args[1], state, total(losses).detach())
        self._calls.append(call)
        return losses

    def _compare(self, judge: Any, call: Call) -> None:
        loss, state = float(call.loss), random_state()
        try:
            constant = best_constant_loss(judge, call, enough=loss)
        finally:
            set_random_state(state)
        if constant is None or not math.isfinite(loss):
            return
        steps = 1 if self.fact is None else self.fact['steps'] + 1
        if self.fact is None or loss - constant < self.fact['loss'] - self.fact['constant']:
            self.fact = dict(loss=loss, constant=constant)
        self.fact['steps'] = steps
        if falls_below(loss, constant):
            self._steps = frozenset()

    def _give_up(self) -> None:
        self.fact, self._steps = None, frozenset()


def watched_steps(iterations: int) -> frozenset[int]:
    """At most :data:`MOST_STEPS` steps, counted from 0: evenly over the last half of the training, the last included.

    Example:
        >>> sorted(watched_steps(5))
        [2, 3, 4]
    """
    first = iterations // 2
    return frozenset(
        np.linspace(first, iterations - 1, min(MOST_STEPS, iterations - first)).round().astype(int).tolist()
    )


def askable_head(model: nn.Module) -> nn.Module | None:
    """The decode head that predicts, the last one of a cascade; None if a copy would not judge as the head does."""
    segmentor: Any = model.module if is_model_wrapper(model) else model
    head = getattr(segmentor, 'decode_head', None)
    head = head[-1] if isinstance(head, nn.ModuleList) and len(head) else head
    if not isinstance(head, nn.Module) or not hasattr(type(head), 'loss_by_feat') or 'loss_by_feat' in vars(head):
        return None
    # A sampler of pixels chooses other pixels for another prediction, so that the losses are not of the same task.
    if getattr(head, 'sampler', None) is not None:
        return None
    losses = getattr(head, 'loss_decode', None)
    if not isinstance(losses, nn.Module) or any(True for _ in losses.parameters()):  # a step changes parameters
        return None
    changed = any(
        part._forward_hooks or part._forward_pre_hooks or 'forward' in vars(part) for part in losses.modules()
    )
    return None if changed else head


def stand_in(module: nn.Module) -> Any:
    """A copy that shares the parameters with ``module``, and has its own losses, with their state, and buffers.

    A loss may count its calls, for a ramp or for a report; asking the copy leaves the counts of the training alone.
    """
    if not any(True for _ in module.parameters()):
        return copy.deepcopy(module)
    twin = copy.copy(module)
    twin._modules = {name: None if part is None else stand_in(part) for name, part in module._modules.items()}
    twin._buffers = {name: None if value is None else value.clone() for name, value in module._buffers.items()}
    return twin


def best_constant_loss(head: Any, call: Call, enough: float = -math.inf) -> float | None:
    """The lowest loss of a constant prediction on the batch of a call.

    The constants of :func:`constants` are tried first. Then L-BFGS improves the better one of the first two, because a
    loss with weights or of overlaps has a best constant of its own. All see the same random numbers and the same state
    of the losses as the network.

    Args:
        head: Judges logits by ``loss_by_feat``, with the state before the call.
        call: The call.
        enough: A constant whose loss is at most this ends the search.

    Returns:
        The loss; None if no pixel is labelled, or no constant has a finite loss.
    """
    channels = call.shape[1]
    pixels = class_pixels(call.samples, max(channels, 2), getattr(head, 'ignore_index', None))
    if not pixels.sum():
        return None
    tried: list[float] = []

    def loss_of(logits: Tensor) -> Tensor:
        set_random_state(call.random_state)
        constant = logits.view(1, -1, 1, 1).expand(call.shape).contiguous()
        loss = total(stand_in(head).loss_by_feat(constant, call.samples))
        tried.append(float(loss.detach()))
        if tried[-1] <= enough:
            raise _Enough
        return loss

    with contextlib.suppress(_Enough):
        begin = constants(pixels, channels)
        with torch.no_grad():
            for logits in begin:
                loss_of(logits)
        _descend(min(zip(tried[:2], begin), key=lambda pair: pair[0])[1], loss_of)
    finite = [loss for loss in tried if math.isfinite(loss)]
    return min(finite, default=None)


def _descend(logits: Tensor, loss_of: Callable[[Tensor], Tensor]) -> None:
    logits = logits.clone().requires_grad_()
    search = torch.optim.LBFGS([logits], max_iter=MOST_TRIALS, max_eval=MOST_TRIALS, line_search_fn='strong_wolfe')

    def closure() -> Tensor:
        loss = loss_of(logits)
        if loss.requires_grad:  # not backward(), which would reach parameters of the head
            (logits.grad,) = torch.autograd.grad(loss, [logits], allow_unused=True, materialize_grads=True)
        return loss

    search.step(closure)


def class_pixels(samples: list, classes: int, void: int | None) -> Tensor:
    """The number of pixels of each class in a batch, float64 (classes,); labels that are no class are left out."""
    counts = []
    for sample in samples:
        labels = sample.gt_sem_seg.data.flatten()
        labels = labels[(labels >= 0) & (labels < classes) & (labels != (-1 if void is None else void))]
        counts.append(torch.bincount(labels.long(), minlength=classes))
    return torch.stack(counts).sum(0).double()


def constants(pixels: Tensor, channels: int) -> list[Tensor]:
    """Logits (K,) of the first constants to try: the best ones of common losses.

    They are: the share f of each class, ``log f``, the best constant of the cross entropy; equal logits, the best one
    where weights balance the classes; and certainty of each of the most frequent classes, for losses that are linear
    in the probabilities.

    Args:
        pixels: Pixels of each class (classes,), at least one in all.
        channels: K; 1 is a sigmoid map of class 1 against class 0.
    """
    share = (pixels / pixels.sum()).clamp(LEAST_SHARE, 1 - LEAST_SHARE).float()
    if channels == 1:
        return [(share[1:] / share[:1]).log(), *torch.tensor([[0.0], [-SURE], [SURE]], device=pixels.device)]
    frequent = pixels.argsort(descending=True)[: min(MOST_CLASSES, int((pixels > 0).sum()))]
    sure = 2 * SURE * torch.nn.functional.one_hot(frequent, channels) - SURE
    return [share.log(), torch.zeros_like(share), *sure]


def random_state() -> tuple:
    """The state of Python's, NumPy's and torch's generators."""
    cuda = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None
    return random.getstate(), np.random.get_state(), torch.get_rng_state(), cuda


def set_random_state(state: tuple) -> None:
    """Restore a :func:`random_state`."""
    random.setstate(state[0])
    np.random.set_state(state[1])
    torch.set_rng_state(state[2])
    if state[3] is not None:
        torch.cuda.set_rng_state(state[3])


def total(losses: Mapping[str, Any]) -> Tensor:
    """The sum of all losses of a head, as mmengine sums them: what is called ``…loss…``, each by its mean."""
    parts = [value for name, value in losses.items() if 'loss' in name]
    tensors = [value for part in parts for value in ([part] if isinstance(part, Tensor) else part)]
    return torch.stack([value.float().mean() for value in tensors]).sum()
