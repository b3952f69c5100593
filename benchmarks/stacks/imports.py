"""Libraries that talk: while they are imported, and through their logger."""

import contextlib
import importlib
import io
import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from benchmarks.errors import BadInput

if TYPE_CHECKING:
    from benchmarks.stacks.technique import Technique  # which imports mmengine's config


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


def import_modules(techniques: 'Mapping[str, Technique]', config: dict) -> None:
    """Import what the config and the techniques name, so that the registries know their types.

    Raises:
        BadInput: A module cannot be imported.
    """
    owners = {module: f"technique '{row.name}'" for row in techniques.values() for module in row.imports}
    for module in imported_modules(config):
        owners.setdefault(module, 'the config')
    for module, owner in owners.items():
        try:
            import_quietly(module)
        except Exception as error:
            raise BadInput(f"{owner} imports '{module}', which fails: {type(error).__name__}: {error}") from error


def imported_modules(config: Mapping[str, Any]) -> list[str]:
    """The modules of ``custom_imports``, which mmengine lets a config give as one string, too."""
    modules = (config.get('custom_imports') or {}).get('imports') or []
    return [modules] if isinstance(modules, str) else list(modules)
