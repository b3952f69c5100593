"""What happens to a model's parameters while it is trained, and what a step takes."""

import time
from collections.abc import Callable, Collection
from pathlib import Path

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmseg.registry import HOOKS
from torch import Tensor
from torch.autograd.profiler import profile

from benchmarks.stages.outcome import Diverged

NAME = 'GradientProbe'
NAMES_SHOWN = 4


def shown(names: Collection[str]) -> str:
    """The first few of many names."""
    more = f' and {len(names) - NAMES_SHOWN} more' if len(names) > NAMES_SHOWN else ''
    return ', '.join(sorted(names)[:NAMES_SHOWN]) + more


def with_gradient_probe(config: dict, notes: Path) -> dict:
    """``config`` with a hook that writes what it sees to ``notes``; training itself stays as it is."""
    hooks = [*(config.get('custom_hooks') or []), dict(type=NAME, notes=str(notes))]
    return {**config, 'custom_hooks': hooks}


def clock_of(device: str) -> Callable[[], float]:
    """Seconds that tell what a block takes: on a CPU those that it computed, however busy the machine is."""
    if device == 'cpu':
        return time.process_time

    def clock() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return clock


class AllocationPeak:
    """Measure the largest memory that tensors of the CPU hold at once within a block, over what they held before it.

    Counted from the allocator's own events, so that the figure is exact and the same each time; what libraries allocate
    for themselves is not in it.

    Attributes:
        mib (float): Available after the block.
    """

    def __enter__(self) -> 'AllocationPeak':
        self._profile = profile(profile_memory=True, use_kineto=True)
        self._profile.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._profile.__exit__(*exception)
        events = [event for event in self._profile.kineto_results.events() if event.name() == '[memory]']
        now = peak = 0
        for event in sorted(events, key=lambda event: event.start_ns()):
            now += event.nbytes()
            peak = max(peak, now)
        self.mib = peak / 2**20


@HOOKS.register_module(name=NAME)
class GradientProbe(Hook):
    """Writes which parameters got a gradient, which moved, and the time and memory of a step.

    Args:
        notes: The file to write, as ``torch.load`` reads it: ``gradient`` (name → whether it was ever other than zero),
            ``moved`` (names), ``step_ms`` (fastest step), ``step_mib`` (peak of the last step on
            the CPU, None elsewhere).
    """

    priority = 'LOWEST'

    def __init__(self, notes: str) -> None:
        self.notes = notes
        self.gradient: dict[str, bool] = {}
        self.not_finite: set[str] = set()
        self.steps_ms: list[float] = []
        self.peak: AllocationPeak | None = None

    def before_train(self, runner) -> None:
        """Watch every parameter that is to be trained."""
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
        """Keep what was measured; the step whose memory is measured is slower, and its time does not count.

        Raises:
            Diverged: A gradient was not finite, unless it is scaled as long as that happens.
        """
        if self.peak is None:
            self.steps_ms.append((self.clock() - self.began) * 1000)
        else:
            self.peak.__exit__(None, None, None)
        scaled = getattr(getattr(runner.optim_wrapper, 'loss_scaler', None), 'is_enabled', lambda: False)()
        if self.not_finite and not scaled:
            raise Diverged(f'the gradient is not finite in step {runner.iter + 1} at {shown(self.not_finite)}')

    def after_train(self, runner) -> None:
        """Write the notes."""
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
            Path(self.notes),
        )
