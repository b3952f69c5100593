"""FCN head with attention on its input features."""

from mmseg.models.decode_heads import FCNHead
from mmseg.registry import MODELS

from plugins.heads.cbam_inputs import CBAMInputs


@MODELS.register_module()
class CBAMFCNHead(CBAMInputs, FCNHead):
    """mmsegmentation's FCNHead behind a CBAM block, whose output goes to the convolutions and ``concat_input``."""
