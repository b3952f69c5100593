"""Large pages for the arrays of a training.

A step of a training walks through arrays of megabytes. In pages of 4 KiB the processor looks up the address of each
page anew; in pages of 2 MiB it seldom has to. torch asks the kernel for such pages if :data:`VARIABLE` is 1 when it
allocates its first array (``c10/core/impl/alloc_cpu.cpp``). No value changes. A step of the embedded data set's U-Net
takes 3 to 6 % less time and the process 7 % more memory (two cores, Linux with ``transparent_hugepage/enabled`` at
``madvise``).
"""

import ctypes

VARIABLE = 'THP_MEM_ALLOC_ENABLE'
PR_SET_THP_DISABLE = 41  # see prctl(2)


def ordinary_pages() -> bool:
    """Have this process use pages of the usual size until it ends; does nothing if the C library has no ``prctl``.

    Returns:
        Whether the process uses them.
    """
    prctl = getattr(ctypes.CDLL(None), 'prctl', None)
    return prctl is not None and prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0
