"""A training forward and backward pass, eager and captured as graphs."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

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

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> 'Capture':
        """The capture of which ``dataclasses.asdict`` gave these fields."""
        return cls(PassResult(**fields['eager']), PassResult(**fields['captured']), dict(fields['breaks']))


def capture(network: BaseSegmentor, batch: dict, seed: int, backend: str = CHEAP_BACKEND) -> Capture:
    """Pass ``batch`` through ``network``, eager and captured.

    Args:
        network: An mmseg segmentor; it is not changed.
        batch: A training batch from its data preprocessor.
        seed: The seed of both passes.
        backend: The backend of ``torch.compile``.
    """
    counters = torch._dynamo.utils.counters
    eager = _pass(copy.deepcopy(network), batch, seed, lambda loss: loss)
    torch._dynamo.reset()
    counters.clear()
    captured = _pass(copy.deepcopy(network), batch, seed, lambda loss: torch.compile(loss, backend=backend))
    breaks = {reason.partition('\n')[0]: count for reason, count in counters['graph_break'].items()}
    return Capture(eager, captured, breaks)


def _pass(network: BaseSegmentor, batch: dict, seed: int, compiled: Callable) -> PassResult:
    network.train().zero_grad()
    torch.manual_seed(seed)
    loss, _ = network.parse_losses(
        compiled(network.loss)(copy.deepcopy(batch['inputs']), copy.deepcopy(batch['data_samples']))
    )
    loss.backward()
    gradients = sum(float(p.grad.abs().sum()) for p in network.parameters() if p.grad is not None)
    return PassResult(float(loss.detach()), gradients)
