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
    """Train with images and convolution weights in channels_last format: the channels of a pixel lie side by side.

    The mathematics is the same; roundings differ. The masks of element-wise dropout differ too, because torch draws
    them in the order of memory; the masks of whole channels are the same. The format pays with mixed precision on a
    GPU, whose half-precision convolutions use it, and with oneDNN on a CPU. A validation within the training uses the
    format as well; a test does not. Checkpoints hold tensors in the usual format.

    DistributedDataParallel has allocated its gradients before this hook runs. torch then warns that strides differ. The
    result is the same, but each step copies the gradients once more.

    Li et al., Optimizing Memory Efficiency for Deep Convolutional Neural Networks on GPUs, SC 2016.

    Attributes:
        acted: The number of training batches that reached the network in channels_last; 0 if no convolution of the
            network profits; None if nothing was trained.
    """

    priority = 'VERY_LOW'  # runs after the hooks that add weights to a checkpoint

    def __init__(self) -> None:
        self.acted: int | None = None
        self._methods = ReplacedMethods()

    def before_train(self, runner: Runner) -> None:
        """Convert the weights and the state of a resumed optimizer, and convert each batch of images from now on."""
        self.acted = self.acted or 0
        self._methods.restore()
        for segmentor in segmentors(runner.model):
            segmentor.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            preprocessor = segmentor.data_preprocessor
            self._methods.replace(preprocessor, 'forward', self._laid_out(preprocessor.forward, _has_format(segmentor)))  # type: ignore[union-attr]
        _lay_out_state(runner.optim_wrapper.optimizer.state.values())

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Convert the weights of the checkpoint to the usual format."""
        for weights in (checkpoint[name] for name in SAVED if name in checkpoint):
            weights.update({name: value.contiguous() for name, value in weights.items() if isinstance(value, Tensor)})

    def after_train(self, runner: Runner) -> None:
        """Convert the weights back to the usual format."""
        self._methods.restore()
        for segmentor in segmentors(runner.model):
            segmentor.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]

    def _laid_out(self, forward: Callable, counts: bool) -> Callable:
        def laid_out(data: dict, training: bool = False) -> dict:
            data = forward(data, training)
            self.acted += training and counts  # type: ignore[operator]
            return {**data, 'inputs': data['inputs'].contiguous(memory_format=torch.channels_last)}

        return laid_out


def _has_format(network: nn.Module) -> bool:
    """Whether a weight is in channels_last format only. The weights of 1×1 kernels are in both formats at once."""
    return any(weight.ndim == 4 and not weight.is_contiguous() for weight in network.parameters())


def _lay_out_state(states: Iterable[dict]) -> None:
    """Convert the moments of an optimizer to the format of their weights, which fused optimizers require."""
    for state in states:
        for name, value in state.items():
            if isinstance(value, Tensor) and value.ndim == 4:
                state[name] = value.contiguous(memory_format=torch.channels_last)
