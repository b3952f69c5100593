"""Keeps what a process has freed, instead of giving it back to the kernel.

Each step of a training allocates and frees the same large arrays. glibc returns them to the kernel and has them mapped
anew, zeroed page by page; kept, they are there at once. No value changes, only where it lies.
"""
import ctypes

# Of glibc's malloc.h; see mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
NEVER_TRIM, NEVER_MAP = -1, 0


def keep_freed_memory() -> bool:
    """Have this process keep its heap until it ends.

    Its peak stays; what it held at its peak is not there for others afterwards. Where the C library has no ``mallopt``
    that takes these settings, nothing happens.

    Returns:
        Whether it does.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    return mallopt is not None and all(mallopt(name, value) == 1 for name, value in (
        (M_MMAP_MAX, NEVER_MAP), (M_TRIM_THRESHOLD, NEVER_TRIM)))
