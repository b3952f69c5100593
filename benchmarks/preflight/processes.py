"""Do several processes that train one network give the numbers of one process?"""

import copy
import warnings
from collections.abc import Callable
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.stacks.processes import PROCESSES, processes_of, refuse_uneven_batch


def check_processes(config: dict, origin: str, built: Callable[[str, Any, Callable[[Any], Any]], Any]) -> None:
    """Refuse a training whose processes would compute something else than one process.

    A layer of batch norm takes the statistics of its own process's images, unless mmengine synchronises it.

    Args:
        config: A resolved config.
        origin: The name of the config in messages.
        built: Builds each distinct part once (:class:`benchmarks.preflight.builds.BuiltOnce`).

    Raises:
        BadInput: The batch cannot be divided evenly, or batch norm would see a part of the batch.
    """
    count = processes_of(config)
    if count == 1:
        return
    refuse_uneven_batch(config, origin)
    if config.get('sync_bn'):
        return
    layers = built('batch norm', config['model'], _batch_norms)
    if layers:
        raise BadInput(
            f'{origin}: {len(layers)} layers of batch norm ({layers[0]} and others) would each see 1/{count} of the '
            f'batch, because torch synchronises batch norm on GPUs alone; train on GPUs, leave out '
            f"--processes-per-training ({PROCESSES}={count}), or take another norm, such as norm_cfg=dict(type='GN', "
            f'num_groups=4)'
        )


def _batch_norms(model: dict) -> list[str]:
    """The names of the layers that normalise by the statistics of a batch."""
    from mmengine.config import ConfigDict
    from mmseg.registry import MODELS
    from torch.nn.modules.batchnorm import _BatchNorm
    from torch.nn.modules.instancenorm import _InstanceNorm

    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        network = MODELS.build(ConfigDict(copy.deepcopy(model)))
    return [
        name
        for name, layer in network.named_modules()
        if isinstance(layer, _BatchNorm) and not isinstance(layer, _InstanceNorm)
    ]
