"""DeepLabV3+ head with attention on its input features."""

from mmseg.models.decode_heads import DepthwiseSeparableASPPHead
from mmseg.registry import MODELS

from plugins.heads.cbam_inputs import CBAMInputs


@MODELS.register_module()
class CBAMDepthwiseSeparableASPPHead(CBAMInputs, DepthwiseSeparableASPPHead):
    """mmsegmentation's DepthwiseSeparableASPPHead with a CBAM block before the pyramid pooling.

    The low-level features, which the head always reads from level 0, get no attention.
    """
