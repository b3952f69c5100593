"""Size and arithmetic of a model: parameters, and floating-point operations of one complete inference."""

from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count


def parameters(model: nn.Module, trainable_only: bool = False) -> int:
    """Count the elements of a model's parameters; shared memory counts once.

    Args:
        model (nn.Module): The model. Buffers, such as batch-norm statistics, are not parameters.
        trainable_only (bool): Count only those that require a gradient.

    Returns:
        int: The number of elements.
    """
    counted = (parameter for parameter in model.parameters() if parameter.requires_grad or not trainable_only)
    return sum({_memory(parameter): parameter.numel() for parameter in counted}.values())


def flops(inference: Callable[[], object]) -> int:
    """Count the floating-point operations of one complete inference.

    The function calls ``inference`` once, without gradients, and counts all operations that torch dispatches: of each
    window of a sliding inference, each view, each member of an ensemble. One multiply-add is 2 operations. Convolutions
    (also transposed and grouped), matrix products and scaled dot-product attention count; everything else
    (normalisation, activations, resizing, softmax, custom kernels of mmcv, work outside torch) counts as 0. Tools that
    report multiply-adds, such as mmengine's ``get_model_complexity_info``, give about half of this number.

    Args:
        inference (Callable[[], object]): Runs the inference, without arguments, on an eager model: a compiled graph
            hides its operations.

    Returns:
        int: The number of operations.
    """
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=_ATTENTION_ON_CPU) as counter:
        inference()
    return counter.get_total_flops()


def _attention_flops(query: torch.Size, key: torch.Size, value: torch.Size, *_, **__) -> int:
    return sdpa_flop_count(query, key, value)


# torch's counter knows the fused attention of CUDA. The fused attention of the CPU would count as 0.
_ATTENTION_ON_CPU = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops}


def _memory(parameter: nn.Parameter) -> tuple:
    storage = parameter.untyped_storage().data_ptr()
    # The meta device allocates nothing: there only the identity of the object tells two parameters apart.
    return (parameter.device, storage, parameter.storage_offset(), parameter.numel()) if storage else (id(parameter),)
