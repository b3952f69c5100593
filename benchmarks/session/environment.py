"""The software, hardware and checkout that a run used. Names no user, host or path."""

import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from benchmarks.files import ROOT

# Names of pip; those that are not installed are left out.
_DISTRIBUTIONS = (
    'torch',
    'torchvision',
    'triton',
    'onedl-mmengine',
    'mmengine',
    'mmengine-lite',
    'onedl-mmcv',
    'mmcv',
    'mmcv-lite',
    'onedl-mmsegmentation',
    'mmsegmentation',
    'numpy',
    'scipy',
    'pandas',
    'numba',
    'opencv-python',
    'opencv-python-headless',
    'pydensecrf2',
    'pydensecrf',
    'connected-components-3d',
    'nilearn',
    'ray',
    'submitit',
)
# The libraries whose code computes the numbers, and the distributions that hold them.
_LIBRARIES = dict(torch=('torch',), mmseg=('onedl-mmsegmentation', 'mmsegmentation'))


def environment() -> dict:
    """Describe the software, the hardware and the checkout, without importing a library or starting CUDA.

    Returns:
        dict: ``python`` (str), ``platform`` (str), ``packages`` (dict[str, str], version by distribution name,
        installed ones only), ``cpu`` (dict: ``model`` str | None, ``cores`` and ``usable_cores`` int), ``memory_gib``
        (float | None), ``gpus`` (list[str], empty where none is found), and ``git`` (dict: ``commit`` str | None before
        the first commit, ``dirty`` bool, for untracked files, too, but for none in ``results/``), None where this code
        is not in a git checkout.
    """
    return dict(
        python=platform.python_version(),
        platform=platform.platform(),
        packages=_packages(),
        cpu=dict(model=_cpu_model(), cores=os.cpu_count(), usable_cores=usable_cores()),
        memory_gib=_memory_gib(),
        gpus=gpus(),
        git=_git(ROOT),
    )


def _packages() -> dict[str, str]:
    versions = {}
    for name in _DISTRIBUTIONS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _cpu_model() -> str | None:
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(':')[2].strip() for line in lines if line.startswith('model name'))
    return next(named, None) or platform.processor() or None


def library_versions() -> dict[str, str]:
    """major.minor of the libraries whose code computes the numbers (torch, mmseg)."""
    versions = {}
    for name, distributions in _LIBRARIES.items():
        for distribution in distributions:
            try:
                versions[name] = '.'.join(metadata.version(distribution).split('.')[:2])
                break
            except metadata.PackageNotFoundError:
                continue
    return versions


def hardware(device: str, facts: dict) -> str:
    """The hardware that latencies depend on, as text: the GPUs or the processor.

    Args:
        device: ``cpu`` or ``cuda``.
        facts: From :func:`environment`.
    """
    return json.dumps(facts['gpus'] if device.startswith('cuda') else facts['cpu'], sort_keys=True)


def usable_cores() -> int:
    """The cores that this process may use; a job of a cluster or a container often has only a few of the machine's."""
    if hasattr(os, 'sched_getaffinity'):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None


def gpus() -> list[str]:
    """Names of the GPUs, by torch where it has started CUDA, else as nvidia-smi lists them, if there is one."""
    torch = sys.modules.get('torch')
    # To ask torch starts CUDA, and then a process cannot fork workers that use it: ask only where CUDA has started.
    if torch is not None and torch.cuda.is_initialized():
        return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return (_output('nvidia-smi', '--query-gpu=name', '--format=csv,noheader') or '').splitlines()


def _git(checkout: Path) -> dict | None:
    root = _output('git', '-C', str(checkout), 'rev-parse', '--show-toplevel')
    # An installed copy may lie inside another project's checkout, whose commit says nothing about this code.
    if not root or Path(root).resolve() != checkout.resolve():
        return None
    # Without optional locks, so that this query never competes with a commit for the index. No stage reads results/
    # and a run that goes on finds its own first records there.
    state = ('git', '--no-optional-locks', '-C', str(checkout), 'status', '--porcelain')
    changes = _output(*state, '--', '.', ':(exclude,top)results')
    commit = _output('git', '-C', str(checkout), 'rev-parse', '--verify', '--quiet', 'HEAD')
    return dict(commit=commit, dirty=changes != '')


def _output(*command: str) -> str | None:
    """Run a command and return what it prints, None when it is missing, fails or hangs."""
    # Inside a git hook GIT_DIR and its kin point at another repository.
    variables = {name: value for name, value in os.environ.items() if not name.startswith('GIT_')}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=variables, check=True)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
