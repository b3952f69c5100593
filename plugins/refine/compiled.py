"""Loops over pixels, compiled to machine code by numba."""

from collections.abc import Callable

from numba import njit


def compiled(loop: Callable) -> Callable:
    """Compile a function on its first call; the machine code runs without Python's global interpreter lock.

    The machine code is cached in the folder of the source, or in the user's cache folder if the first is read-only, so
    that other processes load it. If neither folder is writable, each process compiles again. Division by zero gives
    infinity, as in NumPy. fastmath is off: the result of a lane depends neither on other lanes nor on the compiler's
    vectorisation.

    Args:
        loop: The function to compile.

    Returns:
        The compiled function.
    """
    options = dict(nogil=True, error_model='numpy')
    try:
        return njit(cache=True, **options)(loop)  # type: ignore[call-overload]
    except RuntimeError:  # no writable folder for the cache
        return njit(**options)(loop)  # type: ignore[call-overload]
