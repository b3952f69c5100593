"""A training forward and backward pass, eager and captured as graphs."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from mmseg.models import BaseSegmentor

# Dynamo and AOT autograd do in seconds everything that the real compiler does before it generates code.
CHEAP_BACKEND = 'aot_eager'
REAL_BACKEND = 'inductor'


@dataclass(frozen=True)
class PassResult:
    """The loss of a pass, and the sum of the absolute values of all gradients."""

    loss: float
    gradients: float


@dataclass(frozen=True)
class Capture:
    """The same pass, eager and captured, and how often a graph broke, by reason."""

    eager: PassResult
    captured: PassResult
    breaks: dict[str, int]


def capture(network: BaseSegmentor, batch: dict, seed: int, backend: str = CHEAP_BACKEND) -> Capture:
    """Pass ``batch`` through ``network``, eager and captured.

    Args:
        network: An mmseg segmentor; it is not changed.
        batch: A training batch from its data preprocessor.
        seed: The seed of both passes.
        backend: The backend of ``torch.compile``.
    """
    eager = _pass(copy.deepcopy(network), batch, seed, lambda loss: loss)
    with _counting_breaks() as breaks:
        captured = _pass(copy.deepcopy(network), batch, seed, lambda loss: torch.compile(loss, backend=backend))
    return Capture(eager, captured, breaks)


def graph_breaks(network: BaseSegmentor, batch: dict, seed: int) -> dict[str, int]:
    """How often a graph breaks in a training pass, by reason: a part of :func:`capture` in half its time.

    Args:
        network: An mmseg segmentor; it is not changed.
        batch: A training batch from its data preprocessor.
        seed: The seed of the pass.
    """
    network = copy.deepcopy(network).train()
    torch.manual_seed(seed)
    with _counting_breaks() as breaks:
        torch.compile(network.loss, backend='eager')(*copy.deepcopy((batch['inputs'], batch['data_samples'])))
    return breaks


@contextmanager
def _counting_breaks() -> Iterator[dict[str, int]]:
    """Yields the breaks of the block by reason; they are there when it has ended."""
    counters, breaks = torch._dynamo.utils.counters, dict[str, int]()
    torch._dynamo.reset()
    counters.clear()
    yield breaks
    breaks |= {reason.partition('\n')[0]: count for reason, count in counters['graph_break'].items()}


def _pass(network: BaseSegmentor, batch: dict, seed: int, compiled: Callable) -> PassResult:
    network.train().zero_grad()
    torch.manual_seed(seed)
    loss, _ = network.parse_losses(
        compiled(network.loss)(copy.deepcopy(batch['inputs']), copy.deepcopy(batch['data_samples']))
    )
    loss.backward()
    gradients = sum(float(p.grad.abs().sum()) for p in network.parameters() if p.grad is not None)
    return PassResult(float(loss.detach()), gradients)
