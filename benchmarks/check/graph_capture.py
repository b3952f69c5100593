"""A training forward and backward pass, eager and captured as graphs."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

# Dynamo and AOT autograd do all that the real compiler does before it generates code, in seconds.
CHEAP_BACKEND = 'aot_eager'
REAL_BACKEND = 'inductor'


@dataclass(frozen=True)
class PassResult:
    """What a pass gives: the loss, and the sum of all gradients' absolute values."""

    loss: float
    gradients: float


@dataclass(frozen=True)
class Capture:
    """The same pass, eager and captured, and why graphs broke (reason → how often)."""

    eager: PassResult
    captured: PassResult
    breaks: dict[str, int]


def capture(network: nn.Module, batch: dict, seed: int, backend: str = CHEAP_BACKEND) -> Capture:
    """Pass ``batch`` through ``network``, eager and captured.

    Args:
        network: An mmseg segmentor; it stays as it is.
        batch: What its data preprocessor gives for training.
        seed: Of both passes.
        backend: Of ``torch.compile``.
    """
    counters = torch._dynamo.utils.counters
    eager = _pass(copy.deepcopy(network), batch, seed, lambda loss: loss)
    torch._dynamo.reset()
    counters.clear()
    captured = _pass(copy.deepcopy(network), batch, seed, lambda loss: torch.compile(loss, backend=backend))
    breaks = {reason.partition('\n')[0]: count for reason, count in counters['graph_break'].items()}
    return Capture(eager, captured, breaks)


def _pass(network: nn.Module, batch: dict, seed: int, compiled: Callable) -> PassResult:
    network.train().zero_grad()
    torch.manual_seed(seed)
    loss, _ = network.parse_losses(
        compiled(network.loss)(copy.deepcopy(batch['inputs']), copy.deepcopy(batch['data_samples']))
    )
    loss.backward()
    gradients = sum(float(p.grad.abs().sum()) for p in network.parameters() if p.grad is not None)
    return PassResult(float(loss.detach()), gradients)
