"""Loops over pixels as machine code."""

from collections.abc import Callable

import numba


def compiled(loop: Callable) -> Callable:
    """Have a function compiled when it is first called, on one thread and without Python's lock.

    The machine code is kept beside the source, or in the user's cache folder where that cannot be written, so that
    other processes load it. Where neither can be written, each process compiles anew.
    """
    try:
        return numba.njit(nogil=True, cache=True)(loop)
    except RuntimeError:  # no folder to keep it in
        return numba.njit(nogil=True)(loop)
