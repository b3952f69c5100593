"""The contracts between the harness and the plugins, and between the harness and its stages, on one page.

The harness never imports a plugin. It finds plugins through the registries of mmsegmentation, and speaks to them
through the methods and attributes below. A plugin need not name these classes: it fulfils a contract by having the
members.

=============================  =========================================================================================
contract                       who fulfils it
=============================  =========================================================================================
:class:`InferenceModel`        the model that stands in ``runner.model`` during a test
:class:`VariantHolder`         the same model: it shows the models of further configs
:class:`PartsHolder`           the same model: it shows its views and refinements
:class:`StageModule`           each module ``benchmarks.stages.<kind>``
:class:`SharedPassModule`      those of them whose stages can share one pass over the images
:class:`ImageDataset`          the data set of the test loader, as the harness reads it sample by sample
:class:`EffectCounter`         a part of a run (a hook, a sampler, a module of the model …) that counts its effect
:class:`VariantCounter`        such a part that also counts its effect on the other configs of a shared pass
:class:`CheckingHook`          a hook that can refuse a config before anything is trained
:class:`EnsembleTester`        a hook that tests all networks of an ensemble
:class:`DrawingSampler`        a training sampler that says when in a run a sample is drawn
:class:`View`                  a test-time view of an image
:class:`Refinement`            a step of post-processing
:class:`ImageAwareRefinement`  such a step that says whether it looks at the image
:class:`BatchRefinement`       such a step that refines several maps of one image at once
:class:`ImageFileTransform`    a transform that stands for another image file than the stored one
:class:`WrappingModule`        a neck or head that is put around another one
:class:`PlainLogitsHead`       a decode head of several stages whose output is plain logits
:class:`EnsembleCheckpoint`    the checkpoint of an ensemble
=============================  =========================================================================================

The contracts of ``READ_BY_HARNESS`` are read in ``benchmarks/``. Those of ``READ_BY_PLUGINS`` hold between plugins.
"""
# K channels of a map: the classes, or 1 for a sigmoid model; H×W pixels of the image file; C×h×w the packed image

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NotRequired, Protocol, TypedDict, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from mmseg.structures import SegDataSample
    from torch import Tensor

Kind = Literal['probabilities', 'labels']


@runtime_checkable
class InferenceModel(Protocol):
    """The model that predicts test images: views, their merge, and refinements around a segmentor.

    A hook of the config puts it into ``runner.model`` in ``before_test``.

    A *quantised map* is the merged map of all views in 16 bits: uint16 (K, H, W), ``p = map / SCALE``, with
    :data:`benchmarks.stages.maps.SCALE`. It is the prediction: labels and refinements come from it alone, so a stored
    map gives the same results as a fresh one. It has the size of the image file, whatever the pipeline resizes.
    """

    def merged_maps(self, data: dict, /) -> list[np.ndarray]:
        """Run the network through all views, without any refinement.

        Args:
            data: A batch of the test loader: ``inputs``, raw images (C, h, w), and ``data_samples``.

        Returns:
            The quantised map of each image of the batch.
        """

    def labels(self, quantised_map: np.ndarray, /) -> np.ndarray:
        """Labels of a quantised map before any refinement.

        Returns:
            uint8 (H, W): the most likely class, or 0 and 1 by the head's threshold if the map has one channel.
        """

    def refine(self, quantised_map: np.ndarray, img_path: str, /) -> np.ndarray:
        """Labels of a quantised map after all refinements.

        Args:
            quantised_map: One map of :meth:`merged_maps`.
            img_path: The image file; it is decoded only if a refinement looks at the image.

        Returns:
            uint8 (H, W); equal to :meth:`labels` if the model has no refinements.

        Raises:
            ValueError: The image file and the map differ in size.
        """

    @staticmethod
    def refine_all(
        models: Sequence[InferenceModel], quantised_maps: Sequence[np.ndarray], img_path: str, /
    ) -> list[np.ndarray]:
        """:meth:`refine` of several models, each on its own map of one image; the models can share work.

        The harness calls it as ``models[0].refine_all(models, …)``. The result is that of :meth:`refine` of each model.

        Args:
            models: Models whose tests change images alike, all of one class.
            quantised_maps: The map of each model. Models that refine the same prediction get the same array object.
            img_path: The image file.

        Returns:
            Labels for each model, uint8 (H, W).
        """

    def add_variant(self, inference: Mapping | None, receive: Callable[[SegDataSample, np.ndarray], None], /) -> None:
        """Predict for another config, too, whenever this model predicts in the test loop.

        Each view that both configs have runs once. The variant's map is that which it would get alone, bit for bit.

        Args:
            inference: The key ``inference`` of the other config.
            receive: The model calls it once per image, with the image's data sample, which has ``views_agree`` as
                in :meth:`test_step`, and the variant's quantised map.

        Raises:
            ValueError: The model cannot predict for this config in one pass with its own.
        """

    def watch_views(self) -> None:
        """From now on, say where the views agree; not called where the time of an inference is measured."""

    def test_step(self, data: dict, /) -> list[SegDataSample]:
        """Predict a batch completely, as mmengine's test loop does.

        Args:
            data: As for :meth:`merged_maps`.

        Returns:
            The batch's data samples. ``pred_sem_seg`` holds refined labels, int64 (1, H, W). ``seg_logits`` holds the
            probabilities before refinement, float32 (K, H, W); times ``SCALE`` and rounded they are the quantised map.
            After :meth:`watch_views`, if there are several views, ``views_agree``, bool (1, H, W), says where they
            all give the same label.
        """


class PartsHolder(InferenceModel, Protocol):
    """An inference model that shows its parts, each of which the harness times; without them none is timed.

    Attributes:
        views: Name → view.
        chain: The refinements in their order, named tuples with ``name`` and ``refinement``.
    """

    views: dict[str, View]
    chain: list


class VariantHolder(InferenceModel, Protocol):
    """An inference model that shows the models of its other configs, which the harness has refine on their own.

    Attributes:
        variants: In the order of :meth:`InferenceModel.add_variant`.
    """

    variants: Sequence[InferenceModel]


@runtime_checkable
class StageModule(Protocol):
    """A module that runs the stages of one kind; its name is the kind's."""

    def run(self, config: dict, folder: Path, parents: dict[str, Path], device: str) -> dict:
        """Run one stage, and leave its results in ``folder``.

        A kind may have further keyword arguments with defaults; they come from the task's ``options`` and say how the
        stage stores its result, never what it computes.

        Args:
            config: The resolved config. Its ``custom_imports`` have been imported.
            folder: The stage's working folder; it exists. What lies in ``folder/run`` afterwards is removed.
            parents: The folders of the stored results to read, by role (:func:`benchmarks.stages.parents.by_role`).
            device: ``cpu`` or ``cuda``.

        Returns:
            Facts for the record, which JSON can write. A stage that raises an error has failed.
        """


@runtime_checkable
class SharedPassModule(StageModule, Protocol):
    """A stage module that can run several stages in one pass over the images that they share."""

    def run_together(
        self, configs: Sequence[dict], folders: Sequence[Path], parents: Sequence[dict[str, Path]], device: str
    ) -> list[dict]:
        """Run several stages; the results are those of :meth:`StageModule.run` for each of them.

        Args:
            configs: The resolved config of each stage.
            folders: The working folder of each stage.
            parents: The folders that each stage reads, by role.
            device: ``cpu`` or ``cuda``.

        Returns:
            The facts of each stage, in the same order.
        """


class ImageDataset(Protocol):
    """The data set of the test loader, as :mod:`mmseg.datasets` has it.

    The stages read samples from it. :mod:`benchmarks.data.split` reads the images' list, and in ``metainfo`` the
    ``classes`` and the name or index of the ``background``.
    """

    def __len__(self) -> int:
        """The number of test images."""

    def __getitem__(self, index: int, /) -> dict:
        """A sample: ``inputs``, the raw image (C, h, w), and ``data_samples`` with ``img_path`` and ``gt_sem_seg``."""

    def get_data_info(self, index: int, /) -> dict:
        """The description of a sample, without its pixels.

        Returns:
            ``img_path`` and ``seg_map_path``, the paths of the image and its annotation. A ``group``, which is
            optional, names images that are not independent of each other, such as those of one patient.
        """


@runtime_checkable
class EffectCounter(Protocol):
    """A part of a run that counts its effect.

    By it a technique that changes no prediction, such as gradient checkpointing, shows that it was at work. Parts are
    hooks, the optimiser wrapper, the training sampler, data sets, the model and its modules. ``train`` and ``predict``
    read it when they end; without it the predictions alone count.

    Attributes:
        acted: How often the part did its work. 0 means that it never did: the technique is then shown as not effective.
            None means that the part has no work in this stage, as a training hook has none in a test.
    """

    acted: int | None


@runtime_checkable
class VariantCounter(EffectCounter, Protocol):
    """An effect counter whose effect differs between the configs of a shared pass. Others count alike for all configs.

    Attributes:
        acted_of_variants: ``acted`` for each further config of the pass, in the order of
            :meth:`InferenceModel.add_variant`.
    """

    acted_of_variants: Sequence[int | None]


@runtime_checkable
class CheckingHook(Protocol):
    """A hook that can tell from the config alone that a run would fail; asked before anything is trained."""

    def check(self, config: Mapping, /) -> None:
        """Refuse a resolved config by an exception; the user reads its message as the reason."""


@runtime_checkable
class EnsembleTester(Protocol):
    """A hook that tests all networks of a combined checkpoint; an ``ensemble`` without such a hook is refused.

    Attributes:
        tests_all_members: True.
    """

    tests_all_members: bool


@runtime_checkable
class DrawingSampler(Protocol):
    """A training sampler or batch sampler that yields draws: an index together with its place in the run.

    The data set that pairs the arms needs the place, to augment the n-th sample of the k-th epoch alike in every arm.

    Attributes:
        yields_draws: True. A sampler's class without it is refused before anything is trained.
    """

    yields_draws: bool


@runtime_checkable
class View(Protocol):
    """An invertible transform of the input image, for test-time augmentation.

    A type in ``inference.views`` that lacks one of the methods is refused when the model is built.
    """

    def forward(self, image: Tensor, /) -> Tensor:
        """The image as the network shall see it: (C, h, w) to (C, h', w')."""

    def inverse(self, maps: Tensor, size: tuple[int, int], /) -> Tensor:
        """The maps of the viewed image, (K, h', w'), in the geometry of the image of ``size`` (h, w): (K, h, w)."""


@runtime_checkable
class Refinement(Protocol):
    """A step of post-processing: an mmcv transform on a dict of one image.

    The dict has ``labels`` uint8 (H, W), ``probs`` float32 (classes, H, W) unless an earlier step gave labels, and
    ``img`` uint8 RGB (H, W, 3) if a step of the chain looks at the image. The chain of the inference model reads the
    attributes when it is built. It refuses a type without ``takes`` or ``gives``, and a step that takes probabilities
    after labels. A step depends on its input and its arguments alone.

    Attributes:
        takes: Which of the two the step reads.
        gives: Which of the two it sets: ``probabilities`` sets ``probs`` and ``labels``; ``labels`` drops ``probs``.
    """

    takes: Kind
    gives: Kind

    def __call__(self, results: dict, /) -> dict | None:
        """Refine one image; the step may change ``labels`` and ``probs`` in place, never ``img``."""


@runtime_checkable
class ImageAwareRefinement(Refinement, Protocol):
    """A refinement that says whether it looks at the image; the file is decoded only if a step of the chain does.

    Attributes:
        needs_image: Whether the step looks at ``img``.
    """

    needs_image: bool


@runtime_checkable
class BatchRefinement(Refinement, Protocol):
    """A refinement that is faster on several maps of one image at once."""

    def transform_many(self, several: Sequence[dict], /) -> list[dict]:
        """Refine several dicts of one image; the result equals that of calling the step on each, bit for bit."""


@runtime_checkable
class ImageFileTransform(Protocol):
    """A transform of the test pipeline that stands for another image file, as noise does; refinements see it, too.

    Attributes:
        changes_image_file: True. The transform must give uint8 of the same shape.
    """

    changes_image_file: bool


@runtime_checkable
class WrappingModule(Protocol):
    """A neck or head that is put around another one.

    Parameters of the inner module then start from the values that they have without the wrapper (paired arms). Without
    the attribute a module counts as a new one throughout.

    Attributes:
        wraps: The name of the attribute that holds the inner module.
    """

    wraps: str


@runtime_checkable
class PlainLogitsHead(Protocol):
    """A decode head with methods of its own whose forward pass gives plain logits (N, K, h, w) all the same.

    Without it, a head that refines another's logits refuses a head that overrides mmseg's usual methods.

    Attributes:
        plain_logits: True.
    """

    plain_logits: bool


class Checkpoint(TypedDict):
    """The checkpoint that a training leaves: tensors and plain values, so that it loads without executing anything.

    Attributes:
        state_dict: The model's tensors by name.
        meta: What mmengine notes of the training, in plain values; mmseg's tools read ``dataset_meta`` from it.
    """

    state_dict: dict[str, Tensor]
    meta: NotRequired[dict[str, Any]]


class EnsembleMember(TypedDict):
    """One network of an ensemble.

    Attributes:
        state_dict: The network's tensors by name.
        model: The key ``model`` of its config, which the network is built from.
    """

    state_dict: dict[str, Tensor]
    model: dict[str, Any]


class EnsembleCheckpoint(Checkpoint):
    """The checkpoint of an ensemble, which mmsegmentation alone takes for that of the first member.

    An :class:`EnsembleTester` reads it. ``state_dict`` and ``meta`` are those of the first member.

    Attributes:
        ensemble: All members, the first one included.
    """

    ensemble: list[EnsembleMember]


READ_BY_HARNESS = (
    InferenceModel,
    ImageDataset,
    EffectCounter,
    VariantCounter,
    CheckingHook,
    EnsembleTester,
    DrawingSampler,
)
READ_BY_PLUGINS = (
    View,
    Refinement,
    ImageAwareRefinement,
    BatchRefinement,
    ImageFileTransform,
    WrappingModule,
    PlainLogitsHead,
)
STAGES = (StageModule, SharedPassModule)
