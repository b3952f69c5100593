"""FCN head that attends to its input features first."""
from mmseg.models.decode_heads import FCNHead
from mmseg.registry import MODELS
from torch import Tensor

from plugins.attention.cbam import CBAM


@MODELS.register_module()
class CBAMFCNHead(FCNHead):
    """mmsegmentation's FCNHead with a CBAM block between the selected input features and everything else.

    An overlay on an FCNHead changes ``type`` alone. The parent's parameters keep their names, and are created before
    the block's.

    Args:
        cbam_reduction: of the channel attention's hidden layer.
        cbam_kernel_size: of the spatial attention's convolution, odd.
        **kwargs: arguments of FCNHead, which refuses unknown ones.
    """

    def __init__(self, cbam_reduction: int = 16, cbam_kernel_size: int = 7, **kwargs) -> None:
        super().__init__(**kwargs)
        self.cbam = CBAM(self.in_channels, cbam_reduction, cbam_kernel_size)

    def _transform_inputs(self, inputs: list[Tensor]) -> Tensor:
        """Select (and join) the input levels, then attend: both the convs and ``concat_input`` see the result."""
        return self.cbam(super()._transform_inputs(inputs))
