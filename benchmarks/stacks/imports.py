"""Imports of a config's modules, without the messages that libraries print meanwhile or log afterwards."""

import contextlib
import importlib
import io
import logging
import traceback
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from benchmarks.errors import BadInput, did_you_mean
from benchmarks.stacks.contained import EndsTheProgram, contained
from benchmarks.stacks.module_files import find, has_source

if TYPE_CHECKING:
    from benchmarks.stacks.technique import Technique  # which imports mmengine's config

NO_META_FILE = 'is not a meta file, simply parsed as meta information'
# The modules with which mmseg registers its own classes. They come first, so that a clash names the user's module.
MMSEG = ('mmseg.models', 'mmseg.datasets', 'mmseg.engine', 'mmseg.evaluation', 'mmseg.visualization')


def import_quietly(module: str) -> ModuleType:
    """Import ``module`` without its messages and warnings: mmseg and mmcv name each optional part that is missing.

    Raises:
        ImportError: As ``importlib.import_module`` raises it; any other exception of the module passes, too.
        EndsTheProgram: The module would end the program.
    """
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), contained():
        warnings.simplefilter('ignore')
        return importlib.import_module(module)


def quieten_mmengine() -> None:
    """Let mmengine log warnings only. Its logger imports torch, so call this where torch is imported anyway."""
    from mmengine.logging import MMLogger

    if not MMLogger.check_instance_created('run_ablation'):
        MMLogger.get_instance('run_ablation', log_level='WARNING').addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a warning tells something: mmengine warns of each text in ``metainfo`` that it is no file's name."""
    return NO_META_FILE not in record.getMessage()


def import_modules(techniques: 'Mapping[str, Technique]', config: dict) -> None:
    """Import the modules that the config and the techniques name, so that the registries know their types.

    Raises:
        BadInput: Modules cannot be imported; names all of them, who imports them, and the line that fails.
    """
    for module in MMSEG:
        import_quietly(module)
    mistakes = []
    for module, owner in _owners(techniques, config).items():
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                import_quietly(module)
        except Exception as error:
            mistakes.append(f"{owner} imports '{module}', which fails{_line(module, error)}: {_reason(error)}")
    if mistakes:
        raise BadInput(*mistakes)


def _owners(techniques: 'Mapping[str, Technique]', config: Mapping[str, Any]) -> dict[str, str]:
    """Who imports each module; those of the config come first."""
    owners = dict.fromkeys(imported_modules(config), 'the config')
    for row in techniques.values():
        for module in row.imports:
            owners.setdefault(module, f"technique '{row.name}'")
    return owners


def _line(module: str, error: Exception) -> str:
    """Where in the module's own file it fails; empty if that is not known."""
    path = find(module)
    raised = error.__cause__ if isinstance(error, EndsTheProgram) and error.__cause__ else error
    lines = [frame.lineno for frame in traceback.extract_tb(raised.__traceback__) if Path(frame.filename) == path]
    return f' in line {lines[-1]}' if lines else ''


def _reason(error: Exception) -> str:
    text = str(error) if isinstance(error, EndsTheProgram) else f'{type(error).__name__}: {error}'
    if isinstance(error, KeyError) and 'is already registered' in text:
        text += "; give the class another name, or register it by one: register_module(name='...')"
    return text


def refuse_unknown_modules(
    techniques: 'Mapping[str, Technique]', config: Mapping[str, Any], folders: Iterable[Path]
) -> None:
    """Refuse modules that are nowhere, before any is imported.

    Args:
        techniques: Techniques by name.
        config: The config that they are put on.
        folders: The folders beside the grid, whose modules are imported by name.

    Raises:
        BadInput: Names each module, who imports it, and close matches.
    """
    folders, mistakes = list(folders), []
    for module, owner in _owners(techniques, config).items():
        if not all(part.isidentifier() for part in module.split('.')):
            mistakes.append(
                f"{owner} imports '{module}', which is no full name of a module; name it from its top folder on, as in "
                f"'plugins.losses.focal', or by its file's name without .py if it lies beside the grid"
            )
        elif not has_source(module):
            near = did_you_mean(module, _modules_beside(module, folders))
            mistakes.append(f"{owner} imports '{module}', and no such module is on the path{near}")
    if mistakes:
        raise BadInput(*mistakes)


def _modules_beside(module: str, folders: list[Path]) -> list[str]:
    """The names of the modules that lie where ``module`` should: in its package, or beside the grid."""
    package, _, _ = module.rpartition('.')
    inside = find(package) if package else None
    if package and inside is None:
        return _modules_beside(package, folders)
    places = folders if inside is None else [inside.parent]
    prefix = f'{package}.' if package else ''
    files = [path for place in places for path in place.glob('*.py') if path.stem != '__init__']
    packages = [path.parent for place in places for path in place.glob('*/__init__.py')]
    return [prefix + path.stem for path in (*files, *packages)]


def imported_modules(config: Mapping[str, Any]) -> list[str]:
    """The modules of ``custom_imports``; mmengine accepts one string in place of a list."""
    modules = (config.get('custom_imports') or {}).get('imports') or []
    return [modules] if isinstance(modules, str) else list(modules)
