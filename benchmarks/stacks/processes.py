"""How many processes train one network together, and the config of each of them.

A config's ``processes_per_training`` is their number; without it one process trains. The config says the batch of all
processes together, so that learning rate, steps and schedule mean the same for any number of processes.
"""

from collections.abc import Mapping
from typing import Any

from benchmarks.errors import BadInput

PROCESSES = 'processes_per_training'
# mmengine's own but for the GPU that it names, which a model on the CPU has not.
WRAPPER = dict(type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False)


def processes_of(config: Mapping[str, Any]) -> int:
    """The number of processes that train one network of a config."""
    return config.get(PROCESSES) or 1


def trained_by(config: dict, count: int, device: str) -> dict:
    """A baseline's config, to be trained by ``count`` processes; a config of one process has no key for that.

    Args:
        config: The resolved config.
        count: The number of processes of a training.
        device: ``cpu`` or ``cuda``. On GPUs mmengine synchronises batch norm over the processes, unless the config has
            a ``sync_bn`` of its own.
    """
    plain = {key: value for key, value in config.items() if key != PROCESSES}
    if count == 1:
        return plain
    synchronised = {} if device == 'cpu' else dict(sync_bn=config.get('sync_bn') or 'torch')
    return {**plain, PROCESSES: count, **synchronised}


def share_of(config: dict, device: str) -> dict:
    """The config of one of the processes that train together: its share of each batch, and mmengine's launcher.

    Args:
        config: A resolved config with several processes.
        device: ``cpu`` or ``cuda``.

    Raises:
        BadInput: The batch cannot be divided evenly.
    """
    refuse_uneven_batch(config, 'this training')
    loader = config['train_dataloader']
    shared: dict[str, Any] = dict(launcher='pytorch')
    if device == 'cpu':
        unused = bool(config.get('find_unused_parameters'))
        shared['model_wrapper_cfg'] = {
            **WRAPPER,
            'find_unused_parameters': unused,
            **(config.get('model_wrapper_cfg') or {}),
        }
    batch = loader['batch_size'] // processes_of(config)
    return {**config, **shared, 'train_dataloader': {**loader, 'batch_size': batch}}


def refuse_uneven_batch(config: Mapping[str, Any], origin: str) -> None:
    """Refuse a batch of which the processes would get unequal shares.

    Raises:
        BadInput: Names the batch size and the numbers of processes that divide it.
    """
    count, batch = processes_of(config), config['train_dataloader'].get('batch_size') or 1
    if batch % count:
        divisors = ', '.join(str(number) for number in range(1, batch + 1) if batch % number == 0)
        raise BadInput(
            f'{origin}: --processes-per-training {count} cannot share train_dataloader.batch_size={batch} evenly; '
            f'give one of {divisors}, or a batch size that {count} divides'
        )
