"""Measures during a training which parameters get a gradient and move, and the time and memory of a step."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmseg.registry import HOOKS
from torch import Tensor
from torch.autograd.profiler import profile

from benchmarks.errors import some_of
from benchmarks.stages.outcome import Diverged

NAME = 'GradientProbe'
NAMES_SHOWN = 4


def with_gradient_probe(config: dict, path: Path) -> dict:
    """``config`` with a hook that writes its measurements to ``path`` and does not change the training."""
    hooks = [*(config.get('custom_hooks') or []), dict(type=NAME, path=str(path))]
    return {**config, 'custom_hooks': hooks}


def clock_of(device: str) -> Callable[[], float]:
    """A clock in seconds: on a CPU the process's own computing time, which other processes do not change."""
    if device == 'cpu':
        return time.process_time

    def clock() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return clock


class AllocationPeak:
    """Measure how much more memory CPU tensors hold at most within a block than before it.

    The allocator's own events are counted, so the figure is exact and repeats. Memory that libraries allocate for
    themselves is not counted.

    Attributes:
        mib (float): Available after the block.
    """

    def __enter__(self) -> 'AllocationPeak':
        self._profile = profile(profile_memory=True, use_kineto=True)
        self._profile.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._profile.__exit__(*exception)
        results = self._profile.kineto_results
        assert results is not None, 'the profiler has run'
        events: list[Any] = [event for event in results.events() if event.name() == '[memory]']
        now = peak = 0
        for event in sorted(events, key=lambda event: event.start_ns()):
            now += event.nbytes()
            peak = max(peak, now)
        self.mib = peak / 2**20


@HOOKS.register_module(name=NAME)
class GradientProbe(Hook):
    """Writes which parameters got a gradient, which moved, and the time and memory of a step.

    Args:
        path: The file to write, which ``torch.load`` reads: ``gradient`` (name → whether it was ever other than zero),
            ``moved`` (names), ``step_ms`` (fastest step), ``step_mib`` (peak of the last step on
            the CPU, None elsewhere).
    """

    priority = 'LOWEST'

    def __init__(self, path: str) -> None:
        self.path = path
        self.gradient: dict[str, bool] = {}
        self.not_finite: set[str] = set()
        self.steps_ms: list[float] = []
        self.peak: AllocationPeak | None = None

    def before_train(self, runner) -> None:
        """Watch every parameter that is trained."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self.parameters = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        self.device = next(model.parameters()).device.type
        self.clock = clock_of(self.device)
        self.start = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}
        for name, parameter in self.parameters.items():
            self.gradient[name] = False
            parameter.register_post_accumulate_grad_hook(lambda p, name=name: self._see(name, p.grad))

    def _see(self, name: str, gradient: Tensor) -> None:
        values = gradient.coalesce().values() if gradient.is_sparse else gradient
        if not torch.isfinite(values).all():
            self.not_finite.add(name)
        self.gradient[name] |= bool((values != 0).any())

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        """Start to measure."""
        if runner.iter + 1 == runner.max_iters and self.device == 'cpu':
            self.peak = AllocationPeak().__enter__()
        self.began = self.clock()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Keep the measurements; the step whose memory is measured is slower, and its time does not count.

        Raises:
            Diverged: A gradient was not finite, and no loss scaler is in use, which may produce such gradients.
        """
        if self.peak is None:
            self.steps_ms.append((self.clock() - self.began) * 1000)
        else:
            self.peak.__exit__(None, None, None)
        scaled = getattr(getattr(runner.optim_wrapper, 'loss_scaler', None), 'is_enabled', lambda: False)()
        if self.not_finite and not scaled:
            culprits = some_of(sorted(self.not_finite), NAMES_SHOWN)
            raise Diverged(f'the gradient is not finite in step {runner.iter + 1} at {culprits}')

    def after_train(self, runner) -> None:
        """Write the measurements."""
        moved = [
            name for name, parameter in self.parameters.items() if not torch.equal(parameter.detach(), self.start[name])
        ]
        torch.save(
            dict(
                gradient=self.gradient,
                moved=moved,
                step_ms=min(self.steps_ms, default=None),
                step_mib=self.peak.mib if self.peak else None,
            ),
            Path(self.path),
        )
