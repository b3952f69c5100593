"""Loops over pixels as machine code."""

from collections.abc import Callable

from numba import njit


def compiled(loop: Callable) -> Callable:
    """Have a function compiled when it is first called, to run without Python's lock.

    The machine code is kept beside the source, or in the user's cache folder where that cannot be written, so that
    other processes load it. Where neither can be written, each process compiles anew. Division by zero gives infinity,
    as in NumPy. fastmath stays off, so that a lane's result depends neither on its neighbours nor on how the compiler
    vectorises.
    """
    options = dict(nogil=True, error_model='numpy')
    try:
        return njit(cache=True, **options)(loop)
    except RuntimeError:  # no folder to keep it in
        return njit(**options)(loop)
