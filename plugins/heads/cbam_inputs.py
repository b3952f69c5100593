"""Attention on the features that a decode head selects, for any mmsegmentation head that selects its inputs."""

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from plugins.attention.cbam import CBAM


class CBAMInputs(BaseDecodeHead):
    """A CBAM block between the selected input features and everything else of a head.

    To be put before the head's class: ``class CBAMFCNHead(CBAMInputs, FCNHead)``. An overlay on that head changes
    ``type`` alone: the head's parameters keep their names, and are created before the block's. Levels that are joined
    first have one block; a head that selects several has one for each, in the order of ``in_index``.

    Args:
        cbam_reduction: of the channel attention's hidden layer.
        cbam_kernel_size: of the spatial attention's convolution, odd.
        **kwargs: arguments of the head, which refuses unknown ones.
    """

    def __init__(self, cbam_reduction: int = 16, cbam_kernel_size: int = 7, **kwargs) -> None:
        super().__init__(**kwargs)
        if self.input_transform == 'multiple_select':
            self.cbam = nn.ModuleList(CBAM(channels, cbam_reduction, cbam_kernel_size) for channels in self.in_channels)
        else:
            self.cbam = CBAM(self.in_channels, cbam_reduction, cbam_kernel_size)

    def _transform_inputs(self, inputs: list[Tensor]) -> Tensor | list[Tensor]:
        """Select (and join) the input levels, then attend: whatever the head does with them sees the result."""
        selected = super()._transform_inputs(inputs)
        if self.input_transform == 'multiple_select':
            return [block(level) for block, level in zip(self.cbam, selected)]
        return self.cbam(selected)
