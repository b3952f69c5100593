"""U-Net decoder on the feature pyramid of any backbone, with or without attention gates."""

# N images, C_l channels of level l at stride s_l, H×W pixels of the finest level
from collections.abc import Sequence

import torch
from mmcv.cnn import ConvModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.utils import ConfigType
from torch import Tensor, nn

from plugins.attention.attention_gate import AttentionGate


def fine_to_coarse(strides: Sequence[int]) -> list[int]:
    """The order of levels that a decoder climbs down: rising strides, and among equal ones the shallow level first.

    Encoders give fine levels first, and of equal strides (a dilated ResNet, a ViT) the shallow one; backbones that
    decode themselves (mmseg's UNet) give coarse levels first.

    Args:
        strides: Of the levels in the order in which they are given.

    Returns:
        Indices of ``strides``.
    """
    order = list(range(len(strides)))
    if strides[0] > strides[-1]:
        order.reverse()
    return sorted(order, key=lambda level: strides[level])


def convolutions(in_channels: int, out_channels: int, count: int, **conv_cfg) -> nn.Sequential:
    """``count`` 3×3 convolutions, each with normalisation and activation (``conv_cfg``)."""
    widths = [in_channels] + [out_channels] * count
    return nn.Sequential(
        *(ConvModule(before, after, 3, padding=1, **conv_cfg) for before, after in zip(widths, widths[1:]))
    )


class Decoder(nn.Module):
    """One step up: enlarge the coarser features, join the skip connection, convolve.

    y = convs([gate(x, g), resize(g)]), convs being ``num_convs`` times 3×3 convolution, normalisation, activation.

    Args:
        coarse_channels: Of the coarser features g.
        skip_channels: Of the skip connection x.
        out_channels: Of the result.
        num_convs: Convolutions of the step.
        gated: Whether an attention gate weighs the skip connection.
        align_corners: How g is resized, bilinearly.
        **conv_cfg: norm_cfg and act_cfg of mmcv's ConvModule.
    """

    def __init__(
        self,
        coarse_channels: int,
        skip_channels: int,
        out_channels: int,
        num_convs: int,
        gated: bool,
        align_corners: bool,
        **conv_cfg,
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.gate = AttentionGate(skip_channels, coarse_channels) if gated else None
        self.convs = convolutions(coarse_channels + skip_channels, out_channels, num_convs, **conv_cfg)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """g (N, G, h, w) and x (N, C, H, W) to (N, C', H, W)."""
        enlarged = resize(coarse, size=skip.shape[2:], mode='bilinear', align_corners=self.align_corners)
        weighted = skip if self.gate is None else self.gate(skip, coarse)
        return self.convs(torch.cat([weighted, enlarged], dim=1))


@MODELS.register_module()
class UNetHead(BaseDecodeHead):
    """From the coarsest level to the finest, each joined with what was decoded so far; logits at the finest level.

    Any number of levels (one is convolved alone), any sizes: features are resized to the size that the next finer
    level happens to have. A decoder step at stride s has min(channels_per_stride · s, max_channels) channels, so that
    the width doubles where the resolution halves, as in a U-Net, whatever the strides are.

    It may stand last in mmseg's CascadeEncoderDecoder; it does not look at the previous head's prediction.

    Sources: Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015; Oktay
    et al., "Attention U-Net", MIDL 2018 (the gates; here on every skip connection, the gating signal being what was
    decoded one level below).

    Args:
        in_channels: Of each level.
        in_strides: Of each level; says which is finer (see :func:`fine_to_coarse`).
        in_index: The levels, by their index in the backbone's (or neck's) output; by default all, in its order.
        channels_per_stride: Width of the decoder at stride 1.
        max_channels: No decoder step is wider.
        num_convs: 3×3 convolutions of each step.
        attention_gates: Whether attention gates weigh the skip connections.
        norm_cfg: mmcv config of the normalisation.
        **kwargs: Arguments of BaseDecodeHead, except ``channels`` and ``input_transform``, which follow from the above.

    Raises:
        ValueError: The lists have different lengths, or something is not positive.
    """

    plain_logits = True  # its loss and predict only tell the arguments of a cascade apart

    def __init__(
        self,
        in_channels: Sequence[int],
        in_strides: Sequence[int],
        in_index: Sequence[int] | None = None,
        channels_per_stride: int = 16,
        max_channels: int = 256,
        num_convs: int = 2,
        attention_gates: bool = False,
        norm_cfg: ConfigType | None = dict(type='BN'),
        **kwargs,
    ) -> None:
        in_index = list(range(len(in_channels))) if in_index is None else in_index
        if not len(in_channels) == len(in_strides) == len(in_index) > 0:
            raise ValueError(
                f'in_channels={list(in_channels)}, in_strides={list(in_strides)}, in_index='
                f'{list(in_index)}: give each level its channels, stride and index'
            )
        if min(channels_per_stride, max_channels, num_convs, *in_strides) < 1:
            raise ValueError(
                f'channels_per_stride={channels_per_stride}, max_channels={max_channels}, num_convs='
                f'{num_convs}, in_strides={list(in_strides)}: all must be at least 1'
            )
        order = fine_to_coarse(in_strides)
        inputs = [in_channels[level] for level in order]
        widths = [min(channels_per_stride * in_strides[level], max_channels) for level in order]
        super().__init__(
            in_channels=list(in_channels),
            channels=widths[0],
            in_index=list(in_index),
            input_transform='multiple_select',
            norm_cfg=norm_cfg,
            **kwargs,
        )
        self.order = order
        conv_cfg = dict(norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
        if len(order) == 1:
            self.steps = nn.ModuleList([convolutions(inputs[0], widths[0], num_convs, **conv_cfg)])
        else:
            coarse = [*widths[1:-1], inputs[-1]]
            self.steps = nn.ModuleList(
                [
                    Decoder(channels, skip, width, num_convs, attention_gates, self.align_corners, **conv_cfg)
                    for channels, skip, width in zip(coarse, inputs, widths)
                ]
            )

    def decode(self, inputs: Sequence[Tensor]) -> Tensor:
        """The backbone's levels to features (N, channels, H, W)."""
        levels = [inputs[index] for index in self.in_index]
        # A ViT may give each level together with its class token.
        levels = [level[0] if isinstance(level, (list, tuple)) else level for level in levels]
        *skips, features = [levels[position] for position in self.order]
        if not skips:
            return self.steps[0](features)
        for step, skip in zip(reversed(self.steps), reversed(skips)):
            features = step(features, skip)
        return features

    def forward(self, inputs: Sequence[Tensor], prev_output: Tensor | None = None) -> Tensor:
        """The backbone's levels to logits (N, out_channels, H, W)."""
        return self.cls_seg(self.decode(inputs))

    def loss(self, inputs: Sequence[Tensor], *prev_samples_cfg) -> dict[str, Tensor]:
        """As BaseDecodeHead's, or as a cascaded head's with the previous prediction as second argument."""
        *_, batch_data_samples, train_cfg = prev_samples_cfg
        return super().loss(inputs, batch_data_samples, train_cfg)

    def predict(self, inputs: Sequence[Tensor], *prev_metas_cfg) -> Tensor:
        """As BaseDecodeHead's, or as a cascaded head's with the previous prediction as second argument."""
        *_, batch_img_metas, test_cfg = prev_metas_cfg
        return super().predict(inputs, batch_img_metas, test_cfg)
