"""FCN head that attends to its input features first."""

from mmseg.models.decode_heads import FCNHead
from mmseg.registry import MODELS

from plugins.heads.cbam_inputs import CBAMInputs


@MODELS.register_module()
class CBAMFCNHead(CBAMInputs, FCNHead):
    """mmsegmentation's FCNHead behind a CBAM block: both the convs and ``concat_input`` see attended features."""
