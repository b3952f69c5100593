"""Who may import whom: rooms in one order, no circle; the harness knows no technique, plugins know no harness."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TECHNIQUES = sorted(path.stem for path in (ROOT / 'configs' / 'techniques').glob('*.py'))
FRAMEWORKS = ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmseg')
GROUND = ('files', 'errors', 'kinds')
WITHOUT_FRAMEWORKS = ('analysis', 'reports', 'record', *GROUND)
# A module imports from rooms further left, from its own room, and from nothing else in benchmarks/.
ORDER = (
    GROUND,
    ('record',),
    ('store', 'stacks'),
    ('data',),
    ('probes', 'analysis'),
    ('stages', 'reports'),
    ('plan',),
    ('run', 'preflight'),
    ('session',),
    ('check',),
    ('cli',),
    ('speed',),
)
FLOOR = {room: floor for floor, rooms in enumerate(ORDER) for room in rooms}
MOST_NAMES = 20  # in benchmarks/: what a reader takes in at a look


def violations(root, techniques):
    """``path:line reason`` for each import, or technique's name, in the packages below ``root`` that breaks a rule."""
    found = []
    paths = sorted([*root.glob('plugins/**/*.py'), *root.glob('benchmarks/**/*.py')])
    trees = {path.relative_to(root).as_posix(): ast.parse(path.read_text()) for path in paths}
    for place, tree in trees.items():
        imported = [*_imports(tree, place), *_imports_by_name(tree)]
        texts = list(_texts(tree))
        wrong = [
            (line, f'imports {name}')
            for line, name in imported + texts
            if _below(name, _forbidden(place)) and ((line, name) in imported or '.' in name)
        ]
        modules = {*imported, *((line, text) for line, text in texts if re.fullmatch(r'benchmarks(\.\w+)+', text))}
        wrong += [(line, f'imports {name}, which is above') for line, name in modules if _is_above(name, place)]
        if place.startswith('benchmarks/') and not place.startswith('benchmarks/speed/'):
            names = set(techniques) - _words(tree)
            wrong += [(line, f'names {name}') for line, text in texts for name in _names_in(text) & names]
        found += [f'{place}:{line} {reason}' for line, reason in sorted(set(wrong))]
    return found


def _room(place):
    """``benchmarks/stacks/overlay.py`` → ``stacks``, ``benchmarks/cli.py`` → ``cli``; None outside the harness."""
    package, *below = place.removesuffix('.py').split('/')
    return below[0] if package == 'benchmarks' else None


def _is_above(name, place):
    here, (package, *below) = _room(place), name.split('.')
    if here is None or package != 'benchmarks' or not below or below[0] == here:
        return False
    return below[0] in FLOOR and FLOOR[below[0]] >= FLOOR.get(here, 0)  # benchmarks/__init__.py is below all rooms


def _forbidden(place):
    if place.startswith('plugins/'):
        return ('benchmarks',)
    if place.startswith('benchmarks/speed/'):
        return ()
    return ('plugins', 'benchmarks.speed', *(FRAMEWORKS if _room(place) in WITHOUT_FRAMEWORKS else ()))


def _below(name, packages):
    return any(name == package or name.startswith(f'{package}.') for package in packages)


def _imports(tree, place):
    """(line, absolute module name) of each import, those within functions included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = _absolute(node, place)
            # `from benchmarks import store` imports the room, not the package that it lies in.
            yield from ((node.lineno, f'{name}.{alias.name}') for alias in node.names if name == 'benchmarks')
            yield node.lineno, name


def _absolute(node, place):
    """The absolute name of the module that ``from … import`` names in the file at ``place``."""
    package = Path(place).parent.parts
    above = package[: len(package) - node.level + 1] if node.level else ()
    return '.'.join([*above, *([node.module] if node.module else [])])


def _imports_by_name(tree):
    """(line, module name) of each call such as ``importlib.import_module('a.b')``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, 'attr', getattr(node.func, 'id', ''))
            if called in ('import_module', '__import__', 'import_quietly') and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value


def _texts(tree):
    """(line, text) of each string that is not a docstring."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node)
    }
    return (
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    )


def _names_in(text):
    """The names in a string without spaces: ``cbam``, ``baseline+cbam__seed0``, ``techniques/cbam.py``; not prose."""
    if re.search(r'\s', text):
        return set()
    return {part.partition('__')[0] for part in re.split(r'[^a-z0-9_]+', text)}


def _words(tree):
    """A file's own words: where ``dice`` is a field, a technique of that name makes no literal a breach."""
    fields = ('name', 'attr', 'arg', 'id')
    return {word for node in ast.walk(tree) for field in fields if isinstance(word := getattr(node, field, None), str)}


def test_no_layer_is_crossed():
    assert len(TECHNIQUES) >= 6
    assert len(list((ROOT / 'benchmarks').glob('**/*.py'))) > 30
    assert violations(ROOT, TECHNIQUES) == []


@pytest.mark.parametrize(
    'place, line, expected',
    [
        ('plugins/losses/a.py', 'import benchmarks.store', 'imports benchmarks.store'),
        ('plugins/losses/a.py', 'from benchmarks.store import store', 'imports benchmarks.store'),
        ('plugins/losses/a.py', "importlib.import_module('benchmarks.store')", 'imports benchmarks.store'),
        ('benchmarks/stages/a.py', 'def f():\n    from plugins.losses import focal', 'imports plugins.losses'),
        ('benchmarks/stages/a.py', 'from ...plugins import losses', 'imports plugins'),
        ('benchmarks/stages/a.py', "NAME = 'plugins.losses.focal'", 'imports plugins.losses.focal'),
        ('benchmarks/stages/a.py', "if name == 'brightener': pass", 'names brightener'),
        ('benchmarks/stages/a.py', "NAME = 'baseline+brightener__seed0'", 'names brightener'),
        ('benchmarks/stages/a.py', "NAME = 'configs/techniques/brightener.py'", 'names brightener'),
        ('benchmarks/stages/a.py', "NAME = 'brighteners'", None),
        ('benchmarks/stages/a.py', "NAME = 'brightener_ratio'", None),
        ('benchmarks/stages/a.py', "NAME = 'a brightener'", None),
        ('benchmarks/stages/a.py', "f(brightener=1)['brightener']", None),
        ('benchmarks/stages/a.py', '"""A docstring may say brightener."""', None),
        ('benchmarks/analysis/a.py', 'import torch.nn', 'imports torch.nn'),
        ('benchmarks/reports/a.py', 'from mmengine.config import Config', 'imports mmengine.config'),
        ('benchmarks/record.py', 'import mmseg', 'imports mmseg'),
        ('benchmarks/record.py', 'import json', None),
        ('benchmarks/kinds.py', 'import torch', 'imports torch'),
        ('benchmarks/data/split.py', 'import mmseg', None),
        ('benchmarks/analysis/a.py', 'import torchmetrics_like_name', None),
        ('benchmarks/speed/a.py', 'import plugins.refine.dense_crf', None),
        ('benchmarks/speed/a.py', "NAME = 'brightener'", None),
        ('benchmarks/plan/a.py', 'from benchmarks.run import driver', 'imports benchmarks.run, which is above'),
        ('benchmarks/plan/a.py', 'def f():\n    import benchmarks.cli', 'imports benchmarks.cli, which is above'),
        ('benchmarks/plan/a.py', 'from ..session import experiment', 'imports benchmarks.session, which is above'),
        ('benchmarks/plan/a.py', 'from benchmarks import run', 'imports benchmarks.run, which is above'),
        ('benchmarks/plan/a.py', "import_module('benchmarks.run.driver')", 'benchmarks.run.driver, which is above'),
        ('benchmarks/plan/a.py', "PRELOAD = 'benchmarks.cli'", 'benchmarks.cli, which is above'),
        ('benchmarks/plan/a.py', "__import__('plugins')", 'imports plugins'),
        ('benchmarks/plan/a.py', 'from benchmarks import *', None),
        (
            'benchmarks/__init__.py',
            'from benchmarks.errors import BadInput',
            'imports benchmarks.errors, which is above',
        ),
        ('benchmarks/reports/a.py', "import_module('torch')", 'imports torch'),
        ('plugins/losses/a.py', "__import__('benchmarks')", 'imports benchmarks'),
        (
            'benchmarks/run/a.py',
            'import benchmarks.preflight.legality',
            'benchmarks.preflight.legality, which is above',
        ),
        ('benchmarks/run/a.py', 'from benchmarks.plan import plan', None),
        ('benchmarks/plan/a.py', 'from benchmarks.plan import keys', None),
        ('benchmarks/cli.py', 'from benchmarks.check import command', None),
    ],
)
def test_the_checker_finds_a_deliberate_violation(tmp_path, place, line, expected):
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(line + '\n')
    found = violations(tmp_path, ['brightener'])
    if expected is None:
        assert found == []
    else:
        assert len(found) == 1 and found[0].startswith(f'{place}:') and found[0].endswith(expected)


def module_graph(root, package):
    """Each module of a package, and the modules of the package that it imports."""
    paths = {path.relative_to(root).as_posix(): path for path in root.glob(f'{package}/**/*.py')}
    modules = {place.removesuffix('.py').removesuffix('/__init__').replace('/', '.'): place for place in paths}
    graph = {}
    for module, place in modules.items():
        targets = set()
        for node in ast.walk(ast.parse(paths[place].read_text())):
            if isinstance(node, ast.Import):
                targets |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                base = _absolute(node, place)
                targets |= {base, *(f'{base}.{alias.name}' for alias in node.names)}
        graph[module] = targets & modules.keys()
    return graph


def circles(graph):
    """Groups of modules that import each other, directly or not."""
    reached = {module: _reachable(graph, module) for module in graph}
    groups = {frozenset(m for m in graph if m in reached[module] and module in reached[m]) for module in graph}
    return sorted(sorted(group) for group in groups if group)


def _reachable(graph, start):
    waiting, reached = list(graph[start]), set()
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting += graph[module]
    return reached


@pytest.mark.parametrize('package', ['benchmarks', 'plugins'])
def test_no_modules_import_each_other(package):
    graph = module_graph(ROOT, package)
    assert len(graph) > 60 and sum(map(len, graph.values())) > 60
    assert circles(graph) == []


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
def test_the_checker_finds_a_planted_circle(tmp_path, sources, expected):
    (tmp_path / 'p').mkdir()
    for name, source in sources.items():
        (tmp_path / 'p' / f'{name}.py').write_text(source)
    assert circles(module_graph(tmp_path, 'p')) == expected


def test_a_look_at_the_harness_takes_in_few_names():
    names = {path.name for path in (ROOT / 'benchmarks').iterdir()} - {'__pycache__'}
    assert len(names) <= MOST_NAMES
    assert {name.removesuffix('.py') for name in names} - {'README.md', '__init__'} <= FLOOR.keys()
