"""Imports of libraries that talk while they are imported."""
import contextlib
import importlib
import io
import warnings
from types import ModuleType


def import_quietly(module: str) -> ModuleType:
    """Import ``module`` without what it prints and warns of: mmseg and mmcv tell of optional parts that are missing.

    Raises:
        ImportError: As ``importlib.import_module``; so does every other exception pass.
    """
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return importlib.import_module(module)
