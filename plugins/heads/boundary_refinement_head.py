"""Boundary refinement: a small encoder-decoder adds a learned residual to any head's logits (Qin et al. 2019)."""

# N images, K channels of the logits, H×W their pixels
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmseg.models.decode_heads import EncHead
from mmseg.models.decode_heads.cascade_decode_head import BaseCascadeDecodeHead
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.utils import ConfigType
from torch import Tensor, nn
from torch.nn.functional import max_pool2d


class ResidualRefinement(nn.Module):
    """R(x) of a refinement x + R(x): a U-Net of 3×3 convolutions whose last one starts at zero, so R(x) = 0 at first.

    One convolution on the logits, ``depth`` times (convolution, 2×2 maximum), a convolution at the bottom, and on the
    way up ``depth`` times (enlarge, join with the level's features, convolution); all of the same width, each with
    normalisation and ReLU; then the last convolution, without either. Sizes need not be divisible by 2.

    Args:
        classes: K.
        channels: Width; 64 in the paper.
        depth: How often the resolution is halved; 4 in the paper.
        norm_cfg: mmcv config of the normalisation.

    Raises:
        ValueError: ``channels`` or ``depth`` is not positive.
    """

    def __init__(self, classes: int, channels: int, depth: int, norm_cfg: ConfigType | None) -> None:
        super().__init__()
        if channels < 1 or depth < 1:
            raise ValueError(f'channels={channels}, depth={depth}: both must be at least 1')

        def conv(in_channels: int) -> ConvModule:
            return ConvModule(in_channels, channels, 3, padding=1, norm_cfg=norm_cfg)

        self.first = conv(classes)
        self.down = nn.ModuleList([conv(channels) for _ in range(depth)])
        self.bottom = conv(channels)
        self.up = nn.ModuleList([conv(2 * channels) for _ in range(depth)])
        self.last = nn.Conv2d(channels, classes, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, logits: Tensor) -> Tensor:
        """x (N, K, H, W) to R(x) (N, K, H, W)."""
        features, levels = self.first(logits), []
        for conv in self.down:
            levels.append(conv(features))
            features = max_pool2d(levels[-1], 2, ceil_mode=True)
        features = self.bottom(features)
        for conv, level in zip(self.up, reversed(levels)):
            enlarged = resize(features, size=level.shape[2:], mode='bilinear', align_corners=False)
            features = conv(torch.cat([level, enlarged], dim=1))
        return self.last(features)


def refuse_special(kind: type) -> None:
    """Refuse a class of heads whose logits or losses are not simply those of its ``forward``.

    A head that has methods of its own and is plain all the same says so: ``plain_logits = True``.

    Raises:
        TypeError: Names the head and what it does on its own.
    """
    if not issubclass(kind, BaseDecodeHead):
        raise TypeError(
            f'BoundaryRefinementHead refines the logits of a BaseDecodeHead, and {kind.__name__} is none '
            f'(such as heads that predict masks): wrap a head that gives one map of logits'
        )
    # EncHead: its logits' own loss and prediction, beside a loss of its semantic encoding.
    if issubclass(kind, EncHead) or getattr(kind, 'plain_logits', False):
        return
    for method in ('loss', 'predict', 'loss_by_feat', 'predict_by_feat'):
        usual = [getattr(base, method) for base in (BaseDecodeHead, BaseCascadeDecodeHead)]
        if getattr(kind, method) not in usual:
            raise TypeError(
                f'BoundaryRefinementHead refines the logits of `forward`, but {kind.__name__} has a '
                f'`{method}` of its own: wrap a head that gives one map of logits'
            )


@contextmanager
def uncounted(losses: nn.Module) -> Iterator[None]:
    """Losses are in evaluation mode, in which one that counts its training calls (a ramp) leaves its count alone."""
    training = [module for module in losses.modules() if module.training]
    losses.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@MODELS.register_module()
class BoundaryRefinementHead(BaseDecodeHead):
    """Any decode head, followed by logits + R(logits) (:class:`ResidualRefinement`), at the size of its logits.

    Both the coarse and the refined logits are trained with the inner head's losses: ``coarse.loss_…`` and ``loss_…``.
    A loss that counts its calls in training (FocalDiceBoundaryLoss with a ramp) counts that of the refined logits.
    What segmentors ask of a head (classes, threshold, losses, sampler …) is the inner head's. It may stand last in
    mmseg's CascadeEncoderDecoder when the inner head may.

    Source: Qin et al., "BASNet: Boundary-Aware Salient Object Detection", CVPR 2019 (the refinement module, there of
    width 64 and depth 4, for one class).

    Args:
        head: Config of the inner head, a BaseDecodeHead that gives one map of logits.
        refinement_channels: Width of the refinement.
        refinement_depth: How often the refinement halves the resolution.
        norm_cfg: mmcv config of the refinement's normalisation.

    Raises:
        TypeError: The inner head predicts, or forms its losses, in a way of its own (Mask2Former, PointHead …).
        ValueError: ``refinement_channels`` or ``refinement_depth`` is not positive.
    """

    wraps = 'head'  # whose parameters start as they do without this head

    def __init__(
        self,
        head: ConfigType,
        refinement_channels: int = 64,
        refinement_depth: int = 4,
        norm_cfg: ConfigType | None = dict(type='BN'),
    ) -> None:
        # Not BaseDecodeHead's own: it would make a classifier and losses beside the inner head's.
        BaseModule.__init__(self)
        kind = MODELS.get(head['type']) if isinstance(head['type'], str) else head['type']
        if kind is not None:  # else MODELS.build says so
            refuse_special(kind)
        self.head = inner = MODELS.build(head)
        self.refinement = ResidualRefinement(inner.out_channels, refinement_channels, refinement_depth, norm_cfg)
        for name in (
            'in_channels',
            'in_index',
            'input_transform',
            'channels',
            'num_classes',
            'out_channels',
            'threshold',
            'ignore_index',
            'align_corners',
        ):
            setattr(self, name, getattr(inner, name))

    @property
    def loss_decode(self) -> nn.Module:
        """The inner head's losses."""
        return self.head.loss_decode

    @property
    def sampler(self):
        """The inner head's pixel sampler, or None."""
        return self.head.sampler

    def _both(self, *inputs) -> tuple[Tensor | tuple, Tensor]:
        """What the inner head gives, and the refined logits."""
        given = self.head(*inputs)
        coarse = given[0] if isinstance(given, tuple) else given
        return given, coarse + self.refinement(coarse)

    def forward(self, inputs: Sequence[Tensor], *prev_output: Tensor) -> Tensor:
        """The backbone's levels (and a cascade's previous prediction) to refined logits (N, out_channels, H, W)."""
        return self._both(inputs, *prev_output)[1]

    def loss(self, *inputs_samples_cfg) -> dict[str, Tensor]:
        """Losses of the coarse and the refined logits."""
        *inputs, batch_data_samples, _ = inputs_samples_cfg
        given, refined = self._both(*inputs)
        with uncounted(self.loss_decode):
            coarse = self.head.loss_by_feat(given, batch_data_samples)
        losses = {f'coarse.{name}': value for name, value in coarse.items()}
        return losses | self.loss_by_feat(refined, batch_data_samples)

    def predict(self, *inputs_metas_cfg) -> Tensor:
        """Refined logits at the size of the input."""
        *inputs, batch_img_metas, _ = inputs_metas_cfg
        return self.predict_by_feat(self.forward(*inputs), batch_img_metas)
