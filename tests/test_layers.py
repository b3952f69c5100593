"""Who may import whom: the harness knows no technique, plugins know no harness, reports know no framework."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TECHNIQUES = sorted(path.stem for path in (ROOT / 'configs' / 'techniques').glob('*.py'))
FRAMEWORKS = ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmseg')
RECORDS_ONLY = ('benchmarks/analysis/', 'benchmarks/reports/', 'benchmarks/record.py', 'benchmarks/files.py')


def violations(root, techniques):
    """``path:line what`` for each import or name in the packages below ``root`` that crosses a layer."""
    found = []
    for path in sorted([*root.glob('plugins/**/*.py'), *root.glob('benchmarks/**/*.py')]):
        place = path.relative_to(root).as_posix()
        tree = ast.parse(path.read_text())
        imported = list(_imports(tree, place))
        texts = list(_texts(tree))
        wrong = [
            (line, f'imports {name}')
            for line, name in imported + texts
            if _below(name, _forbidden(place)) and ((line, name) in imported or '.' in name)
        ]
        if place.startswith('benchmarks/') and not place.startswith('benchmarks/speed/'):
            wrong += [
                (line, f'names {name}')
                for line, text in texts
                for name in techniques
                if re.search(rf'(?<![a-z]){name}(?![a-z])', text)
            ]
        found += [f'{place}:{line} {what}' for line, what in sorted(wrong)]
    return found


def _forbidden(place):
    if place.startswith('plugins/'):
        return ('benchmarks',)
    if place.startswith('benchmarks/speed/'):
        return ()
    return ('plugins', 'benchmarks.speed', *(FRAMEWORKS if place.startswith(RECORDS_ONLY) else ()))


def _below(name, packages):
    return any(name == package or name.startswith(f'{package}.') for package in packages)


def _imports(tree, place):
    """(line, absolute module name) of each import, those within functions included."""
    package = Path(place).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            yield node.lineno, '.'.join([*above, *([node.module] if node.module else [])])


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


def test_no_layer_is_crossed():
    assert len(TECHNIQUES) >= 6
    assert len(list((ROOT / 'benchmarks').glob('**/*.py'))) > 30
    assert violations(ROOT, TECHNIQUES) == []


@pytest.mark.parametrize(
    'place, line, expected',
    [
        ('plugins/losses/a.py', 'import benchmarks.store.store', 'imports benchmarks.store.store'),
        ('plugins/losses/a.py', 'from benchmarks import store', 'imports benchmarks'),
        ('plugins/losses/a.py', "importlib.import_module('benchmarks.store.store')", 'imports benchmarks.store.store'),
        ('benchmarks/a.py', 'def f():\n    from plugins.losses import focal', 'imports plugins.losses'),
        ('benchmarks/stages/a.py', 'from ...plugins import losses', 'imports plugins'),
        ('benchmarks/stages/a.py', "NAME = 'plugins.losses.focal'", 'imports plugins.losses.focal'),
        ('benchmarks/a.py', "if name == 'brightener': pass", 'names brightener'),
        ('benchmarks/a.py', "NAME = 'baseline+brightener__seed0'", 'names brightener'),
        ('benchmarks/a.py', "NAME = 'brighteners'", None),
        ('benchmarks/a.py', "NAME = 'a brightener'", 'names brightener'),
        ('benchmarks/a.py', '"""A docstring may say brightener."""', None),
        ('benchmarks/analysis/a.py', 'import torch.nn', 'imports torch.nn'),
        ('benchmarks/reports/a.py', 'from mmengine.config import Config', 'imports mmengine.config'),
        ('benchmarks/record.py', 'import mmseg', 'imports mmseg'),
        ('benchmarks/record.py', 'import json', None),
        ('benchmarks/data/split.py', 'import mmseg', None),
        ('benchmarks/analysis/a.py', 'import torchmetrics_like_name', None),
        ('benchmarks/speed/a.py', 'import plugins.refine.dense_crf', None),
        ('benchmarks/speed/a.py', "NAME = 'brightener'", None),
        ('benchmarks/a.py', 'from benchmarks.speed import side_by_side', 'imports benchmarks.speed'),
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
