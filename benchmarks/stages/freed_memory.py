"""Keeps freed memory in the process, instead of returning it to the kernel.

Each step of a training allocates and frees the same arrays. By default glibc returns the free end of the heap to the
kernel. In the next step the kernel maps it anew and fills it with zeros, page by page. Memory that stays in the process
is there at once. No value changes, only its address.

Arrays above ``LARGE`` get a mapping of their own, as always. In the heap they would leave holes that an array of
another size does not fit.
"""

import ctypes

# From glibc's malloc.h; see mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
NEVER = -1
LARGE = 32 * 2**20  # the largest threshold that glibc allows; its own adaptive threshold ends there, too


def keep_freed_memory() -> bool:
    """Have this process keep its heap until it ends; does nothing if the C library has no ``mallopt``.

    Returns:
        Whether the process keeps its heap.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    return mallopt is not None and all(
        mallopt(name, value) == 1 for name, value in ((M_MMAP_THRESHOLD, LARGE), (M_TRIM_THRESHOLD, NEVER))
    )
