"""Send the views of an image through the network: one view at a time, or several of equal size in one pass.

The maps of one pass and of single views agree to rounding, because the kernels of a device may sum in another order for
another number of images. If the kernels keep the order, the maps agree bit for bit. Otherwise they agree within 2e-6 of
the largest logit for a U-Net on a CPU, and within the precision of TF32 if a GPU uses TF32. The same holds under
``mode='slide'``, where each window is cut from all views of the pass at once.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, Optional

import torch
from mmengine.logging import print_log
from mmseg.models.utils import resize
from torch import Tensor, nn

from plugins.views.padding import model_input


class _ViewInput(NamedTuple):
    """The input of one view: the padded image (1, C, h', w'), its meta information, and its size (h, w) unpadded."""

    inputs: Tensor
    meta: dict
    size: tuple[int, int]


class NetworkPasses:
    """Sends views through a network, up to ``views_per_batch`` in one pass.

    Views go together only if their padded inputs have equal sizes. If a pass of several views runs out of memory, that
    of a GPU or that which this process may have, its views and all later views run one at a time; a warning is logged.
    Where the kernel ends the process instead, nothing can be split.

    Args:
        views_per_batch: The largest number of views in one pass; None stands for 1.

    Attributes:
        shared: The number of passes so far with more than one view.

    Raises:
        ValueError: ``views_per_batch`` is not a positive integer.
    """

    def __init__(self, views_per_batch: Optional[int] = None) -> None:
        given = 1 if views_per_batch is None else views_per_batch
        if not isinstance(given, int) or isinstance(given, bool) or given < 1:
            raise ValueError(
                f'inference.views_per_batch={given!r} must be a positive whole number, or None for one view at a time.'
            )
        self.views_per_batch = given
        self.shared = 0

    def logits(self, model: nn.Module, image: Tensor, meta: dict, views: Mapping) -> Iterator[Tensor]:
        """The logits of each view after the view's inverse, resized to the original image, sorted by name.

        With one view at a time, one map is in memory. Larger batches also keep the maps of later views in memory, in
        the size of the view, because the order of the maps, and so the sum of a merge, must not depend on the batches.

        Args:
            model: An mmseg segmentor in evaluation mode, or a model with its interface.
            image: The raw image as the pipeline packed it, (C, h, w).
            meta: The meta information of the image; ``ori_shape`` gives (H, W).
            views: Name → view.

        Yields:
            Logits (K, H, W) of each view.
        """
        names, prepared, maps = sorted(views), {}, {}  # type: ignore[var-annotated]

        def prepare(name: str) -> _ViewInput:
            if name not in prepared:
                prepared[name] = _view_input(model, image, meta, views[name])
            return prepared[name]

        for position, name in enumerate(names):
            if name not in maps:
                later = [other for other in names[position + 1 :] if other not in maps]
                batch = self._batch(name, later, prepare)
                maps |= zip(batch, self._run(model, [prepared.pop(member) for member in batch]))
            turned_back = views[name].inverse(maps.pop(name), tuple(image.shape[-2:]))
            yield _to_original(model, turned_back, meta)

    def _batch(self, first: str, later: list[str], prepare: Callable[[str], _ViewInput]) -> list[str]:
        """``first`` and later views whose inputs have the same size; prepares no more views than needed."""
        batch, shape = [first], prepare(first).inputs.shape
        for name in later:
            if len(batch) == self.views_per_batch:
                break
            if prepare(name).inputs.shape == shape:
                batch.append(name)
        return batch

    def _run(self, model: nn.Module, batch: list[_ViewInput]) -> list[Tensor]:
        """The logits (K, h, w) of each view of a batch, without padding."""
        if len(batch) > 1:
            try:
                maps = _one_pass(model, batch)
                self.shared += 1
                return maps
            except (RuntimeError, MemoryError) as error:
                if not _lacks_memory(error):
                    raise
                # The retry is outside this block: a handled exception keeps the tensors of the failed pass alive.
            self.views_per_batch = 1
            print_log(
                f'{len(batch)} views in one pass do not fit into memory; from here on one view at a time. '
                'Lower inference.views_per_batch.',
                logger='current',
                level=logging.WARNING,
            )
        return [logits for view in batch for logits in _one_pass(model, [view])]


def _lacks_memory(error: Exception) -> bool:
    """Whether an error is torch's for want of memory; on a CPU it is a plain one, told by its text alone."""
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    return any(words in str(error) for words in ("can't allocate memory", 'std::bad_alloc'))


def view_logits(model: nn.Module, image: Tensor, meta: dict, view) -> Tensor:
    """The logits of one view after the view's inverse, resized to the original image, (K, H, W).

    For the identity view and one image per batch, they equal the ``seg_logits`` of plain mmsegmentation bit for bit
    (for one output channel, before the sigmoid).
    """
    return next(NetworkPasses().logits(model, image, meta, dict(view=view)))


def _view_input(model: nn.Module, image: Tensor, meta: dict, view) -> _ViewInput:
    viewed = view.forward(image)
    resized = sorted(viewed.shape[-2:]) != sorted(image.shape[-2:])
    inputs, inputs_meta = model_input(model, viewed, meta, resized=resized)
    return _ViewInput(inputs, inputs_meta, tuple(viewed.shape[-2:]))


def _one_pass(model: nn.Module, batch: list[_ViewInput]) -> list[Tensor]:
    inputs = torch.cat([view.inputs for view in batch]) if len(batch) > 1 else batch[0].inputs
    logits = model.inference(inputs, [view.meta for view in batch])  # type: ignore[operator]
    return [one[:, : view.size[0], : view.size[1]] for one, view in zip(logits, batch)]


def _to_original(model: nn.Module, logits: Tensor, meta: dict) -> Tensor:
    """Undo a flip of the pipeline and resize to ``ori_shape``, as mmseg's ``postprocess_result`` does."""
    if meta.get('flip'):
        logits = logits.flip(-1 if meta['flip_direction'] == 'horizontal' else -2)
    size = tuple(meta['ori_shape'][:2])
    # Bilinear resizing to the same size is a copy. Its layout differs if the classes of a pixel are adjacent in memory.
    if logits.shape[-2:] == size and logits.stride(0) > 1:
        return logits.contiguous()
    return resize(logits[None], size=size, mode='bilinear', align_corners=model.align_corners, warning=False)[0]
