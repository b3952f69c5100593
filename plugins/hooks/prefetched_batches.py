"""Count the training batches that were loaded ahead by other processes."""

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor


@HOOKS.register_module()
class PrefetchedBatchesHook(Hook):
    """Count the training batches that came from loader processes or were pinned.

    A batch from another process arrives in shared memory. With ``pin_memory=True`` and a GPU it is then copied to
    page-locked memory, from which transfers to the GPU are faster. Without a GPU nothing is pinned.
    ``persistent_workers=True`` keeps the processes from one pass over the data to the next. In an epoch-based loop this
    saves the start of the processes; with an infinite sampler there is only one pass.

    Attributes:
        acted: The number of prefetched or pinned batches; None if nothing was trained.
    """

    priority = 'VERY_HIGH'  # before the hooks that replace images of the batch

    def __init__(self) -> None:
        self.acted: int | None = None

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict = None) -> None:  # type: ignore[assignment]
        """Check in which memory the images of the batch lie."""
        self.acted = (self.acted or 0) + all(_prefetched(image) for image in data_batch['inputs'])


def _prefetched(image: Tensor) -> bool:
    return image.is_shared() or image.is_pinned()
