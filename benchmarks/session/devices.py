"""Which device a grid runs on.

It is chosen without importing torch, which takes seconds: a finished grid needs nothing of it. What only torch can
know, such as a driver that is too old for it, shows when CUDA is started, which NVML's word cannot replace:
:func:`why_unusable`, in a process of its own, once something is to be run.
"""

import importlib.util
import os
import re
from itertools import takewhile
from pathlib import Path

from benchmarks.errors import BadInput
from benchmarks.session.environment import gpus

VISIBLE = 'CUDA_VISIBLE_DEVICES'


def choose_device(asked: str | None) -> str:
    """The device to run on: what was asked for, or a GPU if there is one.

    A GPU counts when nvidia-smi lists it, ``CUDA_VISIBLE_DEVICES`` does not hide it, and torch is a build for CUDA.

    Args:
        asked: ``cpu``, ``cuda``, ``cuda:N``, or None for no wish.

    Returns:
        ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        BadInput: There is no such device, or no GPU where one was asked for.
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


def expose(device: str) -> str:
    """Let this process's children see the one device that they are to use; returns what they call it.

    It has to be said before they import torch: mmengine asks for a GPU once, while it is imported. It is to be told by
    NVML, because CUDA, once started in the server that stages are forked from, could not be started in them. The one
    GPU that ``cuda:1`` leaves visible is theirs under the name ``cuda``.
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
    """Start CUDA in this process and compute on the GPU: None, or torch's reason why it cannot be done.

    A GPU that is full now is one that can be used.
    """
    import torch

    try:
        torch.ones(2, device='cuda').sum().item()
    except Exception as error:
        if 'out of memory' in str(error):
            return None
        return (str(error).splitlines() or [repr(error)])[0]
    return None


def _visible(count: int) -> int:
    """How many GPUs ``CUDA_VISIBLE_DEVICES`` leaves of the machine's: CUDA stops at the first that is not there."""
    named = os.environ.get(VISIBLE)
    if named is None or not count:
        return count
    listed = map(str.strip, named.split(','))
    there = takewhile(lambda one: one.startswith(('GPU-', 'MIG-')) or one.isdigit() and int(one) < count, listed)
    return len(list(there))


def _torch_build() -> dict[str, str]:
    """What torch says of itself: ``__version__``, ``cuda`` …, the values as its source has them, but for quotes."""
    return {name: value.strip('\'"') for name, value in re.findall(r'^(\w+)\b.*?= *(.+)$', _version_file(), re.M)}


def _version_file() -> str:
    """torch's ``version.py``, read without importing torch; empty where a build has none."""
    found = importlib.util.find_spec('torch')
    try:
        return (Path(found.origin).parent / 'version.py').read_text()
    except (AttributeError, TypeError, OSError):
        return ''
