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

from plugins.arguments import check_whole, check_wholes
from plugins.attention.attention_gate import AttentionGate


def fine_to_coarse(strides: Sequence[int]) -> list[int]:
    """The order of levels from fine to coarse: rising strides, and for equal strides the shallow level first.

    Encoders return fine levels first, and for equal strides (a dilated ResNet, a ViT) the shallow level. Backbones with
    a decoder (mmseg's UNet) return coarse levels first.

    Args:
        strides: Strides of the levels in the order of the backbone's output.

    Returns:
        Indices into ``strides``.
    """
    order = list(range(len(strides)))
    if strides[0] > strides[-1]:
        order.reverse()
    return sorted(order, key=lambda level: strides[level])


def convolutions(in_channels: int, out_channels: int, count: int, **conv_cfg) -> nn.Sequential:
    """``count`` convolutions of size 3×3, each with normalisation and activation from ``conv_cfg``."""
    widths = [in_channels] + [out_channels] * count
    return nn.Sequential(
        *(ConvModule(before, after, 3, padding=1, **conv_cfg) for before, after in zip(widths, widths[1:]))
    )


class Decoder(nn.Module):
    """One step of the decoder: resize the coarser features, concatenate the skip connection, convolve.

    y = convs([gate(x, g), resize(g)]), where convs are ``num_convs`` 3×3 convolutions, each with normalisation and
    activation.

    Args:
        coarse_channels: Number of channels of the coarser features g.
        skip_channels: Number of channels of the skip connection x.
        out_channels: Number of channels of the result y.
        num_convs: Number of convolutions of the step.
        gated: Whether an attention gate weights the skip connection.
        align_corners: The ``align_corners`` of the bilinear resizing of g.
        **conv_cfg: The norm_cfg and act_cfg of mmcv's ConvModule.
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
        """y (N, C', H, W) of the coarser features g (N, G, h, w) and the skip connection x (N, C, H, W)."""
        enlarged = resize(coarse, size=skip.shape[2:], mode='bilinear', align_corners=self.align_corners)
        weighted = skip if self.gate is None else self.gate(skip, coarse)
        return self.convs(torch.cat([weighted, enlarged], dim=1))


@MODELS.register_module()
class UNetHead(BaseDecodeHead):
    """A U-Net decoder: it decodes from the coarsest level to the finest, and gives logits at the finest level.

    The number of levels and their sizes are arbitrary: features are resized to the size of the next finer level. A
    single level is only convolved. A decoder step at stride s has min(channels_per_stride · s, max_channels) channels:
    as in a U-Net, the width doubles if the resolution halves.

    It may be the last head of mmseg's CascadeEncoderDecoder; it ignores the prediction of the previous head.

    Sources: Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015; Oktay
    et al., "Attention U-Net", MIDL 2018 for the gates. Here each skip connection has a gate, whose gating signal is the
    decoded features of the next coarser level.

    Args:
        in_channels: Number of channels of each level.
        in_strides: Stride of each level, which determines the order (see :func:`fine_to_coarse`).
        in_index: Index of each level in the output of the backbone or neck; None takes all levels in their order.
        channels_per_stride: Width of the decoder at stride 1.
        max_channels: Largest width of a decoder step.
        num_convs: Number of 3×3 convolutions of each step.
        attention_gates: Whether attention gates weight the skip connections.
        norm_cfg: mmcv config of the normalisation.
        **kwargs: Arguments of BaseDecodeHead, except ``channels`` and ``input_transform``, which this head sets.

    Raises:
        ValueError: The lists have different lengths, or a number is not positive.
    """

    plain_logits = True  # loss and predict are overridden only for the additional argument in a cascade

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
        check_wholes('in_channels', in_channels, least=1)
        check_wholes('in_strides', in_strides)
        for name, value in (
            ('channels_per_stride', channels_per_stride),
            ('max_channels', max_channels),
            ('num_convs', num_convs),
        ):
            check_whole(name, value)
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
        """The decoded features (N, channels, H, W) of the backbone's levels."""
        levels = [inputs[index] for index in self.in_index]
        # A ViT may return each level together with its class token.
        levels = [level[0] if isinstance(level, (list, tuple)) else level for level in levels]
        *skips, features = [levels[position] for position in self.order]
        if not skips:
            return self.steps[0](features)
        for step, skip in zip(reversed(self.steps), reversed(skips)):
            features = step(features, skip)
        return features

    def forward(self, inputs: Sequence[Tensor], prev_output: Tensor | None = None) -> Tensor:
        """The logits (N, out_channels, H, W) of the backbone's levels."""
        return self.cls_seg(self.decode(inputs))

    def loss(self, inputs: Sequence[Tensor], *prev_samples_cfg) -> dict[str, Tensor]:
        """The losses; in a cascade, the second argument is the previous prediction, which is ignored."""
        *_, batch_data_samples, train_cfg = prev_samples_cfg
        return super().loss(inputs, batch_data_samples, train_cfg)

    def predict(self, inputs: Sequence[Tensor], *prev_metas_cfg) -> Tensor:
        """The logits in the size of the input image; in a cascade, the second argument is ignored."""
        *_, batch_img_metas, test_cfg = prev_metas_cfg
        return super().predict(inputs, batch_img_metas, test_cfg)
