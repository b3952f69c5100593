"""Compilation of loops over pixels to machine code."""

from collections.abc import Callable

import numba


def compiled(loop: Callable) -> Callable:
    """Compile a function when it is first called; it runs on one thread and without Python's global lock.

    The machine code is kept in the folder of the source, or in the user's cache folder if the former is read-only, so
    that other processes can load it. If both are read-only, each process compiles anew.
    """
    try:
        return numba.njit(nogil=True, cache=True)(loop)
    except RuntimeError:  # both folders are read-only
        return numba.njit(nogil=True)(loop)
