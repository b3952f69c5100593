"""The source file of a module, its syntax tree and its digest; nothing is imported to find them."""

import ast
import hashlib
import importlib.machinery
import importlib.util
from functools import cache
from pathlib import Path

from benchmarks.errors import BadInput

WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
Stamp = tuple[int, int]


@cache
def find(module: str) -> Path | None:
    """The source file of a module, or its compiled extension; None for built-in modules and namespace packages.

    It is searched by hand, because ``find_spec`` imports a module's parent packages.
    """
    top, *below = module.split('.')
    try:
        spec = importlib.util.find_spec(top)
    except (ValueError, ImportError):
        spec = None
    if spec is None:
        return None
    if not below and spec.has_location and spec.origin:
        return Path(spec.origin)
    suffixes = ('.py', *importlib.machinery.EXTENSION_SUFFIXES)
    for place in (Path(folder, *below) for folder in spec.submodule_search_locations or []):
        candidates = [place / '__init__.py', *(place.with_name(f'{place.name}{suffix}') for suffix in suffixes)]
        for path in candidates:
            if path.is_file():
                return path
    return None


def is_source(path: Path) -> bool:
    """Whether a module's file is Python source."""
    return path.suffix == '.py'


def has_source(module: str) -> bool:
    """Whether a module of this name is installed as source."""
    path = find(module)
    return path is not None and is_source(path)


def source(module: str) -> Path:
    """The source file of a module that a config imports.

    Raises:
        BadInput: The module has none.
    """
    path = find(module)
    if path is None or not is_source(path):
        raise BadInput(
            f"there is no source of the module '{module}' that is imported by name; "
            f'check its spelling and that its folder is on the path'
        )
    return path


def stamp(path: Path) -> Stamp:
    """Time stamp and size: what is remembered of a file holds while they stay the same."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def tree(path: Path) -> ast.Module:
    """The syntax tree of a source file.

    Raises:
        BadInput: The file does not parse.
    """
    return parsed(path, stamp(path))


@cache
def parsed(path: Path, _: Stamp) -> ast.Module:
    """As :func:`tree`, remembered for a file with this stamp."""
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise BadInput(f'{path.name} does not parse: {error}') from error


def has_code(module: str) -> bool:
    """Whether a module holds more than docstrings, imports and ``__all__``."""
    path = find(module)
    if path is None or not is_source(path):
        return path is not None
    return not all(_names_alone(statement) for statement in tree(path).body)


def _names_alone(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Assign):
        return all(isinstance(target, ast.Name) and target.id == '__all__' for target in statement.targets)
    is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return is_text or isinstance(statement, (ast.Import, ast.ImportFrom))


def code_digest(path: Path) -> str:
    """Digest of the syntax tree without comments and docstrings; of a compiled extension, of its bytes."""
    return _digest(path, stamp(path))


@cache
def _digest(path: Path, written: Stamp) -> str:
    if not is_source(path):
        return hashlib.sha256(path.read_bytes()).hexdigest()
    copy = ast.parse(ast.unparse(parsed(path, written)))  # without comments, to cut docstrings from
    for node in ast.walk(copy):
        if isinstance(node, WITH_DOCSTRING) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.dump(copy).encode()).hexdigest()
