"""SegFormer head with attention on its input features."""

from mmseg.models.decode_heads import SegformerHead
from mmseg.registry import MODELS

from plugins.heads.cbam_inputs import CBAMInputs


@MODELS.register_module()
class CBAMSegformerHead(CBAMInputs, SegformerHead):
    """mmsegmentation's SegformerHead with a CBAM block on each of its input levels."""
