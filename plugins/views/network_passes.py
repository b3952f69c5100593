"""The network on the views of an image: one view at a time, or several of one size in one pass.

Batched or not, the maps are the same up to the rounding of the device's kernels, which may choose another order of
summation for another number of images: bit for bit where they do not, within 2e-6 of the largest logit for a U-Net on a
CPU, and within the precision of TF32 where a GPU multiplies in it. Under ``mode='slide'`` the same holds: each window
is then cut from all views of the pass at once.
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
    """One view, ready for the network: input (1, C, h', w'), its meta information, and the view's own (h, w)."""

    inputs: Tensor
    meta: dict
    size: tuple[int, int]


class NetworkPasses:
    """Sends views through a network, up to ``views_per_batch`` in one pass.

    Only inputs of the same size after padding go together. When such a pass runs out of CUDA memory, its views run
    again one at a time, and so does everything after it; a warning is logged.

    Args:
        views_per_batch: the most views in one pass; None is one at a time.

    Attributes:
        shared: passes so far that carried more than one view.

    Raises:
        ValueError: when ``views_per_batch`` is not a positive whole number.
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
        """Logits of each view, turned back and resized to the original image, in the sorted order of their names.

        One view at a time holds one map. Larger batches also hold maps of later views, at the view's own size, until it
        is their turn: the order in which a merge sums them stays the same.

        Args:
            model: an mmseg segmentor in eval mode, or what has its interface.
            image: the raw image as the pipeline packed it, (C, h, w).
            meta: its meta information; ``ori_shape`` gives (H, W).
            views: views by name.

        Yields:
            (K, H, W) for each view.
        """
        names, prepared, maps = sorted(views), {}, {}

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
        """``first`` and the views after it whose inputs have its size; none is prepared that is not asked about."""
        batch, shape = [first], prepare(first).inputs.shape
        for name in later:
            if len(batch) == self.views_per_batch:
                break
            if prepare(name).inputs.shape == shape:
                batch.append(name)
        return batch

    def _run(self, model: nn.Module, batch: list[_ViewInput]) -> list[Tensor]:
        """Logits (K, h, w) of each view of a batch, without the padding."""
        if len(batch) > 1:
            try:
                maps = _one_pass(model, batch)
                self.shared += 1
                return maps
            except torch.cuda.OutOfMemoryError:
                # The cure is below: as long as the exception is handled, it keeps the failed pass's tensors alive.
                pass
            self.views_per_batch = 1
            print_log(
                f'{len(batch)} views in one pass do not fit into CUDA memory; from here on one view at a time. '
                'Lower inference.views_per_batch.',
                logger='current',
                level=logging.WARNING,
            )
        return [logits for view in batch for logits in _one_pass(model, [view])]


def view_logits(model: nn.Module, image: Tensor, meta: dict, view) -> Tensor:
    """Logits of one view, turned back and resized to the original image, (K, H, W).

    For the identity view they equal the ``seg_logits`` of plain mmsegmentation (before its sigmoid, when there is one
    output channel) bit for bit, given one image per batch.
    """
    return next(NetworkPasses().logits(model, image, meta, dict(view=view)))


def _view_input(model: nn.Module, image: Tensor, meta: dict, view) -> _ViewInput:
    viewed = view.forward(image)
    resized = sorted(viewed.shape[-2:]) != sorted(image.shape[-2:])
    inputs, inputs_meta = model_input(model, viewed, meta, resized=resized)
    return _ViewInput(inputs, inputs_meta, tuple(viewed.shape[-2:]))


def _one_pass(model: nn.Module, batch: list[_ViewInput]) -> list[Tensor]:
    inputs = torch.cat([view.inputs for view in batch]) if len(batch) > 1 else batch[0].inputs
    logits = model.inference(inputs, [view.meta for view in batch])
    return [one[:, : view.size[0], : view.size[1]] for one, view in zip(logits, batch)]


def _to_original(model: nn.Module, logits: Tensor, meta: dict) -> Tensor:
    """Undo a flip made by the pipeline and resize to ``ori_shape``, as mmseg's ``postprocess_result`` does."""
    if meta.get('flip'):
        logits = logits.flip(-1 if meta['flip_direction'] == 'horizontal' else -2)
    size = tuple(meta['ori_shape'][:2])
    # To the same size bilinear resizing is a copy, contiguous unless the classes lie next to one another in memory.
    if logits.shape[-2:] == size and logits.stride(0) > 1:
        return logits.contiguous()
    return resize(logits[None], size=size, mode='bilinear', align_corners=model.align_corners, warning=False)[0]
