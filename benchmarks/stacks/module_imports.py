"""Which modules a module imports, and where its source does not say which, read from its syntax tree."""

import ast
from functools import cache
from pathlib import Path

from benchmarks.stacks.module_files import Stamp, find, is_source, parsed, stamp

IMPORTERS = ('import_module', '__import__')
# Calls whose argument is code or the path of a file with code.
RUNNERS = ('exec', 'execfile', 'run_path', 'run_module', 'spec_from_file_location', 'SourceFileLoader')


def imports_of(module: str) -> list[str]:
    """The modules that ``module`` imports, at its top or inside a function, and the packages that hold them.

    Python runs the ``__init__`` of every package above a module before the module.
    """
    path = find(module)
    return _read_imports(module, path, stamp(path)) if path is not None and is_source(path) else []


@cache
def _read_imports(module: str, path: Path, written: Stamp) -> list[str]:
    is_package = path.name == '__init__.py'
    named: list[str] = []
    for node in ast.walk(parsed(path, written)):
        if isinstance(node, ast.Import):
            named += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = _imported_from(node, module, is_package)
            named += [origin, *(f'{origin}.{alias.name}' for alias in node.names)]
        elif isinstance(node, ast.Call) and _called(node) in IMPORTERS:
            named += [name] if (name := _constant_name(node, module, is_package)) else []
    return list(dict.fromkeys(name for name in named if find(name)))


def packages_above(module: str) -> list[str]:
    """The packages that hold a module, and have a source file."""
    parts = module.split('.')
    above = ('.'.join(parts[:length]) for length in range(1, len(parts)))
    return [name for name in above if find(name)]


def _imported_from(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    """The absolute name of the module that a ``from … import`` in ``module`` names."""
    return _absolute(node.module or '', node.level, module, is_package)


def _absolute(name: str, level: int, module: str, is_package: bool) -> str:
    if not level:
        return name
    level -= is_package
    parent = module.rsplit('.', level)[0] if level else module
    return f'{parent}.{name}' if name else parent


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, 'id', '')


def _constant_name(node: ast.Call, module: str, is_package: bool) -> str | None:
    """The module that ``import_module('name')`` imports; None if it is known only when the code runs."""
    given = node.args[0] if node.args else None
    if not isinstance(given, ast.Constant) or not isinstance(given.value, str):
        return None
    name = given.value.lstrip('.')
    return _absolute(name, len(given.value) - len(name), module, is_package)


def unseen(module: str) -> list[str]:
    """What the source of ``module`` does not say: for each place, a phrase that names module and line.

    Places are imports of a module whose name is computed, code that runs from a text or a file, and files beside the
    module that it reads (found by ``__file__``). A compiled extension is such a place as a whole.
    """
    path = find(module)
    if path is None:
        return []
    if not is_source(path):
        return [f'{module} is a compiled extension']
    return _read_unseen(module, path, stamp(path))


@cache
def _read_unseen(module: str, path: Path, written: Stamp) -> list[str]:
    places = []
    for node in ast.walk(parsed(path, written)):
        phrase = _unseen_at(node, module, path.name == '__init__.py')
        if phrase:
            places.append((node.lineno, phrase))  # type: ignore[attr-defined]
    return [f'{module}, line {line}, {phrase}' for line, phrase in sorted(set(places))]


def _unseen_at(node: ast.AST, module: str, is_package: bool) -> str | None:
    if isinstance(node, ast.Name) and node.id == '__file__':
        return 'may read files beside it'
    if not isinstance(node, ast.Call):
        return None
    called = _called(node)
    if called in IMPORTERS and _constant_name(node, module, is_package) is None:
        return f'imports a module whose name is computed ({called})'
    is_method = called == 'exec' and isinstance(node.func, ast.Attribute)  # of an object of some class
    return f'runs code from a text or a file ({called})' if called in RUNNERS and not is_method else None
