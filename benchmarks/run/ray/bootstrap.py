"""The first lines of a Ray worker: it learns where this checkout is. Sent by value, so it imports nothing of it."""

import pickle
import sys
from typing import Any


def call_by_value(path: tuple[str, ...], content: bytes) -> Any:
    """Call a pickled function with its pickled arguments, once what it needs can be imported.

    Args:
        path: The folders to import from, behind the worker's own.
        content: A pickled pair of function and arguments.
    """
    sys.path += [entry for entry in path if entry not in sys.path]
    function, arguments = pickle.loads(content)
    return function(*arguments)
