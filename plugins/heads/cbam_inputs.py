"""Attention on the input features of a decode head, for any mmsegmentation head that selects its inputs."""

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from plugins.attention.cbam import CBAM


class CBAMInputs(BaseDecodeHead):
    """A CBAM block between the selected input features and the rest of a head.

    It is the first base class of a head: ``class CBAMFCNHead(CBAMInputs, FCNHead)``. An overlay on such a head only
    changes ``type``: the parameters of the head keep their names and are created before those of the block. A head that
    concatenates or resizes its levels into one map has one block. A head with ``multiple_select`` has one block for
    each level, in the order of ``in_index``.

    Args:
        cbam_reduction: Factor by which the hidden layer of the channel attention is smaller than its input.
        cbam_kernel_size: Kernel size of the spatial attention, odd.
        **kwargs: Arguments of the head, which refuses unknown ones.
    """

    def __init__(self, cbam_reduction: int = 16, cbam_kernel_size: int = 7, **kwargs) -> None:
        super().__init__(**kwargs)
        if self.input_transform == 'multiple_select':
            self.cbam = nn.ModuleList(CBAM(channels, cbam_reduction, cbam_kernel_size) for channels in self.in_channels)
        else:
            self.cbam = CBAM(self.in_channels, cbam_reduction, cbam_kernel_size)  # type: ignore[assignment]

    def _transform_inputs(self, inputs: list[Tensor]) -> Tensor | list[Tensor]:
        """Select the input levels as the head does, then apply the attention."""
        selected = super()._transform_inputs(inputs)
        if self.input_transform == 'multiple_select':
            return [block(level) for block, level in zip(self.cbam, selected)]
        return self.cbam(selected)
