"""Which device a grid runs on.

The device is chosen without importing torch, which takes seconds: a grid that is finished needs no torch. Some faults
show only when CUDA is started, for example a driver that is too old for this torch. :func:`why_unusable` looks for
them in a process of its own, once there is a stage to run.
"""

import importlib.util
import os
import re
from itertools import takewhile
from pathlib import Path

from benchmarks.errors import BadInput
from benchmarks.run.contract import Launcher
from benchmarks.session.environment import gpus
from benchmarks.store.store import Store

VISIBLE = 'CUDA_VISIBLE_DEVICES'


def choose_device(asked: str | None) -> str:
    """The device to run on: the one that was asked for, or else a GPU if there is one.

    A GPU counts when nvidia-smi lists it, ``CUDA_VISIBLE_DEVICES`` does not hide it, and torch is a build for CUDA.

    Args:
        asked: ``cpu``, ``cuda``, ``cuda:N``, or None to choose.

    Returns:
        ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        BadInput: The device does not exist, or torch cannot use it.
    """
    if asked == 'cpu':
        return 'cpu'
    if asked is not None and not re.fullmatch('cuda(:[0-9]+)?', asked):
        raise BadInput(f'--device {asked}: it is cpu, cuda or cuda:N')
    count = _visible(len(gpus()))
    if not count:
        if asked:
            hidden = f' ({VISIBLE}={os.environ[VISIBLE]!r})' if VISIBLE in os.environ else ''
            raise BadInput(f'--device {asked}: this machine has no GPU that can be used{hidden}; run with --device cpu')
        return 'cpu'
    torch = _torch_build()
    if torch.get('cuda') == 'None':
        if asked:
            raise BadInput(
                f'--device {asked}: there is a GPU, but this torch ({torch.get("__version__")}) cannot use '
                f'it; install a CUDA build, or run with --device cpu'
            )
        return 'cpu'
    index = (asked or 'cuda').partition(':')[2]
    if index and int(index) >= count:
        raise BadInput(f'--device {asked}: there are {count} GPUs, numbered from 0')
    return asked or 'cuda'


def gpu_slots(device: str) -> tuple[str, ...]:
    """The GPUs that stages are dealt out to, as ``CUDA_VISIBLE_DEVICES`` names them; none unless there are several.

    Args:
        device: As :func:`choose_device` gives it; with ``cuda:N`` all stages run on that GPU.
    """
    count = _visible(len(gpus())) if device == 'cuda' else 0
    if count < 2:
        return ()
    named = os.environ.get(VISIBLE)
    return tuple(map(str, range(count))) if named is None else tuple(map(str.strip, named.split(',')))[:count]


def slots_of_several(gpus: tuple[str, ...], each: int, device: str) -> tuple[str, ...]:
    """The slots of stages whose trainings take several GPUs: each slot names its GPUs, separated by commas.

    Args:
        gpus: The GPUs of :func:`gpu_slots`.
        each: How many processes train one network together.
        device: As :func:`choose_device` gives it.

    Raises:
        BadInput: There are fewer GPUs than that, or ``cuda:N`` names a single one.

    Example:
        >>> slots_of_several(('0', '1', '2', '3', '4'), 2, 'cuda')
        ('0,1', '2,3')
    """
    if each == 1 or device == 'cpu':
        return gpus
    if len(gpus) < each:
        there = f'--device {device} is one' if ':' in device else f'there are {max(len(gpus), 1)}'
        raise BadInput(f'--processes-per-training {each}: each process needs a GPU of its own, and {there}')
    return tuple(','.join(gpus[first : first + each]) for first in range(0, len(gpus) - each + 1, each))


def expose(device: str) -> str:
    """Let child processes see only the chosen device; returns its name in them, ``cpu`` or ``cuda``.

    The environment must say it before a child imports torch, because mmengine looks for a GPU while it is imported.
    torch must ask NVML for GPUs: if the server that stages are forked from started CUDA, no stage could use CUDA. With
    ``cuda:1``, children see that GPU alone, and its name there is ``cuda``.
    """
    visible = os.environ.get(VISIBLE)
    kind, _, index = device.partition(':')
    if device == 'cpu':
        os.environ[VISIBLE] = ''
    else:
        os.environ.setdefault('PYTORCH_NVML_BASED_CUDA_CHECK', '1')
    if index:
        os.environ[VISIBLE] = visible.split(',')[int(index)] if visible else index
    return kind


def why_unusable() -> str | None:
    """Start CUDA in this process and compute on the GPU; returns torch's reason if that fails, else None.

    A GPU whose memory is full at the moment counts as usable.
    """
    import torch

    try:
        torch.ones(2, device='cuda').sum().item()
    except Exception as error:
        if 'out of memory' in str(error):
            return None
        return (str(error).splitlines() or [repr(error)])[0]
    return None


def refuse_unusable_gpu(launcher: Launcher, store: Store) -> None:
    """Refuse a GPU that no stage could use. The trial waits until no other driver's stage is being measured.

    Args:
        launcher: Runs the trial in a process of its own.
        store: The store, whose lock says whether a stage has the machine to itself.

    Raises:
        BadInput: torch cannot use the GPU; gives torch's reason.
    """
    with store.machine(alone=False):
        try:
            reason = launcher.call(why_unusable)
        except RuntimeError:
            reason = 'the process that tried it died'
    if reason is not None:
        raise BadInput(f'there is a GPU, but this torch cannot use it: {reason}; cure that, or run with --device cpu')


def _visible(count: int) -> int:
    """How many of the machine's GPUs ``CUDA_VISIBLE_DEVICES`` leaves; CUDA stops at the first that does not exist."""
    named = os.environ.get(VISIBLE)
    if named is None or not count:
        return count
    listed = map(str.strip, named.split(','))
    exist = takewhile(lambda gpu: gpu.startswith(('GPU-', 'MIG-')) or gpu.isdigit() and int(gpu) < count, listed)
    return len(list(exist))


def _torch_build() -> dict[str, str]:
    """The values of torch's ``version.py``, such as ``__version__`` and ``cuda``, as written there without quotes."""
    return {name: value.strip('\'"') for name, value in re.findall(r'^(\w+)\b.*?= *(.+)$', _version_file(), re.M)}


def _version_file() -> str:
    """torch's ``version.py``, read without importing torch; empty where a build has none."""
    spec = importlib.util.find_spec('torch')
    if spec is None or spec.origin is None:
        return ''
    try:
        return (Path(spec.origin).parent / 'version.py').read_text()
    except OSError:
        return ''
