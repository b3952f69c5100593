"""Measure the loss of each training image at the decode head, for the sampler of hard images."""

# N images, C classes, H×W pixels
from collections import defaultdict

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.dist import all_gather
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop
from mmseg.registry import HOOKS
from torch import Tensor, nn

from plugins.losses.inputs import labelled_pixels
from plugins.mining.hard_image_sampler import HardImageSampler

IN_CHECKPOINT = 'hard_image_losses'


@torch.no_grad()
def image_losses(logits: Tensor, target: Tensor, ignore_index: int | None = 255) -> Tensor:
    """The mean cross entropy over the valid pixels of each image.

    Args:
        logits: (N, C, H, W). C = 1 is a sigmoid map of class 1 against class 0.
        target: Integer labels (N, H, W).
        ignore_index: Label of void pixels.

    Returns:
        Losses (N,); NaN for an image without a valid pixel.
    """
    pixels = labelled_pixels(logits, target, ignore_index)
    losses = F.cross_entropy(pixels.logits, pixels.labels, reduction='none') * pixels.weight
    return losses.sum((1, 2)) / pixels.weight.sum((1, 2))


def image_paths(dataset) -> list[str]:
    """The path of each image of a data set, or of the data set of equal length that it wraps.

    Raises:
        ValueError: No ``get_data_info`` gives the ``img_path`` of each index.
    """
    inner = dataset
    while inner is not None and len(inner) == len(dataset):
        try:
            return [inner.get_data_info(index)['img_path'] for index in range(len(dataset))]
        except (AttributeError, NotImplementedError):  # for example MultiImageMixDataset
            inner = getattr(inner, 'dataset', None)
    raise ValueError(
        f'{type(dataset).__name__} does not say which image an index is (get_data_info), so losses '
        'cannot be kept by image; mine images of a data set of mmsegmentation, or of a wrapper of one'
    )


def _hard_image_sampler(loop) -> HardImageSampler:
    sampler = loop.dataloader.sampler
    if not isinstance(sampler, HardImageSampler):
        raise ValueError(
            f'HardImageMiningHook feeds a HardImageSampler, but the train loader draws with '
            f"{type(sampler).__name__}: set train_dataloader.sampler=dict(type='HardImageSampler')"
        )
    if sampler.infinite and isinstance(loop, EpochBasedTrainLoop):
        raise ValueError(
            'HardImageSampler draws without end, and EpochBasedTrainLoop waits for an end: '
            'set infinite=False in train_dataloader.sampler'
        )
    return sampler


def _decode_loss(model: nn.Module) -> tuple[int | None, nn.Module]:
    """The ignore index of the last decode head of a segmentor, and the first loss module of this head."""
    model = model.module if is_model_wrapper(model) else model  # type: ignore[assignment]
    head = getattr(model, 'decode_head', None)
    head = head[-1] if isinstance(head, nn.ModuleList) else head
    named = {} if head is None else dict(head.named_modules())
    losses = [module for name, module in named.items() if name.split('.')[-1] == 'loss_decode']
    if not losses:
        raise ValueError(
            f'{type(model).__name__} has no decode_head with a loss_decode, so the losses of its images '
            'cannot be heard; leave HardImageMiningHook out'
        )
    loss = losses[0][0] if isinstance(losses[0], nn.ModuleList) else losses[0]
    return getattr(head, 'ignore_index', 255), loss


@HOOKS.register_module()
class HardImageMiningHook(Hook):
    """Give the loss of each training image to a HardImageSampler.

    The hook reads the logits of the training step at the input of the decode head's first loss, so it needs no second
    pass through the network. It computes the cross entropy for any loss of the head: a loss that is a ratio over the
    batch, such as Dice, has no value per image, and some losses may be negative. In distributed training, each rank
    gets the losses of all ranks. Checkpoints hold the running losses, and a resumed training continues with
    them.

    Images are identified by their path: ``img_path`` must be among the ``meta_keys`` of PackSegInputs, as it is by
    default. Entries of the data set with the same path share one running loss.
    """

    def __init__(self) -> None:
        self._resumed = self._measured = None

    def before_train(self, runner) -> None:
        """Find the sampler, the images and the loss module, and begin to measure.

        Raises:
            ValueError: The train loader has no HardImageSampler, the sampler is infinite in an epoch-based loop, the
                data set does not give the paths of its images, or the decode head has no ``loss_decode``.
        """
        self._sampler = _hard_image_sampler(runner.train_loop)
        self._paths = image_paths(self._sampler.dataset)
        copies = defaultdict(list)
        for index, path in enumerate(self._paths):
            copies[path].append(index)
        self._copies = dict(copies)
        if self._resumed is not None and runner.iter > 0:  # not if load_from took the weights of another training
            self._sampler.restore(self._resumed)
        self._default_ignore_index, loss = _decode_loss(runner.model)
        self._listener = loss.register_forward_pre_hook(self._measure, with_kwargs=True)

    def _measure(self, module: nn.Module, args: tuple, kwargs: dict) -> None:
        ignore_index = kwargs.get('ignore_index', self._default_ignore_index)
        if args[0].dim() != 4:
            raise RuntimeError(
                'HardImageMiningHook takes the loss of an image from logits of its pixels, (N, C, H, W)'
                f', and the decode loss got logits of shape {tuple(args[0].shape)}: mining does not go '
                'with a head that trains on points of the images, such as PointHead'
            )
        self._measured = image_losses(args[0].detach(), args[1], ignore_index)  # type: ignore[assignment]

    def after_train_iter(
        self, runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Give the losses of the batch to the sampler.

        Raises:
            RuntimeError: The step did not compute a loss for each image of the batch, or an image is not in the data
                set of the sampler.
        """
        measured, self._measured = self._measured, None
        paths = [sample.metainfo.get('img_path') for sample in data_batch['data_samples']]  # type: ignore[index]
        if measured is None or len(measured) != len(paths):
            found = 'no call' if measured is None else f'one of {len(measured)} images'
            raise RuntimeError(
                f'HardImageMiningHook listened for the decode loss of {len(paths)} images and heard '
                f'{found}: mining goes with a head that calls its loss_decode on the batch as loaded'
            )
        for path in set(paths) - self._copies.keys():
            raise RuntimeError(
                f"a training sample has the img_path {path!r}, which is not an image of the sampler's "
                "data set: leave 'img_path' in the meta_keys of PackSegInputs as the data set gives it"
            )
        first = torch.tensor([self._copies[path][0] for path in paths])
        gathered = (torch.cat(all_gather(values)).tolist() for values in (first.to(measured.device), measured))
        for index, loss in zip(*gathered):
            for same in self._copies[self._paths[index]]:
                self._sampler.update(same, loss)

    def after_train(self, runner) -> None:
        """Stop measuring."""
        self._listener.remove()

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Put the running losses into the checkpoint."""
        checkpoint[IN_CHECKPOINT] = torch.from_numpy(np.array(self._sampler.losses))

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Keep the losses of a checkpoint until ``before_train``, which uses them if the training is resumed."""
        losses = checkpoint.get(IN_CHECKPOINT)
        self._resumed = None if losses is None else losses.numpy()
