"""Libraries that talk: while they are imported, and through their logger."""
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


def quieten_mmengine() -> None:
    """Let mmengine log warnings only; its logger imports torch, so call this where that is imported anyway."""
    from mmengine.logging import MMLogger
    if not MMLogger.check_instance_created('run_ablation'):
        MMLogger.get_instance('run_ablation', log_level='WARNING')
