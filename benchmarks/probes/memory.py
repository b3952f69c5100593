"""Peak memory of a block: the host's resident set and the CUDA allocator's. All figures are in MiB."""

import resource
import sys
from pathlib import Path
from types import ModuleType

_MIB = 2**20
_STATUS = Path('/proc/self/status')
_CLEAR_REFS = Path('/proc/self/clear_refs')
_RESET_PEAK = '5'  # the code that sets VmHWM back to the present resident set, see proc(5)


class HostPeak:
    """Measure the peak resident set of this process while the block runs; child processes are not included.

    If the kernel permits it, its high-water mark is reset at entry, and the peak is that of the block. Otherwise the
    mark dates from the start of the process: the peak is then an upper bound for the block, and ``added_mib`` may
    contain earlier work. ``source`` names the case. Blocks may be nested: before a reset the open outer blocks note the
    mark.

    Attributes:
        peak_mib (float): Largest resident set; available after the block.
        entry_mib (float): Resident set at entry (where only ``ru_maxrss`` exists: the mark at entry).
        added_mib (float): ``peak_mib - entry_mib``; available after the block.
        source (str): ``'VmHWM since entry'``, ``'VmHWM since process start'`` or ``'ru_maxrss since process start'``.

    Example:
        >>> with HostPeak() as host:
        ...     buffer = bytearray(32 * 2**20)
        >>> host.peak_mib >= host.entry_mib
        True
    """

    _open: list['HostPeak'] = []

    def __enter__(self) -> 'HostPeak':
        self._mark_mib = 0.0
        for outer in HostPeak._open:
            outer._note()
        self.source = _reset_mark()
        self.entry_mib = _resident_mib()
        HostPeak._open.append(self)
        return self

    def __exit__(self, *exception: object) -> None:
        HostPeak._open.remove(self)
        self._note()
        self.peak_mib = self._mark_mib
        self.added_mib = self.peak_mib - self.entry_mib

    def _note(self) -> None:
        # The kernel sums per-CPU counters lazily: the mark may lag the resident set by a few pages.
        self._mark_mib = max(self._mark_mib, _mark_mib(), self.entry_mib)


class CudaPeak:
    """Measure the peak of torch's CUDA allocator while the block runs.

    mmengine's LoggerHook resets the allocator's peak each time it logs, so that the figure at the end covers the last
    interval only. Call :meth:`sample` after each iteration, before LoggerHook logs (from a hook with a priority above
    ``BELOW_NORMAL``): the running maximum survives the resets. A process holds more than the allocator's memory: the
    CUDA context and library workspaces come on top.

    Args:
        device (str): ``'cuda'`` or ``'cuda:<index>'``. Any other device, or a machine without CUDA, makes it inert.

    Attributes:
        allocated_mib (float | None): Largest memory held by tensors; None when inert.
        reserved_mib (float | None): Largest memory taken from the device by the allocator; None when inert.
    """

    def __init__(self, device: str = 'cuda') -> None:
        self.allocated_mib: float | None = None
        self.reserved_mib: float | None = None
        self._device = str(device)
        self._cuda = _cuda_of(self._device)

    def __enter__(self) -> 'CudaPeak':
        self.allocated_mib = self.reserved_mib = None
        # Before CUDA has started there is no allocator to reset, and torch would raise.
        if self._cuda and self._cuda.is_initialized():
            self._cuda.reset_peak_memory_stats(self._device)
        return self

    def sample(self) -> None:
        """Take the peaks since the last reset into the running maximum."""
        if self._cuda:
            self.allocated_mib = max(self.allocated_mib or 0.0, self._cuda.max_memory_allocated(self._device) / _MIB)
            self.reserved_mib = max(self.reserved_mib or 0.0, self._cuda.max_memory_reserved(self._device) / _MIB)

    def __exit__(self, *exception: object) -> None:
        self.sample()


def cuda_now() -> dict | None:
    """The GPU memory of this process, and the free memory of the device.

    Returns:
        dict: In MiB ``reserved_mib``, the memory of torch's allocator; ``peak_reserved_mib``, its peak since the last
        reset; and ``free_mib``, the memory of the device that no process holds. None if this process has not started
        CUDA.
    """
    torch = sys.modules.get('torch')
    if torch is None or not torch.cuda.is_initialized():
        return None
    cuda = torch.cuda
    try:
        free = cuda.mem_get_info()[0]
    except RuntimeError:  # some drivers of shared GPUs do not report it
        return None
    return dict(
        reserved_mib=cuda.memory_reserved() / _MIB,
        peak_reserved_mib=cuda.max_memory_reserved() / _MIB,
        free_mib=free / _MIB,
    )


def device_memory_mib(device: str) -> float | None:
    """The memory of a GPU in MiB; None for any other device, or without CUDA."""
    cuda = _cuda_of(str(device))
    return cuda.get_device_properties(device).total_memory / _MIB if cuda else None


def _cuda_of(device: str) -> ModuleType | None:
    if not device.startswith('cuda'):
        return None
    import torch

    return torch.cuda if torch.cuda.is_available() else None


def _reset_mark() -> str:
    if _status_mib('VmHWM') is None:
        return 'ru_maxrss since process start'
    try:
        _CLEAR_REFS.write_text(_RESET_PEAK)
    except OSError:
        return 'VmHWM since process start'
    return 'VmHWM since entry'


def _mark_mib() -> float:
    mark_mib = _status_mib('VmHWM')
    if mark_mib is not None:
        return mark_mib
    unit = 1 if sys.platform == 'darwin' else 1024  # macOS reports bytes, the others KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / _MIB


def _resident_mib() -> float:
    resident_mib = _status_mib('VmRSS')
    return _mark_mib() if resident_mib is None else resident_mib


def _status_mib(field: str) -> float | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f'{field}:')), None)
