"""Views and refinements in plain mmsegmentation: the config's ``inference`` applied by a hook.

.. code:: python

    inference = dict(
        views=dict(plain=dict(type='IdentityView'), hflip=dict(type='FlipView', direction='horizontal')),
        refine=dict(crf=dict(order=10, type='DenseCRF')))
    custom_imports = dict(imports=['plugins.hooks.inference', 'plugins.views.flip', 'plugins.refine.dense_crf'])
    custom_hooks = [dict(type='InferenceHook')]

The model is replaced for the test, because hooks run after the evaluator has seen the predictions: what a hook changes
in ``after_test_iter`` never reaches a score.
"""
from collections.abc import Mapping

import mmcv
import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.registry import HOOKS, TRANSFORMS
from mmseg.structures import SegDataSample
from torch import nn

from plugins.refine.chain import Chain, apply_chain, build_chain, needs_image
from plugins.refine.most_likely import most_likely
from plugins.views.identity import IdentityView
from plugins.views.merge import dequantise, merged_probabilities, quantise


class InferenceModel(nn.Module):
    """A segmentor that tests through views and refinements.

    Its steps can be called one by one: :meth:`merged_maps` runs the network, :meth:`refine` all that comes after it.
    Images of a batch go through the network one at a time, so the memory on its device is that of one image.

    Args:
        model: an mmseg segmentor, not wrapped for distribution.
        views: views by name; at least one.
        chain: refinements, as from :func:`plugins.refine.chain.build_chain`.
    """

    def __init__(self, model: nn.Module, views: Mapping, chain: Chain) -> None:
        super().__init__()
        self.model = model
        self.views = dict(views)
        self.chain = list(chain)

    @torch.no_grad()
    def merged_maps(self, data: dict) -> list[np.ndarray]:
        """The prediction: for each image of the batch the quantised mean over views.

        Args:
            data: a batch of the test loader: ``inputs``, raw images (C, h, w), and ``data_samples``.

        Returns:
            For each image uint16 (K, H, W) in its original size, ``p = q / 65535``; K classes, or 1 for a sigmoid.
        """
        device = self.model.data_preprocessor.device
        pairs = zip(data['inputs'], data['data_samples'])
        return [quantise(merged_probabilities(self.model, image.to(device), sample.metainfo, self.views))
                for image, sample in pairs]

    def refine(self, q: np.ndarray, img_path: str) -> np.ndarray:
        """Labels of a merged map after the refinements.

        Args:
            q: uint16 (K, H, W), one of :meth:`merged_maps`.
            img_path: the image file, decoded only when a refinement looks at it.

        Returns:
            Labels, uint8 (H, W).

        Raises:
            ValueError: when the image file and the map differ in size.
        """
        labels = self.labels(q)
        if not self.chain:
            return labels
        probs = dequantise(q)
        results = dict(labels=labels, probs=probs if len(probs) > 1 else np.concatenate([1 - probs, probs]))
        if needs_image(self.chain):
            results['img'] = _read_image(img_path, labels.shape)
        return apply_chain(self.chain, results)

    @torch.no_grad()
    def test_step(self, data: dict) -> list[SegDataSample]:
        """Predict a batch.

        Returns:
            The batch's data samples with ``pred_sem_seg``, refined labels int64 (1, H, W), and ``seg_logits``, the
            probabilities before refinement, float32 (K, H, W).
        """
        return [self._predicted(sample, q) for sample, q in zip(data['data_samples'], self.merged_maps(data))]

    def labels(self, q: np.ndarray) -> np.ndarray:
        """Labels of a merged map before any refinement, uint8 (H, W): argmax, or ``p > threshold`` for one channel."""
        if len(q) > 1:
            return most_likely(q)
        head = self.model.decode_head
        head = head[-1] if isinstance(head, nn.ModuleList) else head  # cascades predict with their last head
        return (dequantise(q[0]) > head.threshold).astype(np.uint8)

    def _predicted(self, sample: SegDataSample, q: np.ndarray) -> SegDataSample:
        labels = self.refine(q, sample.metainfo.get('img_path'))
        predicted = sample.new()  # the loader's own sample stays as it was
        predicted.set_data(dict(pred_sem_seg=PixelData(data=torch.from_numpy(labels[None].astype(np.int64))),
                                seg_logits=PixelData(data=torch.from_numpy(dequantise(q)))))
        return predicted


def _read_image(img_path: str, size: tuple[int, int]) -> np.ndarray:
    image = mmcv.imread(img_path, channel_order='rgb')
    if image.shape[:2] != size:
        raise ValueError(f'{img_path} is {image.shape[0]}x{image.shape[1]} pixels, but its prediction is '
                         f'{size[0]}x{size[1]}; the pipeline must load the file as it is stored.')
    return image


def build_inference_model(model: nn.Module, inference: Mapping | None) -> InferenceModel:
    """Wrap a segmentor for the ``inference`` part of a config; an empty one means the identity view alone.

    Raises:
        ValueError: on a key other than ``views`` and ``refine``, a type that is no view, or refinements that do not
            fit together.
    """
    inference = inference or {}
    unknown = sorted(set(inference) - {'views', 'refine'})
    if unknown:
        raise ValueError(f"inference has unknown keys: {', '.join(unknown)}; it takes 'views' and 'refine'.")
    views = {name: TRANSFORMS.build(config) for name, config in (inference.get('views') or {}).items()}
    for name, view in views.items():
        if not (hasattr(view, 'forward') and hasattr(view, 'inverse')):
            raise ValueError(f"inference.views.{name}: {type(view).__name__} is no view; a view has "
                             'forward(image) and inverse(maps, size).')
    return InferenceModel(model, views or {'identity': IdentityView()}, build_chain(inference.get('refine') or {}))


@HOOKS.register_module()
class InferenceHook(Hook):
    """Test with the config's ``inference``: replaces ``runner.model`` before the test and restores it afterwards."""

    def before_test(self, runner: Runner) -> None:
        """Replace the model; a chain of refinements that does not fit is refused here, before any image."""
        # After a test that broke off the model is still replaced; the one inside it stays the one to restore.
        if not isinstance(runner.model, InferenceModel):
            self._replaced = runner.model
        plain = self._replaced.module if is_model_wrapper(self._replaced) else self._replaced
        runner.model = build_inference_model(plain, runner.cfg.get('inference'))

    def after_test(self, runner: Runner) -> None:
        """Restore the model."""
        runner.model = self._replaced
