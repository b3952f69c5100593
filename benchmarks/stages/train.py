"""Stage ``train``: one training run; keeps the weights of the last checkpoint, or of the last several ones."""

import math
import shutil
import time
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import barrier, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from benchmarks.probes.loss_course import loss_spikes, mean_by_tenth
from benchmarks.probes.memory import CudaPeak, HostPeak, device_memory_mib
from benchmarks.stacks.processes import processes_of, share_of
from benchmarks.stacks.several_networks import checkpoints_kept
from benchmarks.stages.best_constant import BestConstant
from benchmarks.stages.checkpoints import KeepWeightsAlone, read_checkpoint
from benchmarks.stages.chosen import with_chosen
from benchmarks.stages.effect_counts import effect_counts
from benchmarks.stages.gradient_norms import GradientNorms
from benchmarks.stages.outcome import Diverged
from benchmarks.stages.parents import CHECKPOINT, earlier_checkpoint
from benchmarks.stages.progress import Progress
from benchmarks.stages.runner import build_runner
from benchmarks.stages.several_processes import in_processes, mean_over_processes
from benchmarks.stages.vis_data import keep_vis_data

# Reading the loss waits for the GPU to finish the step, so it is read every few steps only.
STEPS_BETWEEN_READS = {'cpu': 1, 'cuda': 10}


class _Watch(Hook):
    """Reports progress, stops at a loss that is not finite, and samples memory before mmengine resets its peak."""

    priority = 'HIGH'

    def __init__(self, progress: Progress | None, cuda: CudaPeak, device_type: str) -> None:
        self.progress, self.cuda = progress, cuda
        self.every = STEPS_BETWEEN_READS[device_type]
        self.unread: list[torch.Tensor] = []
        self.losses = array('d')  # of every step that was read
        self.rates = array('d')  # of every step

    @property
    def last_losses(self) -> list[float]:
        """The losses of the last ten steps that were read."""
        return self.losses[-10:].tolist()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Note the step's loss.

        Raises:
            Diverged: A loss was NaN or infinite.
        """
        assert outputs is not None  # mmengine's training loops always pass the step's losses
        self.unread.append(outputs['loss'].detach())
        self.rates.append(_learning_rate(runner))  # schedulers change it after this hook
        self.cuda.sample()
        if len(self.unread) == self.every or runner.iter + 1 == runner.max_iters:
            self._read(runner.iter + 1)
        if self.progress is not None:
            self.progress.advance(self.losses[-1] if self.losses else None)

    def _read(self, step: int) -> None:
        losses = [float(loss) for loss in mean_over_processes(self.unread)]
        self.unread = []
        for loss in losses:
            if not math.isfinite(loss):
                raise Diverged(f'the loss became {loss} at or shortly before step {step}')
        self.losses.extend(losses)


def run(config: dict, folder: Path, parents: dict[str, Path], device: str) -> dict:
    """Train, and leave ``checkpoint.pth`` in ``folder``, and ``vis_data/`` where the config has backends for it.

    Args:
        config: The resolved config.
        folder: The stage's working folder.
        parents: With ``choose`` the values that it has chosen take the place of the config's. A student's pseudo-labels
            are named in its config.
        device: ``cpu`` or ``cuda``.

    Returns:
        The record's ``train`` facts, and ``acted`` (:mod:`benchmarks.stages.effect_counts`).

    Raises:
        Diverged: The loss became NaN or infinite.
        Classified: One of several processes that train together failed.
    """
    config = with_chosen(config, parents)
    count = processes_of(config)
    if count == 1:
        return _train(config, folder, device)
    return in_processes(lambda: _train(share_of(config, device), folder, device), count, device)


def _train(config: dict, folder: Path, device: str) -> dict:
    """Train in this process. Of several that train together the first one keeps the results; its facts are its own."""
    with HostPeak() as host, CudaPeak(device) as cuda:
        runner = build_runner(config, folder / 'run')
        steps = _iterations(runner)
        watch = _Watch(Progress(folder, steps) if is_main_process() else None, cuda, device.partition(':')[0])
        best_constant, norms = BestConstant(), GradientNorms()
        for hook in (watch, best_constant, norms, KeepWeightsAlone()):
            runner.register_hook(hook)
        start = time.perf_counter()
        try:
            runner.train()
            seconds = time.perf_counter() - start
        finally:
            if is_main_process():
                keep_vis_data(runner, config, folder)
    barrier()  # nobody writes any more into the folder that goes
    if not is_main_process():
        return {}
    _keep_checkpoints(folder, checkpoints_kept(config))
    on_gpu = cuda.allocated_mib is not None
    losses = np.asarray(watch.losses)
    return dict(
        seconds=seconds,
        peak_mib=cuda.allocated_mib if on_gpu else host.added_mib,
        peak_reserved_mib=cuda.reserved_mib,
        host_peak_mib=host.peak_mib,
        iterations=runner.iter,
        final_loss=sum(watch.last_losses) / max(len(watch.last_losses), 1),
        threads=torch.get_num_threads(),
        best_constant=best_constant.fact,
        loss_by_tenth=mean_by_tenth(losses),
        lr_by_tenth=mean_by_tenth(np.asarray(watch.rates)),
        loss_spikes=loss_spikes(losses),
        grad_norm=norms.fact,
        device_memory_mib=device_memory_mib(device),
        acted=effect_counts(runner),
    )


def _learning_rate(runner: Runner) -> float:
    """The learning rate of the first group of parameters; of several optimizers that of the first."""
    groups = runner.optim_wrapper.get_lr()
    return float(groups.get('lr', next(iter(groups.values())))[0])


def _iterations(runner: Runner) -> int:
    """The number of steps of the training; a loop over epochs knows it once its loader is built."""
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    return runner.max_iters


def _keep_checkpoints(folder: Path, count: int) -> None:
    """Move the last ``count`` checkpoints into ``folder``, the very last one as ``checkpoint.pth``.

    Raises:
        RuntimeError: The training has left fewer checkpoints.
        UnsafeCheckpoint: The model's state dict holds something else than tensors and plain values.
    """
    last = Path((folder / 'run' / 'last_checkpoint').read_text().strip())
    before = sorted(
        (path for path in last.parent.glob('*.pth') if path != last and not path.stem.startswith('best')),
        key=lambda path: path.stat().st_mtime_ns,
    )
    kept = [last, *before[::-1]][:count]
    if len(kept) < count:
        raise RuntimeError(
            f'the training has left {len(kept)} checkpoints, but {count} are wanted; set interval '
            'and max_keep_ckpts in default_hooks.checkpoint'
        )
    for number, path in enumerate(kept, 1):
        place = folder / (CHECKPOINT if number == 1 else earlier_checkpoint(number))
        path.replace(place)
        read_checkpoint(place)  # a state dict with unknown types shall fail here, not in each stage that reads it
    shutil.rmtree(folder / 'run')
