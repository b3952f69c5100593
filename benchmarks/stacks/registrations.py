"""The names under which a module registers its classes and functions, read from its source."""

import ast
from functools import cache
from pathlib import Path

from benchmarks.stacks.module_files import Stamp, find, is_source, parsed, stamp


def registered_in(module: str) -> frozenset[str]:
    """The names that a module registers, by a decorator or by a call; none for a compiled extension."""
    path = find(module)
    return _read_names(path, stamp(path)) if path is not None and is_source(path) else frozenset()


@cache
def _read_names(path: Path, written: Stamp) -> frozenset[str]:
    return registered_names(parsed(path, written))


def strings_in(module: str) -> frozenset[str]:
    """All texts in a module's code; a registered name among them may be the type of a part that the code builds."""
    path = find(module)
    return _read_strings(path, stamp(path)) if path is not None and is_source(path) else frozenset()


@cache
def _read_strings(path: Path, written: Stamp) -> frozenset[str]:
    nodes = ast.walk(parsed(path, written))
    return frozenset(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


def registered_names(code: ast.Module) -> frozenset[str]:
    """The names that a syntax tree registers."""
    names: set[str] = set()
    for node in ast.walk(code):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            for decorator in node.decorator_list:
                if _registers(decorator):
                    names |= _given_names(decorator) or {node.name}
        elif isinstance(node, ast.Call) and _registers(node):
            names |= _given_names(node) or _registered_by_call(node)
    return frozenset(names)


def _registers(node: ast.expr) -> bool:
    call = node.func if isinstance(node, ast.Call) else node
    return isinstance(call, ast.Attribute) and call.attr == 'register_module'


def _given_names(registration: ast.expr) -> set[str]:
    arguments = [keyword.value for keyword in getattr(registration, 'keywords', []) if keyword.arg == 'name']
    arguments += getattr(registration, 'args', [])[:1]
    return {
        leaf.value
        for value in arguments
        for leaf in ast.walk(value)
        if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str)
    }


def _registered_by_call(call: ast.Call) -> set[str]:
    """The class of ``REGISTRY.register_module(module=Class)``."""
    given = [keyword.value for keyword in call.keywords if keyword.arg == 'module']
    return {value.id for value in given if isinstance(value, ast.Name)}
