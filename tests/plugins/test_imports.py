"""Plugins import each other without a cycle, so that each module can be read, imported and tested before its users."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def imports_of(path, root):
    """Dotted names that a file may import: modules, and names of modules; imports within functions count."""
    package = path.relative_to(root).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = '.'.join([*above, *([node.module] if node.module else [])])
            yield module
            yield from (f'{module}.{alias.name}' for alias in node.names)


def module_graph(package, root):
    """Module → the modules of the same package that it imports; the graph of ``root / package``."""
    files = {
        '.'.join(path.relative_to(root).with_suffix('').parts).removesuffix('.__init__'): path
        for path in sorted((root / package).rglob('*.py'))
    }
    return {name: {other for other in imports_of(path, root) if other in files} for name, path in files.items()}


def cycles(graph):
    """Strongly connected components of two modules or more, and modules that import themselves; each list sorted."""
    reached = {module: _reachable(graph, module) for module in graph}
    components = {
        tuple(sorted(other for other in reached[module] if module in reached[other]))
        for module in graph
        if module in reached[module]
    }
    return [list(component) for component in sorted(components)]


def _reachable(graph, start):
    """Modules that imports lead to from ``start``; ``start`` itself only if an import leads back to it."""
    reached, waiting = set(), list(graph[start])
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting.extend(graph[module])
    return reached


def test_plugins_have_no_import_cycle():
    graph = module_graph('plugins', ROOT)
    assert 'plugins.views.merge' in graph['plugins.hooks.inference']
    assert 'plugins.refine.dense_crf_many' in graph['plugins.refine.dense_crf']  # within a function
    assert cycles(graph) == []


@pytest.mark.parametrize(
    'sources, expected',
    [
        ({'a': 'import p.b', 'b': 'import p.c', 'c': ''}, []),
        ({'a': 'import p.b', 'b': 'import p.c', 'c': 'import p.b'}, [['p.b', 'p.c']]),
        ({'a': 'from p import b', 'b': 'def f():\n    from p.a import f', 'c': ''}, [['p.a', 'p.b']]),
        ({'a': 'from . import b', 'b': 'from .c import x', 'c': 'from .a import y'}, [['p.a', 'p.b', 'p.c']]),
        ({'a': 'import p.a', 'b': 'import os'}, [['p.a']]),
        (
            {'a': 'import p.b', 'b': 'import p.a', 'c': 'import p.d', 'd': 'import p.c'},
            [['p.a', 'p.b'], ['p.c', 'p.d']],
        ),
    ],
)
def test_a_planted_cycle_is_found(tmp_path, sources, expected):
    (tmp_path / 'p').mkdir()
    for name, source in sources.items():
        (tmp_path / 'p' / f'{name}.py').write_text(source)
    assert cycles(module_graph('p', tmp_path)) == expected
