"""Keeps what a process has freed, instead of giving it back to the kernel.

Each step of a training allocates and frees the same arrays. When those at the end of the heap are free, glibc returns
them to the kernel and has them mapped anew in the next step, zeroed page by page; kept, they are there at once. No value
changes, only where it lies. Arrays above ``LARGE`` have a mapping of their own, as always: kept in the heap, they would
leave holes that the next of another size does not fit.
"""

import ctypes

# Of glibc's malloc.h; see mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
NEVER = -1
LARGE = 32 * 2**20  # the most that glibc allows, and up to which it goes by itself


def keep_freed_memory() -> bool:
    """Have this process keep its heap until it ends. Where the C library has no ``mallopt``, nothing happens.

    Returns:
        Whether it does.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    return mallopt is not None and all(
        mallopt(name, value) == 1 for name, value in ((M_MMAP_THRESHOLD, LARGE), (M_TRIM_THRESHOLD, NEVER))
    )
