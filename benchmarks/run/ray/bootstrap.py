"""The first lines of a Ray worker: it learns where this checkout is. Sent by value, so it imports nothing of it."""

import pickle
import sys
from typing import Any


def call_by_value(path: tuple[str, ...], content: bytes) -> Any:
    """Call a pickled function with its pickled arguments, once what it needs can be imported.

    Args:
        path: The folders to import from. They come before the worker's own, among which Ray puts the current folder.
        content: A pickled pair of function and arguments.
    """
    sys.path[:] = [*path, *(entry for entry in sys.path if entry not in path)]
    function, arguments = pickle.loads(content)
    return function(*arguments)
