"""Imports of a config's modules, without the messages that libraries print meanwhile or log afterwards."""

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
    """Import ``module`` without its messages and warnings: mmseg and mmcv name each optional part that is missing.

    Raises:
        ImportError: As ``importlib.import_module`` raises it; any other exception of the module passes, too.
    """
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return importlib.import_module(module)


def quieten_mmengine() -> None:
    """Let mmengine log warnings only. Its logger imports torch, so call this where torch is imported anyway."""
    from mmengine.logging import MMLogger

    if not MMLogger.check_instance_created('run_ablation'):
        MMLogger.get_instance('run_ablation', log_level='WARNING')


def import_modules(techniques: 'Mapping[str, Technique]', config: dict) -> None:
    """Import the modules that the config and the techniques name, so that the registries know their types.

    Raises:
        BadInput: Modules cannot be imported; names all of them.
    """
    owners = {module: f"technique '{row.name}'" for row in techniques.values() for module in row.imports}
    for module in imported_modules(config):
        owners.setdefault(module, 'the config')
    mistakes = []
    for module, owner in owners.items():
        try:
            import_quietly(module)
        except Exception as error:
            mistakes.append(f"{owner} imports '{module}', which fails: {type(error).__name__}: {error}")
    if mistakes:
        raise BadInput(*mistakes)


def imported_modules(config: Mapping[str, Any]) -> list[str]:
    """The modules of ``custom_imports``; mmengine accepts one string in place of a list."""
    modules = (config.get('custom_imports') or {}).get('imports') or []
    return [modules] if isinstance(modules, str) else list(modules)
