"""Less memory for more time: activations inside blocks are computed again for the backward pass, not kept."""

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
    """The blocks of a network: the first modules below plain containers that hold modules and parameters of their own.

    A residual block, an encoder stage of a U-Net, a transformer layer, a stem of single layers in a row; not a layer on
    its own, of which little but its input is kept anyway.
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
    """Layers normalise by the batch as in training, but their running statistics stay, and count no batch."""
    # They are updated by a share of zero, not switched off: recomputing must save as many tensors as the original.
    tracking = [layer for layer in module.modules() if getattr(layer, 'track_running_stats', False) and layer.training]
    before = [(layer.momentum, layer.num_batches_tracked) for layer in tracking]
    try:
        for layer in tracking:
            layer.momentum, layer.num_batches_tracked = 0.0, None
        yield
    finally:
        for layer, (momentum, count) in zip(tracking, before):
            layer.momentum, layer.num_batches_tracked = momentum, count


@HOOKS.register_module()
class GradientCheckpointingHook(Hook):
    """Keep only the inputs of blocks in training, and compute what is inside again when backward needs it.

    Losses, gradients and running statistics are those of training without it: dropout draws the same numbers again,
    autocast is as it was, and batch norm counts a batch once (with mmengine's
    ``activation_checkpointing`` twice).

    Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016.

    Args:
        modules: Dotted names of submodules of the model, each of which is a block; None: those of its backbone, see
            :func:`blocks`.

    Attributes:
        acted: Blocks computed again; None where nothing trains.

    Raises:
        ValueError: When training begins, if a name is no submodule, or the backbone has no blocks.
    """

    def __init__(self, modules: Sequence[str] | None = None) -> None:
        self.modules = modules
        self.acted: int | None = None
        self._methods = ReplacedMethods()

    def before_train(self, runner: Runner) -> None:
        """Let the blocks forget."""
        self.acted = self.acted or 0
        self._methods.restore()
        for segmentor in segmentors(runner.model):
            for block in self._chosen(segmentor):
                self._methods.replace(block, 'forward', self._forgetful(block))

    def after_train(self, runner: Runner) -> None:
        """Leave the blocks as they were."""
        self._methods.restore()

    def _chosen(self, segmentor: nn.Module) -> list[nn.Module]:
        if self.modules is None:
            found = blocks(segmentor.backbone) if hasattr(segmentor, 'backbone') else []
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

        # A compiler would trace the recomputation without its frozen statistics.
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
