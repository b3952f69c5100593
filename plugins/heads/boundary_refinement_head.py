"""Boundary refinement: a small encoder-decoder adds a learned residual to the logits of a head (Qin et al. 2019)."""

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

from plugins.arguments import check_whole


class ResidualRefinement(nn.Module):
    """The residual R(x) of a refinement x + R(x): a U-Net of 3×3 convolutions.

    Its layers are: one convolution of the logits; ``depth`` times a convolution and a 2×2 max pooling; a convolution at
    the bottom; ``depth`` times resizing, concatenation with the features of the level, and a convolution. All
    convolutions have the same width, normalisation and ReLU. The last convolution has neither, and its initial weights
    are 0, so that R(x) = 0 at first. Sizes need not be divisible by 2.

    Args:
        classes: The number of channels K of the logits.
        channels: The width of the convolutions; 64 in the paper.
        depth: How often the resolution is halved; 4 in the paper.
        norm_cfg: mmcv config of the normalisation.

    Raises:
        ValueError: ``channels`` or ``depth`` is not positive.
    """

    def __init__(self, classes: int, channels: int, depth: int, norm_cfg: ConfigType | None) -> None:
        super().__init__()
        check_whole('refinement_channels', channels)
        check_whole('refinement_depth', depth)
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
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, logits: Tensor) -> Tensor:
        """The residual R(x) (N, K, H, W) of the logits x (N, K, H, W)."""
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
    """Refuse a head class whose predictions or losses are not computed from the logits of its ``forward`` alone.

    Classes that override the methods of BaseDecodeHead are refused. A class that overrides them, but still computes all
    from the logits, has an attribute ``plain_logits = True``.

    Raises:
        TypeError: The head is refused; the message names the overridden method.
    """
    if not issubclass(kind, BaseDecodeHead):
        raise TypeError(
            f'BoundaryRefinementHead refines the logits of a BaseDecodeHead, and {kind.__name__} is none '
            f'(such as heads that predict masks): wrap a head that gives one map of logits'
        )
    # EncHead computes loss and prediction from its logits, and adds a loss of its semantic encoding.
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
    """Set losses to evaluation mode, so that a loss that counts its training calls (for a ramp) does not count."""
    training = [module for module in losses.modules() if module.training]
    losses.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@MODELS.register_module()
class BoundaryRefinementHead(BaseDecodeHead):
    """Any decode head, followed by the refinement logits + R(logits) (:class:`ResidualRefinement`).

    The losses of the inner head train both the coarse logits (``coarse.loss_…``) and the refined logits (``loss_…``). A
    loss that counts its training calls (FocalDiceBoundaryLoss with a ramp) only counts the call for the refined logits.
    The attributes that segmentors read (classes, threshold, losses, sampler …) are those of the inner head. The head
    may be the last head of mmseg's CascadeEncoderDecoder if the inner head may.

    Source: the refinement module of Qin et al., "BASNet: Boundary-Aware Salient Object Detection", CVPR 2019; there it
    has width 64, depth 4 and one class.

    Args:
        head: Config of the inner head, a BaseDecodeHead that gives one map of logits.
        refinement_channels: Width of the convolutions of the refinement.
        refinement_depth: How often the refinement halves the resolution.
        norm_cfg: mmcv config of the normalisation in the refinement.

    Raises:
        TypeError: The inner head does not compute predictions and losses from its logits alone (as Mask2Former).
        ValueError: ``refinement_channels`` or ``refinement_depth`` is not positive.
    """

    wraps = 'head'  # the inner head's parameters get the same initial values as without this head

    def __init__(
        self,
        head: ConfigType,
        refinement_channels: int = 64,
        refinement_depth: int = 4,
        norm_cfg: ConfigType | None = dict(type='BN'),
    ) -> None:
        # Not the constructor of BaseDecodeHead, which would create a second classifier and second losses.
        BaseModule.__init__(self)
        kind = MODELS.get(head['type']) if isinstance(head['type'], str) else head['type']
        if kind is not None:  # MODELS.build reports an unknown type
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
        """The losses of the inner head."""
        return self.head.loss_decode

    @property
    def sampler(self):
        """The pixel sampler of the inner head, or None."""
        return self.head.sampler

    def _both(self, *inputs) -> tuple[Tensor | tuple, Tensor]:
        """The output of the inner head, and the refined logits."""
        given = self.head(*inputs)
        coarse = given[0] if isinstance(given, tuple) else given
        return given, coarse + self.refinement(coarse)

    def forward(self, inputs: Sequence[Tensor], *prev_output: Tensor) -> Tensor:
        """Refined logits (N, out_channels, H, W) of the backbone's levels, in a cascade also of the previous logits."""
        return self._both(inputs, *prev_output)[1]

    def loss(self, *inputs_samples_cfg) -> dict[str, Tensor]:
        """The losses of the coarse and of the refined logits."""
        *inputs, batch_data_samples, _ = inputs_samples_cfg
        given, refined = self._both(*inputs)
        with uncounted(self.loss_decode):
            coarse = self.head.loss_by_feat(given, batch_data_samples)
        losses = {f'coarse.{name}': value for name, value in coarse.items()}
        return losses | self.loss_by_feat(refined, batch_data_samples)

    def predict(self, *inputs_metas_cfg) -> Tensor:
        """The refined logits in the size of the input image."""
        *inputs, batch_img_metas, _ = inputs_metas_cfg
        return self.predict_by_feat(self.forward(*inputs), batch_img_metas)
