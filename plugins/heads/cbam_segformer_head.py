"""SegFormer head that attends to its input features first."""

from mmseg.models.decode_heads import SegformerHead
from mmseg.registry import MODELS

from plugins.heads.cbam_inputs import CBAMInputs


@MODELS.register_module()
class CBAMSegformerHead(CBAMInputs, SegformerHead):
    """mmsegmentation's SegformerHead with a CBAM block for each of the levels that it joins."""
