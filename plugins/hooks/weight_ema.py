"""An exponential moving average of the weights over the training."""

import torch
from mmengine.hooks import EMAHook
from mmengine.runner import BaseLoop, Runner
from mmengine.runner.checkpoint import weights_to_cpu
from mmseg.registry import HOOKS

from plugins.arguments import check_number, check_whole


@HOOKS.register_module()
class WeightEMAHook(EMAHook):
    """Keep an exponential moving average of the weights, and validate, test and save the average.

    After step t = 0, 1, … of the training, the average a follows the weights w: ``a = w`` for t = 0, then
    ``a += m_t (w - a)`` with ``m_t = max(momentum, warm_up / (warm_up + t))``. The average covers about the last
    ``1 / warm_up`` of the steps so far, and at most about ``1 / momentum`` steps. It therefore also works in short
    trainings.

    The running statistics of batch norm are averaged like the weights. (With mmengine's default they would belong to
    the last weights and not to the averaged weights.) The ``state_dict`` of a checkpoint holds the average, so that a
    test without this hook uses it. The ``ema_state_dict`` holds the last weights, from which a training resumes. The
    hook has no effect in a test run.

    Polyak & Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992; Tarvainen & Valpola, Mean teachers
    are better role models, NeurIPS 2017.

    Args:
        momentum: Share of the newest weights in the average, in (0, 1); ``1 - decay``.
        warm_up: The larger, the faster the average forgets the first steps; at least 1.
        begin_iter: Until this step, counted from 1, the average is a copy of the weights.

    Attributes:
        acted: The number of updates of the average in the last saved checkpoint; 0 if the average equals the last
            weights; None if nothing was trained.
    """

    def __init__(self, momentum: float = 0.001, warm_up: int = 9, begin_iter: int = 0) -> None:
        check_number('momentum', momentum, most=1, above=0)
        check_whole('warm_up', warm_up, least=1)
        check_whole('begin_iter', begin_iter, least=0)
        super().__init__(
            ema_type='MomentumAnnealingEMA',
            momentum=momentum,
            gamma=warm_up,
            begin_iter=begin_iter,
            update_buffers=True,
        )
        self.acted: int | None = None
        self.ema_model = None

    def before_run(self, runner: Runner) -> None:
        """Copy the model before a training; a test after the training uses the average."""
        if self.ema_model is None and isinstance(runner._train_loop, BaseLoop):
            super().before_run(runner)
            self.acted = 0

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Save the average as ``state_dict`` and the last weights as ``ema_state_dict``."""
        super().before_save_checkpoint(runner, checkpoint)
        # mmengine has moved the weights to the CPU, but not the average, which now takes their place.
        for name in ('state_dict', 'ema_state_dict'):
            checkpoint[name] = weights_to_cpu(checkpoint[name])
        last = checkpoint['ema_state_dict']
        differs = any(
            not torch.equal(average, last[f'module.{name}'])
            for name, average in checkpoint['state_dict'].items()
            if average.is_floating_point() and f'module.{name}' in last
        )
        self.acted = int(self.ema_model.steps) if differs else 0  # type: ignore[attr-defined]

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Resume the average; a test run uses the checkpoint unchanged."""
        if self.ema_model is not None:
            super().after_load_checkpoint(runner, checkpoint)

    def _swap_ema_parameters(self) -> None:
        if self.ema_model is not None:
            super()._swap_ema_parameters()
