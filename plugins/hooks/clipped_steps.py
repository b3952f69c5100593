"""Count the steps that gradient clipping changed."""

import math

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor

from plugins.hooks.replaced_methods import ReplacedMethods


@HOOKS.register_module()
class ClippedStepsHook(Hook):
    """Count the steps whose gradient norm exceeded the limit of ``optim_wrapper.clip_grad``.

    With ``optim_wrapper = dict(clip_grad=dict(max_norm=m))`` mmengine scales all gradients g by ``min(1, m / ‖g‖)``.
    If ``‖g‖`` never exceeds m, clipping has no effect.

    Pascanu et al., On the difficulty of training recurrent neural networks, ICML 2013.

    Attributes:
        acted: The number of clipped steps; None if nothing was trained. Steps whose gradient overflowed do not count,
            because mixed precision skips them.

    Raises:
        ValueError: The config does not clip gradients by their norm. Raised when training begins.
    """

    def __init__(self) -> None:
        self.acted: int | None = None
        self._methods = ReplacedMethods()

    def before_train(self, runner: Runner) -> None:
        """Compare with the limit each norm that clipping measures."""
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
        """Restore the optimizer wrapper."""
        self._methods.restore()
