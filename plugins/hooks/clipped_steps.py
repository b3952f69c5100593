"""How many steps gradient clipping changed."""

import math

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor

from plugins.hooks.replaced_methods import ReplacedMethods


@HOOKS.register_module()
class ClippedStepsHook(Hook):
    """Counts the steps whose gradient was longer than ``optim_wrapper.clip_grad`` allows.

    With ``optim_wrapper = dict(clip_grad=dict(max_norm=m))`` mmengine scales all gradients g by ``min(1, m / ‖g‖)``;
    if ``‖g‖`` never exceeds m, clipping has done nothing.

    Pascanu et al., On the difficulty of training recurrent neural networks, ICML 2013.

    Attributes:
        acted: Steps that were clipped. A gradient that overflowed (mixed precision leaves the step out) does not count.
            None where nothing trains.

    Raises:
        ValueError: When training begins, if gradients are not clipped by their norm.
    """

    def __init__(self) -> None:
        self.acted: int | None = None
        self._methods = ReplacedMethods()

    def before_train(self, runner: Runner) -> None:
        """Watch the norms that clipping measures."""
        self.acted = self.acted or 0
        wrapper = runner.optim_wrapper
        limit = (getattr(wrapper, 'clip_grad_kwargs', None) or {}).get('max_norm')
        if limit is None:
            raise ValueError(
                'ClippedStepsHook counts steps clipped by optim_wrapper.clip_grad=dict(max_norm=…), which '
                'the config does not set'
            )
        clip = wrapper.clip_func

        def counted(parameters: list[Tensor], **settings) -> Tensor:
            norm = clip(parameters, **settings)
            self.acted += limit < float(norm) < math.inf
            return norm

        self._methods.restore()
        self._methods.replace(wrapper, 'clip_func', counted)

    def after_train(self, runner: Runner) -> None:
        """Leave the optimizer's wrapper as it was."""
        self._methods.restore()
