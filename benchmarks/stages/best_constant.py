"""The loss of the best constant prediction, beside the network's own loss in a few steps of a training.

A constant prediction gives every pixel of every image the same logits. A network whose loss is never lower has learned
nothing from the images. This holds for any loss: both numbers come from the ``loss_by_feat`` of the decode head that
predicts, on the same labels. Auxiliary heads are left out, because they predict nothing.

The training itself stays as it is, to the bit: a copy of the head's losses judges the constants, after the step.
"""
# N images, K channels of the logits, h×w their pixels

import copy
import math
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from benchmarks.analysis.best_constant import falls_below

MOST_STEPS = 20
MOST_CLASSES = 8  # of which a constant may be sure; with hundreds of classes the rare ones are no good constant
SURE = 10.0  # the logit of a class of which a constant is sure; that of the others is -SURE
LEAST_SHARE = 1e-6  # of a class that a batch lacks


class _Call(NamedTuple):
    """A call of the head's ``loss_by_feat`` in a training step.

    Args:
        loss: The head's loss.
        shape: Shape of the logits, (N, K, h, w).
        samples: The batch's data samples.
    """

    loss: Tensor
    shape: tuple[int, ...]
    samples: list


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
        self._calls: list[_Call | None] = []

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
        losses = type(self._head).loss_by_feat(self._head, *args, **kwargs)
        plain = len(args) == 2 and not kwargs and isinstance(args[0], Tensor) and args[0].dim() == 4
        self._calls.append(_Call(_total(losses).detach(), tuple(args[0].shape), args[1]) if plain else None)
        return losses

    def _compare(self, judge: Any, call: _Call) -> None:
        loss = float(call.loss)
        constant = best_constant_loss(judge, call.shape, call.samples, enough=loss)
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
    model = model.module if is_model_wrapper(model) else model
    head = getattr(model, 'decode_head', None)
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


def stand_in(module: nn.Module) -> nn.Module:
    """A copy that shares the parameters with ``module``, and has its own losses, with their state, and buffers.

    A loss may count its calls, for a ramp or for a report; asking the copy leaves the counts of the training alone.
    """
    if not any(True for _ in module.parameters()):
        return copy.deepcopy(module)
    twin = copy.copy(module)
    twin._modules = {name: None if part is None else stand_in(part) for name, part in module._modules.items()}
    twin._buffers = {name: None if value is None else value.clone() for name, value in module._buffers.items()}
    return twin


def best_constant_loss(head: Any, shape: tuple[int, ...], samples: list, enough: float = -math.inf) -> float | None:
    """The lowest loss of the constants of :func:`constants` on a batch.

    Args:
        head: Judges logits by ``loss_by_feat``.
        shape: Shape of the network's logits, (N, K, h, w).
        samples: The batch's data samples, with the true labels in ``gt_sem_seg``.
        enough: A constant whose loss is at most this ends the search.

    Returns:
        The loss; None if no pixel is labelled, or no constant has a finite loss.
    """
    lowest = math.inf
    with torch.no_grad(), random_state_kept():
        pixels = class_pixels(samples, max(shape[1], 2), getattr(head, 'ignore_index', None))
        for logits in constants(pixels, shape[1]):
            constant = logits.float().view(1, -1, 1, 1).expand(shape).contiguous()
            loss = float(_total(head.loss_by_feat(constant, samples)))
            if math.isfinite(loss):
                lowest = min(lowest, loss)
            if lowest <= enough:
                break
    return lowest if math.isfinite(lowest) else None


def class_pixels(samples: list, classes: int, void: int | None) -> Tensor:
    """The number of pixels of each class in a batch, float64 (classes,); labels that are no class are left out."""
    counts = []
    for sample in samples:
        labels = sample.gt_sem_seg.data.flatten()
        labels = labels[(labels >= 0) & (labels < classes) & (labels != (-1 if void is None else void))]
        counts.append(torch.bincount(labels.long(), minlength=classes))
    return torch.stack(counts).sum(0).double()


def constants(pixels: Tensor, channels: int) -> Iterator[Tensor]:
    """Logits (K,) of constant predictions, none if no pixel is labelled.

    The first is the best constant of the cross entropy: the share f of each class, ``log f``. Then ``log f / (1 - f)``,
    the best one of a binary cross entropy per class; equal logits, the best one if weights balance the classes; and
    certainty of each of the most frequent classes, the best one of losses such as mean absolute error. Other losses
    have another best constant, whose loss is lower: they are then judged too kindly, never too harshly.

    Args:
        pixels: Pixels of each class (classes,).
        channels: K; 1 is a sigmoid map of class 1 against class 0.
    """
    if not pixels.sum():
        return
    share = (pixels / pixels.sum()).clamp(LEAST_SHARE, 1 - LEAST_SHARE)
    odds = share.log() - (1 - share).log()
    if channels == 1:
        yield odds[1:2]
        yield from torch.tensor([[0.0], [-SURE], [SURE]], device=pixels.device)
        return
    yield share.log()
    yield odds
    yield torch.zeros_like(share)
    for index in pixels.argsort(descending=True)[: min(MOST_CLASSES, int((pixels > 0).sum()))]:
        sure = torch.full_like(share, -SURE)
        sure[index] = SURE
        yield sure


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Restore the random generators behind the block: the training goes on as without it."""
    python, of_numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[torch.cuda.current_device()] if torch.cuda.is_initialized() else []):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(of_numpy)


def _total(losses: Mapping[str, Any]) -> Tensor:
    """The sum of all losses of a head, as mmengine sums them: what is called ``…loss…``, each by its mean."""
    parts = [value for name, value in losses.items() if 'loss' in name]
    tensors = [value for part in parts for value in ([part] if isinstance(part, Tensor) else part)]
    return torch.stack([value.float().mean() for value in tensors]).sum()
