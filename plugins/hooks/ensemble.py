"""Ensembles: several networks predict together in mmsegmentation's test loop.

The prediction is the mean of the members' probabilities (Lakshminarayanan et al. 2017, "Simple and Scalable Predictive
Uncertainty Estimation using Deep Ensembles", NeurIPS):

    p = (1 / M) * sum_m softmax(logits_m)

One checkpoint holds all members. It has the ``state_dict`` and ``meta`` of the first member, and a list ``ensemble``
with one ``dict(state_dict=..., model=<config of its model>)`` per member, the first included.
:mod:`plugins.tools.combine_checkpoints` combines the checkpoints of single networks into such a checkpoint.

.. code:: python

    custom_imports = dict(imports=['plugins.hooks.ensemble'])
    custom_hooks = [dict(type='EnsembleHook')]     # before InferenceHook, if that is there: its priority sees to it
"""

import copy
import math
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import CheckpointLoader, Runner, load_state_dict
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.registry import HOOKS, MODELS
from torch import Tensor, nn
from torch.nn.functional import log_softmax, logsigmoid

MEMBERS = 'ensemble'


class EnsembleModel(BaseSegmentor):
    """A segmentor whose probabilities are the mean of the members' probabilities.

    Members predict one after the other: the device holds the weights of all members and the activations of one forward
    pass. All members have the same ``test_cfg`` (whole or slide), because views pad an image once for all members.

    Attributes:
        acted: How many members beyond the first predicted, summed over all predictions. Members with the weights of the
            first do not count, because they do not change the prediction.

    Args:
        members: Segmentors with equal numbers of output channels. They normalise and pad their input in the same way:
            each image is prepared once, by the data preprocessor of the first member and for its ``test_cfg``.

    Raises:
        ValueError: Members do not fit together; the message names the difference.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        _refuse_misfits(members)
        self.members = nn.ModuleList(members)
        self.data_preprocessor = members[0].data_preprocessor
        self.decode_head, self.test_cfg = members[0].decode_head, members[0].test_cfg
        self.align_corners, self.num_classes = members[0].align_corners, members[0].num_classes
        self.out_channels = members[0].out_channels
        self.acted = 0
        self._others = sum(_differ(members[0], member) for member in members[1:])

    def inference(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Logits of the mean probability.

        With several channels the logits are ``log p``, whose softmax is p. With one channel they are
        ``log p - log(1 - p)``, whose sigmoid is p. Both are computed from log probabilities in float32, so that
        confident members give neither 0 nor infinity.

        Args:
            inputs: Normalised images (N, C, H, W).
            batch_img_metas: The meta information of each image.

        Returns:
            float32 (N, K, H, W), K output channels.
        """
        mean = None
        for member in self.members:
            # Sliding-window inference changes the metas.
            terms = _log_probabilities(member.inference(inputs, copy.deepcopy(batch_img_metas)))  # type: ignore[operator]
            mean = terms if mean is None else torch.logaddexp(mean, terms)
        self.acted += self._others
        mean = mean - math.log(len(self.members))  # type: ignore[assignment, operator]
        return mean if self.out_channels > 1 else mean[:, :1] - mean[:, 1:]  # type: ignore[index, operator, return-value]

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """The same as :meth:`inference`, in which each member chooses whole images or windows."""
        return self.inference(inputs, batch_img_metas)

    def predict(self, inputs: Tensor, data_samples: list | None = None) -> list:
        """Predict normalised images (N, C, H, W), as ``EncoderDecoder.predict`` does.

        Returns:
            The samples with ``pred_sem_seg`` and ``seg_logits``.
        """
        shape = tuple(inputs.shape[2:])
        blank = dict(ori_shape=shape, img_shape=shape, pad_shape=shape, padding_size=[0, 0, 0, 0])
        metas = [blank] * len(inputs) if data_samples is None else [sample.metainfo for sample in data_samples]
        return self.postprocess_result(self.inference(inputs, metas), data_samples)

    def extract_feat(self, inputs: Tensor) -> tuple:
        """Not supported: each member has its own features.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError('an ensemble predicts, and has no features of its own; ask its members')

    def loss(self, inputs: Tensor, data_samples: list) -> dict:
        """Not supported: members are trained one by one.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError('an ensemble is not trained as a whole; train its members and combine them')

    def _forward(self, inputs: Tensor, data_samples: list | None = None) -> Tensor:
        shape = tuple(inputs.shape[2:])
        return self.inference(inputs, [dict(ori_shape=shape, img_shape=shape)] * len(inputs))


def _log_probabilities(logits: Tensor) -> Tensor:
    """Log probabilities of the classes (N, K, H, W); for one channel those of p and 1 - p (N, 2, H, W)."""
    logits = logits.float()
    if logits.shape[1] > 1:
        return log_softmax(logits, dim=1)
    return torch.cat([logsigmoid(logits), logsigmoid(-logits)], dim=1)


def _refuse_misfits(members: Sequence[nn.Module]) -> None:
    if not members:
        raise ValueError('an ensemble needs at least one member')
    first = members[0]
    for number, member in enumerate(members[1:], 2):
        for name in ('out_channels', 'num_classes', 'align_corners'):
            if getattr(member, name) != getattr(first, name):
                raise ValueError(
                    f'member {number} of the ensemble has {name} {getattr(member, name)}, the first one '
                    f'{getattr(first, name)}: their maps cannot be averaged; make them equal'
                )
        _refuse_other_input(number, member, first)


def _refuse_other_input(number: int, member: Any, first: Any) -> None:
    """Refuse a member that prepares images differently; both have a ``data_preprocessor`` and a ``test_cfg``."""
    for name, (own, wanted) in _preparation(member, first).items():
        if _plain(own) != _plain(wanted):
            raise ValueError(
                f'member {number} of the ensemble prepares images with {name} {own}, the first one '
                f'with {wanted}: they cannot share their input; give all one data_preprocessor'
            )
    own, wanted = ({'mode': 'whole', **(model.test_cfg or {})} for model in (member, first))
    if _plain(own) != _plain(wanted):
        raise ValueError(
            f'member {number} of the ensemble has the test_cfg {own}, the first one {wanted}: they cannot '
            'share their input; give all one model.test_cfg'
        )


def _plain(node: Any) -> Any:
    """Tuples as lists and mappings as dicts: the config in a checkpoint may use other types for the same values."""
    if isinstance(node, Mapping):
        return {key: _plain(value) for key, value in node.items()}
    return [_plain(value) for value in node] if isinstance(node, (list, tuple)) else node


def _preparation(*models: Any) -> dict[str, list]:
    """The settings by which data preprocessors change an image at test time: name → the value of each model."""

    def facts(model: Any) -> dict:
        preprocessor = model.data_preprocessor
        found = {
            name: getattr(preprocessor, name, None)
            for name in ('size', 'size_divisor', 'pad_val', 'test_cfg', '_channel_conversion')
        }
        for name in ('mean', 'std'):
            value = getattr(preprocessor, name, None)
            found[name] = None if value is None else value.flatten().tolist()
        return found

    every = [facts(model) for model in models]
    return {name: [one[name] for one in every] for name in every[0]}


def _differ(first: nn.Module, second: nn.Module) -> bool:
    one, other = first.state_dict(), second.state_dict()
    same = one.keys() == other.keys() and all(
        value.shape == other[name].shape and torch.equal(value.cpu(), other[name].cpu()) for name, value in one.items()
    )
    return not same


def combine(members: Sequence[tuple[dict, dict]]) -> dict:
    """Combine the checkpoints of several networks into the checkpoint of an ensemble.

    Args:
        members: For each member its checkpoint, which has a ``state_dict``, and the config of its model.

    Returns:
        A checkpoint for :class:`EnsembleHook`. Without the hook, mmsegmentation reads the first member from it.
    """
    checkpoints = [checkpoint for checkpoint, _ in members]
    return dict(
        state_dict=checkpoints[0]['state_dict'],
        meta=checkpoints[0].get('meta', {}),
        ensemble=[dict(state_dict=checkpoint['state_dict'], model=model) for checkpoint, model in members],
    )


def build_ensemble(first: nn.Module, members: Sequence[dict]) -> EnsembleModel:
    """Build the model of a combined checkpoint.

    Args:
        first: The first member, a model that has loaded the checkpoint.
        members: The list ``ensemble`` of the checkpoint.

    Raises:
        RuntimeError: The weights of a member do not fit the config of its model.
        ValueError: Members do not fit together; see :class:`EnsembleModel`.
    """
    others = []
    for number, row in enumerate(members[1:], 2):
        member = MODELS.build(ConfigDict(copy.deepcopy(row['model'])))
        try:
            load_state_dict(member, row['state_dict'], strict=True)
        except RuntimeError as error:
            raise RuntimeError(f'the weights of member {number} of the ensemble do not fit: {error}') from error
        others.append(member.to(next(first.parameters()).device).eval())
    return EnsembleModel([first, *others])


@HOOKS.register_module()
class EnsembleHook(Hook):
    """Test all members of a combined checkpoint: replace ``runner.model`` before the test, restore it afterwards.

    The hook reads the checkpoint file that the runner loaded. A config with the key ``ensemble``, for example
    ``ensemble=dict(seeds=3)``, requires a combined checkpoint. Without the key, the checkpoint of a single network is
    tested as without the hook.
    """

    tests_all_members = True
    priority = 'ABOVE_NORMAL'  # before InferenceHook, whose views go around the ensemble

    def __init__(self) -> None:
        self._replaced: nn.Module | None = None

    @staticmethod
    def check(config: Mapping) -> None:
        """Refuse members that could not be tested together, before any of them is trained.

        Only members with a complete ``model`` in the config are checked.

        Raises:
            ValueError: Members prepare images differently; the message names the difference.
        """
        configs = [member['model'] for member in (config.get(MEMBERS) or {}).get('members') or [] if 'model' in member]
        models = [
            SimpleNamespace(
                test_cfg=model.get('test_cfg'),
                data_preprocessor=MODELS.build(
                    copy.deepcopy(model.get('data_preprocessor') or dict(type='BaseDataPreprocessor'))
                ),
            )
            for model in configs
        ]
        for number, model in enumerate(models[1:], 2):
            _refuse_other_input(number, model, models[0])

    def before_test(self, runner: Runner) -> None:
        """Replace the model by the ensemble.

        Raises:
            ValueError: The config asks for an ensemble, but the checkpoint holds a single network.
        """
        if self._replaced is None:  # after an interrupted test, runner.model is still an ensemble
            self._replaced = runner.model
        members = _members_of(runner._load_from)
        if members:
            plain = self._replaced.module if is_model_wrapper(self._replaced) else self._replaced
            runner.model = build_ensemble(plain, members)  # type: ignore[arg-type]
        elif runner.cfg.get(MEMBERS):
            raise ValueError(
                f'the config asks for an ensemble, but the checkpoint {runner._load_from} holds one '
                "network alone; combine its members' checkpoints (plugins.tools.combine_checkpoints), or "
                f"take '{MEMBERS}' and EnsembleHook out of the config to test one of them"
            )

    def after_test(self, runner: Runner) -> None:
        """Restore the model."""
        runner.model, self._replaced = self._replaced, None


def _members_of(checkpoint: str | None) -> list[dict]:
    if checkpoint is None:
        return []
    return CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu').get(MEMBERS) or []
