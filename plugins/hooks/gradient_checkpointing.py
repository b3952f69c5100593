"""Gradient checkpointing: activations inside blocks are recomputed in the backward pass instead of being kept."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import nn
from torch.utils.checkpoint import checkpoint

from plugins.hooks.replaced_methods import ReplacedMethods
from plugins.hooks.segmentor_parts import segmentors


def blocks(module: nn.Module) -> list[nn.Module]:
    """The blocks of a network: the outermost modules, below plain containers, that hold submodules and parameters.

    Examples are a residual block, an encoder stage of a U-Net, a transformer layer, and a stem of several layers. A
    single layer is no block, because it keeps little beyond its input in any case.
    """
    found = []
    for child in module.children():
        is_list = isinstance(child, (nn.ModuleList, nn.ModuleDict))
        inner = blocks(child) if is_list or type(child).forward is nn.Sequential.forward else []
        can_be_one = not is_list and any(True for _ in child.children()) and any(True for _ in child.parameters())
        found += inner or ([child] if can_be_one else [])
    return found


@contextmanager
def frozen_statistics(module: nn.Module) -> Iterator[None]:
    """Normalise by the statistics of the batch, as in training, without changing the running statistics."""
    # Momentum 0 rather than track_running_stats=False: the recomputation must save as many tensors as the first pass.
    tracking = [layer for layer in module.modules() if getattr(layer, 'track_running_stats', False) and layer.training]
    before = [(layer.momentum, layer.num_batches_tracked) for layer in tracking]
    try:
        for layer in tracking:
            layer.momentum, layer.num_batches_tracked = 0.0, None  # type: ignore[assignment]
        yield
    finally:
        for layer, (momentum, count) in zip(tracking, before):
            layer.momentum, layer.num_batches_tracked = momentum, count


@HOOKS.register_module()
class GradientCheckpointingHook(Hook):
    """Keep only the inputs of blocks in training, and recompute the activations inside them in the backward pass.

    Losses, gradients and running statistics are the same as without the hook: dropout draws the same numbers again,
    autocast has the same state, and batch norm counts a batch once. (With mmengine's ``activation_checkpointing``,
    batch norm counts each batch twice.)

    Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016.

    Args:
        modules: Dotted names of submodules of the model, each of them a block. None takes the blocks of the backbone;
            see :func:`blocks`.

    Attributes:
        acted: The number of recomputed blocks; None if nothing was trained.

    Raises:
        ValueError: A name is no submodule, or the backbone has no blocks. Raised when training begins.
    """

    def __init__(self, modules: Sequence[str] | None = None) -> None:
        self.modules = modules
        self.acted: int | None = None
        self._methods = ReplacedMethods()

    def before_train(self, runner: Runner) -> None:
        """Replace the forward passes of the blocks by ones that keep only their inputs."""
        self.acted = self.acted or 0
        self._methods.restore()
        for segmentor in segmentors(runner.model):
            for block in self._chosen(segmentor):
                self._methods.replace(block, 'forward', self._forgetful(block))

    def after_train(self, runner: Runner) -> None:
        """Restore the forward passes of the blocks."""
        self._methods.restore()

    def _chosen(self, segmentor: nn.Module) -> list[nn.Module]:
        if self.modules is None:
            found = blocks(segmentor.backbone) if hasattr(segmentor, 'backbone') else []  # type: ignore[arg-type]
            if not found:
                raise ValueError(
                    f'{type(segmentor).__name__} has no backbone with blocks to checkpoint; name the '
                    'submodules in modules=[…]'
                )
            return found
        known = dict(segmentor.named_modules())
        unknown = [name for name in self.modules if name not in known]
        if unknown:
            raise ValueError(
                f"modules: the model has no submodule '{unknown[0]}' (its parts are: "
                f'{", ".join(name for name, _ in segmentor.named_children())})'
            )
        return [known[name] for name in self.modules]

    def _forgetful(self, block: nn.Module) -> Callable:
        forward = block.forward

        # torch.compile would trace the recomputation without frozen statistics.
        @torch.compiler.disable
        def forgetful(*args, **kwargs):
            if not (block.training and torch.is_grad_enabled()):
                return forward(*args, **kwargs)
            runs = 0

            def run(*args, **kwargs):
                nonlocal runs
                runs += 1
                if runs == 1:
                    return forward(*args, **kwargs)
                self.acted += 1
                with frozen_statistics(block):
                    return forward(*args, **kwargs)

            return checkpoint(run, *args, use_reentrant=False, **kwargs)

        return forgetful
