"""How many training batches were loaded while the model was at work."""

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor


@HOOKS.register_module()
class PrefetchedBatchesHook(Hook):
    """Counts the training batches that came from loader processes, pinned where there is a GPU.

    A batch that another process has loaded arrives in shared memory; with ``pin_memory=True`` and a GPU it is then
    copied to page-locked memory, from which the transfer to the GPU is faster. Without a GPU nothing is pinned.
    ``persistent_workers=True`` keeps the processes from one pass over the data to the next: under an epoch-based
    loop that saves their start; with an infinite sampler there is one pass, and they live to its end anyway.

    Attributes:
        acted: Batches that were prefetched or pinned; None where nothing trains.
    """

    priority = 'VERY_HIGH'  # before hooks that put other images into the batch

    def __init__(self) -> None:
        self.acted: int | None = None

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict = None) -> None:
        """Look at where the batch's images lie."""
        self.acted = (self.acted or 0) + all(_prefetched(image) for image in data_batch['inputs'])


def _prefetched(image: Tensor) -> bool:
    return image.is_shared() or image.is_pinned()
