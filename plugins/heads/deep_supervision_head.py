"""Deep supervision: each level of the feature pyramid predicts the labels during training."""

# C_l channels of level l at stride s_l
from collections.abc import Sequence

from mmcv.cnn import ConvModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from mmseg.utils import ConfigType, SampleList
from torch import Tensor, nn

from plugins.arguments import check_whole, check_wholes


def level_weights(strides: Sequence[int]) -> list[float]:
    """The weights w_l = (1 / s_l) / Σ (1 / s): a level of half the resolution has half the weight."""
    total = sum(1 / stride for stride in strides)
    return [1 / stride / total for stride in strides]


@MODELS.register_module()
class DeepSupervisionHead(BaseDecodeHead):
    """An auxiliary head with the loss Σ w_l L(logits of level l, labels), with w_l from :func:`level_weights`.

    Each level has a 3×3 convolution with normalisation and activation, and a classifier. The logits are resized to the
    labels. As ``auxiliary_head`` it only takes part in the training. The losses are logged for each level, already
    weighted: ``level0.loss_ce`` … in the order of ``in_index``.

    Sources: Lee et al., "Deeply-Supervised Nets", AISTATS 2015; weights as in Isensee et al., "nnU-Net", Nature Methods
    2021, which halves them with the resolution.

    Args:
        in_channels: Number of channels of each level.
        in_strides: Stride of each level.
        in_index: Index of each level in the output of the backbone or neck; None takes all levels in their order.
        channels: Width of the 3×3 convolution of each level.
        norm_cfg: mmcv config of the normalisation.
        init_cfg: mmengine config of the initialisation; by default each classifier is initialised as in BaseDecodeHead.
        **kwargs: Arguments of BaseDecodeHead, except ``input_transform``. ``loss_decode`` is L; its ``loss_weight`` is
            the weight of all levels together.

    Raises:
        ValueError: The lists have different lengths, or a stride is not positive.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        in_strides: Sequence[int],
        in_index: Sequence[int] | None = None,
        channels: int = 16,
        norm_cfg: ConfigType | None = dict(type='BN'),
        init_cfg: ConfigType = dict(type='Normal', std=0.01, override=dict(name='classifiers')),
        **kwargs,
    ) -> None:
        check_wholes('in_channels', in_channels, least=1)
        check_wholes('in_strides', in_strides)
        check_whole('channels', channels, least=1)
        in_index = list(range(len(in_channels))) if in_index is None else in_index
        if not len(in_channels) == len(in_strides) == len(in_index) > 0 or min(in_strides) < 1:
            raise ValueError(
                f'in_channels={list(in_channels)}, in_strides={list(in_strides)}, in_index='
                f'{list(in_index)}: give each level its channels, stride (at least 1) and index'
            )
        super().__init__(
            in_channels=list(in_channels),
            channels=channels,
            in_index=list(in_index),
            input_transform='multiple_select',
            norm_cfg=norm_cfg,
            init_cfg=init_cfg,
            **kwargs,
        )
        self.weights = level_weights(in_strides)
        del self.conv_seg  # each level has its own classifier
        self.levels = nn.ModuleList(
            [
                ConvModule(width, channels, 3, padding=1, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
                for width in in_channels
            ]
        )
        self.classifiers = nn.ModuleList([nn.Conv2d(channels, self.out_channels, 1) for _ in in_channels])

    def forward(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The logits (N, out_channels, H_l, W_l) of each level."""
        levels = [inputs[index] for index in self.in_index]
        # A ViT may return each level together with its class token.
        levels = [level[0] if isinstance(level, (list, tuple)) else level for level in levels]
        features = [conv(level) for conv, level in zip(self.levels, levels)]
        if self.dropout is not None:
            features = [self.dropout(level) for level in features]
        return [classify(level) for classify, level in zip(self.classifiers, features)]

    def loss_by_feat(self, seg_logits: list[Tensor], batch_data_samples: SampleList) -> dict[str, Tensor]:
        """The weighted losses and the accuracies of all levels, as ``level<n>.<name>``."""
        losses = {}
        for n, (logits, weight) in enumerate(zip(seg_logits, self.weights)):
            for name, value in super().loss_by_feat(logits, batch_data_samples).items():
                losses[f'level{n}.{name}'] = value * weight if 'loss' in name else value
        return losses

    def predict(self, *args) -> Tensor:
        """Not supported: an auxiliary head does not predict.

        Raises:
            TypeError: Always.
        """
        raise TypeError('DeepSupervisionHead only adds losses: use it as auxiliary_head, not as decode_head')
