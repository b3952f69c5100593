"""A fingerprint of the plugin code that a part of a config reaches, read from source without importing it.

A type belongs to the module that registers it (``@MODELS.register_module()``). The digest of a module is that of its
syntax tree without comments and docstrings. A module reaches the modules of its top-level package that it imports.
"""

import ast
import hashlib
import importlib.util
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.stacks.tree import mappings

WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class PluginCode:
    """The source of the modules named in ``custom_imports``.

    Args:
        modules: Dotted names.

    Raises:
        BadInput: A module has no source file, or one that does not parse.
    """

    def __init__(self, modules: Iterable[str]) -> None:
        self.modules = sorted(set(modules))
        self._module_of: dict[str, str] = {}
        self._unclear: list[str] = []
        self._reached: dict[frozenset[str], dict[str, str]] = {}
        self._acting: dict[str, set[str] | None] = {}
        for module in sorted(_with_imports(self.modules)):
            names = _registered_in(module)
            self._module_of.update(dict.fromkeys(names, module))
            if not names and module in self.modules:
                self._unclear.append(module)

    def modules_reached(self, part: Any) -> dict[str, str]:
        """Digest of each plugin module that the types in ``part`` reach, by the module's name.

        A module whose registrations cannot be read from its source counts as reached by every part.

        Args:
            part: A part of a config, as :func:`types_in` takes it.
        """
        direct = frozenset(
            {self._module_of[name] for name in types_in(part) if name in self._module_of} | set(self._unclear)
        )
        if direct not in self._reached:
            self._reached[direct] = {module: _digest(module) for module in sorted(_with_imports(direct))}
        return self._reached[direct]

    def acts_in_test_only(self, hook: str) -> bool:
        """Whether the class registered as ``hook`` defines methods of the test loop only, according to its source.

        For a class with another base class than mmengine's plain ``Hook`` the answer is no: it may inherit methods of
        the training loop.
        """
        acting = self._acting_methods(hook)
        return bool(acting) and all('_test' in name for name in acting or ())

    def acts_in_training_only(self, hook: str) -> bool:
        """As :meth:`acts_in_test_only`, for the training loop and the writing of checkpoints."""
        acting = self._acting_methods(hook)
        return bool(acting) and all('_train' in name or '_save_checkpoint' in name for name in acting or ())

    def _acting_methods(self, hook: str) -> set[str] | None:
        """The methods of the loops that a class defines; None if it may inherit others, or its source is unknown."""
        if hook not in self._acting:
            self._acting[hook] = self._read_acting_methods(hook)
        return self._acting[hook]

    def _read_acting_methods(self, hook: str) -> set[str] | None:
        module = self._module_of.get(hook)
        if module is None:
            return None
        tree = _tree(_source(module))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name == hook:
                acting = {name for name in _defined(node) if name.lstrip('_').startswith(('before_', 'after_'))}
                return acting if all(_is_plain_hook(base, tree) for base in node.bases) else None
        return None


def _defined(node: ast.ClassDef) -> set[str]:
    """Names that the body of a class defines, by ``def`` or by assignment."""
    names = {item.name for item in node.body if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef))}
    assigned = [item for item in node.body if isinstance(item, (ast.Assign, ast.AnnAssign))]
    return names | {
        leaf.id
        for item in assigned
        for leaf in ast.walk(item)
        if isinstance(leaf, ast.Name) and isinstance(leaf.ctx, ast.Store)
    }


def _is_plain_hook(base: ast.expr, tree: ast.Module) -> bool:
    if isinstance(base, ast.Attribute):
        return ast.unparse(base) == 'mmengine.hooks.Hook'
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or '').startswith('mmengine.hooks')
        for alias in node.names
        if alias.name == 'Hook'
    }
    return isinstance(base, ast.Name) and base.id in imported


def types_in(node: Any) -> set[str]:
    """All ``type`` strings in a config, or in parts of one by dotted path (``{'model.type': …}``)."""
    return {
        value
        for part in mappings(node)
        for key, value in part.items()
        if isinstance(value, str) and str(key).rpartition('.')[2] == 'type'
    }


def registered_names(tree: ast.Module) -> set[str]:
    """The names under which a module registers its classes and functions."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            for decorator in node.decorator_list:
                if _registers(decorator):
                    names |= _given_names(decorator) or {node.name}
    return names


def _registered_in(module: str) -> set[str]:
    path = _source(module)
    return _read_names(path, *_stamp(path))


@cache
def _read_names(path: Path, mtime_ns: int, size: int) -> set[str]:
    return registered_names(_parse(path, mtime_ns, size))


def _registers(node: ast.expr) -> bool:
    call = node.func if isinstance(node, ast.Call) else node
    return isinstance(call, ast.Attribute) and call.attr == 'register_module'


def _given_names(decorator: ast.expr) -> set[str]:
    arguments = [keyword.value for keyword in getattr(decorator, 'keywords', []) if keyword.arg == 'name']
    arguments += getattr(decorator, 'args', [])[:1]
    return {
        leaf.value
        for value in arguments
        for leaf in ast.walk(value)
        if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str)
    }


def has_source(module: str) -> bool:
    """Whether a module of this name is installed as source."""
    return _find(module) is not None


def _source(module: str) -> Path:
    path = _find(module)
    if path is None:
        raise BadInput(
            f"there is no source of the module '{module}' that is imported by name; "
            f'check its spelling and that its folder is on the path'
        )
    return path


@cache
def _find(module: str) -> Path | None:
    """The source file of a module. It is searched by hand, because ``find_spec`` imports a module's parent packages."""
    top, *below = module.split('.')
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:
        spec = None
    if spec is None:
        return None
    if not below and spec.origin and spec.origin.endswith('.py'):
        return Path(spec.origin)
    places = [Path(folder, *below) for folder in spec.submodule_search_locations or []]
    candidates = [path for place in places for path in (place / '__init__.py', place.with_name(f'{place.name}.py'))]
    return next((path for path in candidates if path.is_file()), None)


def _tree(path: Path) -> ast.Module:
    return _parse(path, *_stamp(path))


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size


@cache
def _parse(path: Path, mtime_ns: int, size: int) -> ast.Module:
    try:
        return ast.parse(path.read_text())
    except SyntaxError as error:
        raise BadInput(f'{path.name} does not parse: {error}') from error


def _with_imports(modules: Iterable[str]) -> set[str]:
    """``modules`` and all modules of their packages that they import, directly or not."""
    waiting, reached = set(modules), set[str]()
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting |= set(_imports(module))
    return reached


def _imports(module: str) -> list[str]:
    """Modules of the same top-level package that ``module`` imports."""
    path = _source(module)
    return _read_imports(module, path, *_stamp(path))


@cache
def _read_imports(module: str, path: Path, mtime_ns: int, size: int) -> list[str]:
    package = module.partition('.')[0]
    imported: list[str] = []
    for node in ast.walk(_parse(path, mtime_ns, size)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = _imported_from(node, module, is_package=path.name.startswith('__init__.'))
            names = [source, *(f'{source}.{alias.name}' for alias in node.names)]
        imported += [name for name in names if name.partition('.')[0] == package and _find(name)]
    return imported


def _imported_from(node: ast.ImportFrom, module: str, *, is_package: bool) -> str:
    """The absolute name of the module that a ``from … import`` in ``module`` names."""
    if not node.level:
        return node.module or ''
    level = node.level - is_package
    parent = module.rsplit('.', level)[0] if level else module
    return f'{parent}.{node.module}' if node.module else parent


def _digest(module: str) -> str:
    path = _source(module)
    return _read_digest(path, *_stamp(path))


@cache
def _read_digest(path: Path, mtime_ns: int, size: int) -> str:
    tree = ast.parse(ast.unparse(_parse(path, mtime_ns, size)))  # a copy without comments, to cut docstrings from
    for node in ast.walk(tree):
        if isinstance(node, WITH_DOCSTRING) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()
