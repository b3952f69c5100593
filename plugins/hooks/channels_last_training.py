"""Training in channels_last memory format."""

# N images, C channels, H×W pixels
from collections.abc import Callable, Iterable

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor, nn

from plugins.hooks.replaced_methods import ReplacedMethods
from plugins.hooks.segmentor_parts import segmentors

SAVED = ('state_dict', 'ema_state_dict')


@HOOKS.register_module()
class ChannelsLastTrainingHook(Hook):
    """Keep the channels of a pixel side by side in memory, in weights of convolutions and in images, while training.

    The mathematics stays, its rounding does not; nor does a mask of element-wise dropout, which torch draws in the
    order of memory (that of whole channels stays). It pays with mixed precision on a GPU, whose half-precision
    convolutions work in this format, and with oneDNN on a CPU. Images and weights of a validation within the training
    have the format, too; a test has not. Checkpoints hold tensors of the usual format.

    Under DistributedDataParallel, which has laid out its gradients by then, torch warns of other strides: the result
    is the same, with a copy more for each step.

    Li et al., Optimizing Memory Efficiency for Deep Convolutional Neural Networks on GPUs, SC 2016.

    Attributes:
        acted: Training batches that reached the network in channels_last, 0 if it has no convolution to profit;
            None where nothing trains.
    """

    priority = 'VERY_LOW'  # has the last word on what other hooks put into a checkpoint

    def __init__(self) -> None:
        self.acted: int | None = None
        self._methods = ReplacedMethods()

    def before_train(self, runner: Runner) -> None:
        """Lay out the weights, what a resumed optimizer knows of them, and the images to come."""
        self.acted = self.acted or 0
        self._methods.restore()
        for segmentor in segmentors(runner.model):
            segmentor.to(memory_format=torch.channels_last)
            preprocessor = segmentor.data_preprocessor
            self._methods.replace(preprocessor, 'forward', self._laid_out(preprocessor.forward, _has_format(segmentor)))
        _lay_out_state(runner.optim_wrapper.optimizer.state.values())

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Save tensors of the usual format."""
        for weights in (checkpoint[name] for name in SAVED if name in checkpoint):
            weights.update({name: value.contiguous() for name, value in weights.items() if isinstance(value, Tensor)})

    def after_train(self, runner: Runner) -> None:
        """Leave the segmentors as they were."""
        self._methods.restore()
        for segmentor in segmentors(runner.model):
            segmentor.to(memory_format=torch.contiguous_format)

    def _laid_out(self, forward: Callable, counts: bool) -> Callable:
        def laid_out(data: dict, training: bool = False) -> dict:
            data = forward(data, training)
            self.acted += training and counts
            return {**data, 'inputs': data['inputs'].contiguous(memory_format=torch.channels_last)}

        return laid_out


def _has_format(network: nn.Module) -> bool:
    """Whether any weight is in channels_last and not in the usual format at once, as those of 1×1 kernels are."""
    return any(weight.ndim == 4 and not weight.is_contiguous() for weight in network.parameters())


def _lay_out_state(states: Iterable[dict]) -> None:
    """Give an optimizer's moments the format of their weights; fused optimizers insist on it."""
    for state in states:
        for name, value in state.items():
            if isinstance(value, Tensor) and value.ndim == 4:
                state[name] = value.contiguous(memory_format=torch.channels_last)
