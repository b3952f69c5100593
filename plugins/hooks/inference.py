"""Views and refinements in mmsegmentation's test loop: a hook applies the config's ``inference``.

.. code:: python

    inference = dict(
        views=dict(plain=dict(type='IdentityView'), hflip=dict(type='FlipView', direction='horizontal')),
        refine=dict(crf=dict(order=10, type='DenseCRF')))
    custom_imports = dict(imports=['plugins.hooks.inference', 'plugins.views.flip', 'plugins.refine.dense_crf'])
    custom_hooks = [dict(type='InferenceHook')]

Beside ``views`` and ``refine``, ``inference`` takes

- ``merge``: the rule that merges the maps of the views: 'mean' of the probabilities (default), 'mean_logits',
  'geometric' or 'max'. The formulas are in ``plugins/views/merge_rules.py``.
- ``views_per_batch``: the number of views of equal size that go through the network together; None or absent: one at a
  time. If they do not fit into CUDA memory together, they go one at a time.

The hook replaces the model for the test. It could not change predictions in ``after_test_iter``: mmengine calls that
method after the evaluator has read them, so a change would never reach a score.
"""

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Optional

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.registry import HOOKS, TRANSFORMS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from plugins.hooks.image_changes import InfosByPath, SeenImages
from plugins.refine.chain import Chain, apply_chains, build_chain, needs_image
from plugins.refine.most_likely import most_likely
from plugins.views.agreement import ViewLabels
from plugins.views.identity import IdentityView
from plugins.views.merge import dequantise, merged_in_one_pass, merged_probabilities, quantise
from plugins.views.merge_rules import check_merge
from plugins.views.network_passes import NetworkPasses

KEYS = ('views', 'refine', 'merge', 'views_per_batch')


class InferenceModel(nn.Module):
    """A segmentor that predicts through views and refinements.

    Its two steps can be called separately: :meth:`merged_maps` runs the network and merges the views, :meth:`refine`
    does the rest. The images of a batch go through the network one at a time, so device memory is that of one image. A
    model with variants (:meth:`add_variant`) predicts for itself and all variants in one pass over the union of their
    views.

    Args:
        model: An mmseg segmentor without a distributed wrapper, or a model with its interface: ``inference``,
            ``data_preprocessor``, ``decode_head``, ``align_corners``, ``test_cfg``.
        views: Name → view; at least one.
        chain: Refinements, built by :func:`plugins.refine.chain.build_chain`.
        merge: The name of a rule in :data:`plugins.views.merge_rules.MERGE_RULES`.
        views_per_batch: The largest number of views in one pass of the network; None stands for 1.
        images: Reads the image that refinements see (:mod:`plugins.hooks.image_changes`); None stands for files that
            ``LoadImageFromFile`` reads.

    Raises:
        ValueError: ``merge`` is unknown, or ``views_per_batch`` is not a positive integer.
    """

    def __init__(
        self,
        model: nn.Module,
        views: Mapping,
        chain: Chain,
        *,
        merge: str = 'mean',
        views_per_batch: Optional[int] = None,
        images: Optional[SeenImages] = None,
    ) -> None:
        super().__init__()
        check_merge(merge)
        self.model = model
        self.views = dict(views)
        self.chain = list(chain)
        self.merge = merge
        self.passes = NetworkPasses(views_per_batch)
        self.images = images or SeenImages()
        self.view_contents: dict[str, str] = {}  # name of a view → its config as text
        self.variants: list[InferenceModel] = []
        self._receivers: list[Callable[[SegDataSample, np.ndarray], None]] = []
        self._plain = all(isinstance(view, IdentityView) for view in self.views.values())
        self._views_act = self._chain_acts = False
        self._viewed = self._refined = 0
        self._watches_views = False

    @property
    def acted(self) -> Optional[int]:
        """How often views and refinements had an effect; None without refinements and views other than the identity.

        The sum of two numbers: the images that views or refinements affected, and the passes of the network that
        carried several views, which affect the cost alone. Images count from the first one on in which a view changes
        the input of the network or a refinement changes a label. Later images are not compared, because that would cost
        time in every test.
        """
        nothing = self._plain and len(self.views) == 1 and not self.chain
        return None if nothing else max(self._viewed, self._refined) + self.passes.shared

    @torch.no_grad()
    def merged_maps(self, data: dict) -> list[np.ndarray]:
        """Predict a batch: run all views of each image and merge their maps.

        Args:
            data: A batch of the test loader: ``inputs``, raw images (C, h, w), and ``data_samples``.

        Returns:
            The quantised merged map of each image in its original size, uint16 (K, H, W). The probability is
            ``p = q / 65535``; K is the number of classes, or 1 for a sigmoid.
        """
        pairs = zip(data['inputs'], data['data_samples'])
        return [self._merged_map(image, sample.metainfo) for image, sample in pairs]

    def _merged_map(self, image: Tensor, meta: dict, seen: Optional[ViewLabels] = None) -> np.ndarray:
        image = image.to(self.model.data_preprocessor.device)  # type: ignore[arg-type]
        probs = merged_probabilities(
            self.model, image, meta, self.views, merge=self.merge, passes=self.passes, see=seen.see if seen else None
        )
        self._count_views(image)
        return quantise(probs)

    def _count_views(self, image: Tensor) -> None:
        if not (self._views_act or self._plain):
            self._views_act = any(_changes(view, image) for view in self.views.values())
        self._viewed += self._views_act

    def add_variant(self, inference: Optional[Mapping], receive: Callable[[SegDataSample, np.ndarray], None]) -> None:
        """Predict with another ``inference`` as well, whenever :meth:`test_step` predicts with this one.

        A view that both have runs once. The map of the variant is, bit for bit, the map that it would predict alone.

        Args:
            inference: The ``inference`` of a config.
            receive: Called for each image with its data sample, which says where the views agree as in
                :meth:`test_step`, and the quantised merged map of the variant, uint16 (K, H, W).

        Raises:
            ValueError: ``inference`` cannot be built (see :func:`build_inference_model`), or this model or the variant
                has ``views_per_batch`` above 1: the variants would change which views go together.
        """
        variant = build_inference_model(self.model, inference, beside=self)
        if max(self.passes.views_per_batch, variant.passes.views_per_batch) > 1:
            raise ValueError('inference.views_per_batch and variants exclude each other.')
        self.variants.append(variant)
        self._receivers.append(receive)

    def _known_views(self) -> Iterator[tuple[str, object]]:
        for model in (self, *self.variants):
            yield from ((content, model.views[name]) for name, content in model.view_contents.items())

    def _own_map(self, image: Tensor, sample: SegDataSample, seen: Optional[ViewLabels]) -> np.ndarray:
        """The map of this model; the maps of its variants go to their receivers, one at a time."""
        if not self.variants:
            return self._merged_map(image, sample.metainfo, seen)
        image = image.to(self.model.data_preprocessor.device)  # type: ignore[arg-type]
        wanted = [(model.views, model.merge) for model in (self, *self.variants)]
        maps = merged_in_one_pass(
            self.model, image, sample.metainfo, wanted, passes=self.passes, see=seen.see if seen else None
        )
        own = quantise(next(maps))
        self._count_views(image)
        for variant, receive, probs in zip(self.variants, self._receivers, maps):
            receive(_with_agreement(sample, seen, variant.views), quantise(probs))
            variant._count_views(image)
        return own

    def refine(self, q: np.ndarray, img_path: str) -> np.ndarray:
        """The labels of a merged map after the refinements.

        Args:
            q: A quantised merged map from :meth:`merged_maps`, uint16 (K, H, W).
            img_path: Path of the image file. The file is decoded only if a refinement reads the image.

        Returns:
            Labels, uint8 (H, W).

        Raises:
            ValueError: The image file and the map differ in size.
        """
        return self.refine_all([self], [q], img_path)[0]

    @staticmethod
    def refine_all(models: Sequence['InferenceModel'], maps: Sequence[np.ndarray], img_path: str) -> list[np.ndarray]:
        """Refine maps of one image by several models; each result is that of :meth:`refine`, bit for bit.

        The image is decoded once, and refinements share work (:func:`plugins.refine.chain.apply_chains`).

        Args:
            models: Models whose test pipelines load and change images in the same way.
            maps: The map of each model, uint16 (K, H, W). Models share work if they get the same array.
            img_path: Path of the image file.

        Returns:
            Labels of each model, uint8 (H, W).

        Raises:
            ValueError: The image file and a map differ in size.
        """
        unrefined = [model.labels(q) for model, q in zip(models, maps, strict=True)]
        refining = [n for n, model in enumerate(models) if model.chain]
        if not refining:
            return unrefined
        image = {}
        if any(needs_image(models[n].chain) for n in refining):
            image['img'] = _read_image(img_path, unrefined[0].shape, models[0].images)
        first = {id(maps[n]): n for n in reversed(refining)}
        inputs = {
            place: dict(labels=unrefined[place], probs=_all_classes(dequantise(maps[place])), **image)
            for place in first.values()
        }
        refined = apply_chains([models[n].chain for n in refining], [first[id(maps[n])] for n in refining], inputs)
        labels = list(unrefined)
        for n, found in zip(refining, refined):
            labels[n] = found
            models[n]._count_refinement(found, unrefined[n])
        return labels

    def _count_refinement(self, refined: np.ndarray, unrefined: np.ndarray) -> None:
        self._chain_acts = self._chain_acts or not np.array_equal(refined, unrefined)
        self._refined += self._chain_acts

    def watch_views(self) -> None:
        """From now on, :meth:`test_step` also says where the views agree.

        It takes the most likely class of each view, and so time that a profile must not measure.
        """
        self._watches_views = True

    @torch.no_grad()
    def test_step(self, data: dict) -> list[SegDataSample]:
        """Predict a batch.

        Returns:
            A data sample for each image with ``pred_sem_seg``, the refined labels int64 (1, H, W), and ``seg_logits``,
            the probabilities before refinement, float32 (K, H, W). After :meth:`watch_views`, if there are several
            views, also with ``views_agree``, bool (1, H, W): whether they all give the pixel the same label.
        """
        predicted = []
        for image, sample in zip(data['inputs'], data['data_samples']):
            seen = ViewLabels(self._threshold) if self._watches_views else None
            q = self._own_map(image, sample, seen)
            predicted.append(_with_agreement(self._predicted(sample, q), seen, self.views))
        return predicted

    def labels(self, q: np.ndarray) -> np.ndarray:
        """Labels of a merged map before any refinement, uint8 (H, W): argmax, or ``p > threshold`` for one channel."""
        if len(q) > 1:
            return most_likely(q)
        return (dequantise(q[0]) > self._threshold).astype(np.uint8)

    @property
    def _threshold(self) -> float:
        head = self.model.decode_head
        head = head[-1] if isinstance(head, nn.ModuleList) else head  # cascades predict with their last head
        return head.threshold  # type: ignore[union-attr, return-value]

    def _predicted(self, sample: SegDataSample, q: np.ndarray) -> SegDataSample:
        labels = self.refine(q, sample.metainfo.get('img_path'))
        predicted = sample.new()  # the sample of the loader stays unchanged
        predicted.set_data(
            dict(
                pred_sem_seg=PixelData(data=torch.from_numpy(labels[None].astype(np.int64))),
                seg_logits=PixelData(data=torch.from_numpy(dequantise(q))),
            )
        )
        return predicted


def _with_agreement(sample: SegDataSample, seen: Optional[ViewLabels], views: Mapping) -> SegDataSample:
    agree = seen.agreement(views) if seen else None
    if agree is None:
        return sample
    sample = sample.new()
    sample.set_field(PixelData(data=agree[None].cpu()), 'views_agree')
    return sample


def _changes(view, image: Tensor) -> bool:
    viewed = view.forward(image)
    return viewed.shape != image.shape or not bool((viewed == image).all())


def _all_classes(probs: np.ndarray) -> np.ndarray:
    return probs if len(probs) > 1 else np.concatenate([1 - probs, probs])


def _read_image(img_path: str, size: tuple[int, int], images: SeenImages) -> np.ndarray:
    image = images.read(img_path)
    if image.shape[:2] != size:
        raise ValueError(
            f'{img_path} is {image.shape[0]}x{image.shape[1]} pixels, but its prediction is '
            f'{size[0]}x{size[1]}; no transform but the loader may change the size that predictions have (ori_shape).'
        )
    return image


def build_inference_model(
    model: nn.Module,
    inference: Mapping | None,
    images: Optional[SeenImages] = None,
    beside: Optional[InferenceModel] = None,
) -> InferenceModel:
    """Wrap a segmentor as the ``inference`` of a config says.

    Args:
        model: The segmentor; see :class:`InferenceModel`.
        inference: The ``inference`` of the config. None or an empty one stands for the identity view alone.
        images: As for :class:`InferenceModel`.
        beside: A model for which this one is a variant: equal views are shared, and its ``images`` are used.

    Raises:
        ValueError: A key or ``merge`` is unknown, a type is no view, or the refinements do not fit together.
    """
    inference = inference or {}
    unknown = sorted(set(inference) - set(KEYS))
    if unknown:
        raise ValueError(f'inference has unknown keys: {", ".join(unknown)}; it takes {", ".join(map(repr, KEYS))}.')
    known = dict(beside._known_views()) if beside else {}
    wanted = inference.get('views') or dict(identity=dict(type=IdentityView.__name__))
    views = {name: known.get(_content(config)) or TRANSFORMS.build(config) for name, config in wanted.items()}
    for name, view in views.items():
        if not (hasattr(view, 'forward') and hasattr(view, 'inverse')):
            raise ValueError(
                f'inference.views.{name}: {type(view).__name__} is no view; a view has '
                'forward(image) and inverse(maps, size).'
            )
    built = InferenceModel(
        model,
        views,
        build_chain(inference.get('refine') or {}),
        merge=inference.get('merge', 'mean'),
        views_per_batch=inference.get('views_per_batch'),
        images=beside.images if beside else images,
    )
    built.view_contents = {name: _content(config) for name, config in wanted.items()}
    return built


def _content(config: Mapping) -> str:
    return json.dumps(config, sort_keys=True, default=repr)


@HOOKS.register_module()
class InferenceHook(Hook):
    """Test with the config's ``inference``: replace ``runner.model`` before the test, restore it afterwards.

    Other hooks may also replace the model for the test, for example by an ensemble or by averaged weights. They must
    replace it before this hook, which has a low priority for that reason, and restore it after the test. The order of
    restoring does not matter: if another hook has already restored ``runner.model``, this hook leaves it.
    """

    priority = 'LOW'
    # InferenceModel.acted of the last test: that of the model, and those of its variants.
    acted: Optional[int] = None
    acted_of_variants: Sequence[Optional[int]] = ()
    _replacement: Optional[InferenceModel] = None

    @staticmethod
    def check(config: Mapping) -> None:
        """Refuse a config whose ``inference`` cannot be built, before anything is trained.

        Raises:
            ValueError: See :func:`build_inference_model`; or a refinement looks at the image, and the test pipeline
                loads images of which no colours can be made (:mod:`plugins.hooks.eight_bits`).
        """
        images = SeenImages((config.get('test_dataloader') or {}).get('dataset'))
        model = build_inference_model(nn.Identity(), copy.deepcopy(config.get('inference')), images)
        if needs_image(model.chain):
            images.check()

    def before_test(self, runner: Runner) -> None:
        """Replace the model.

        Raises:
            TypeError: The model is no segmentor, for example because it is already wrapped for test-time augmentation.
            ValueError: The ``inference`` of the config cannot be built.
        """
        # After an interrupted test the model is still replaced; then self._replaced is still the model to restore.
        if runner.model is not self._replacement:
            self._replaced = runner.model
        plain = self._replaced.module if is_model_wrapper(self._replaced) else self._replaced
        if not hasattr(plain, 'inference'):
            raise TypeError(
                f'InferenceHook: the model to be tested is of type {type(plain).__name__}, which has no '
                'inference(inputs, metas) as mmseg segmentors have. Use the hook once, and leave out other '
                'test-time augmentation (--tta).'
            )
        dataset = (runner.cfg.get('test_dataloader') or {}).get('dataset')
        images = SeenImages(dataset, InfosByPath(lambda: runner.test_dataloader.dataset))
        self._replacement = build_inference_model(plain, runner.cfg.get('inference'), images)
        runner.model = self._replacement

    def after_test_epoch(self, runner: Runner, metrics: Optional[dict] = None) -> None:
        """Restore the model before the ``after_test`` of other hooks, which expect the model that they have set."""
        self._restore(runner)

    def after_test(self, runner: Runner) -> None:
        """Restore the model, for test loops that have no epoch."""
        self._restore(runner)

    def _restore(self, runner: Runner) -> None:
        if self._replacement is None:
            return
        self.acted = self._replacement.acted
        self.acted_of_variants = [variant.acted for variant in self._replacement.variants]
        if runner.model is self._replacement:
            runner.model = self._replaced
        self._replacement = self._replaced = None
