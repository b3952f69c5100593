import importlib
import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.errors import BadInput
from benchmarks.stacks.plugin_code import PluginCode, types_in

REGISTRY = 'from mmseg.registry import HOOKS, MODELS\n'
AT_TEST = '    def after_test_epoch(self, runner, metrics=None):\n        pass\n\n'
FILES = {
    '__init__.py': '',
    'losses/__init__.py': '',
    'losses/near.py': REGISTRY + 'from {package}.losses.maps import distance\n\n'
    '@MODELS.register_module()\nclass NearLoss:\n    pass\n',
    'losses/far.py': REGISTRY + '@MODELS.register_module(name="FarLoss")\nclass Whatever:\n    pass\n\n'
    '@MODELS.register_module(name=["One", "Two"])\nclass Other:\n    pass\n',
    'losses/maps.py': '"""Maps."""\nfrom .. import numbers\n\ndef distance():\n'
    '    """Docs."""\n    return numbers.ONE  # here\n',
    'numbers.py': 'ONE = 1\n',
    'unused.py': 'X = 1\n',
    'plain.py': 'def patch():\n    pass\n\npatch()\n',
    'hooks.py': REGISTRY + 'import mmengine.hooks\nfrom mmengine.hooks import EMAHook, Hook\n'
    'from mmengine.hooks import LoggerHook as Sly\n'
    '@HOOKS.register_module()\nclass AtTest(Hook):\n'
    '    def before_test(self, runner):\n        pass\n'
    '    def after_test_iter(self, runner):\n        pass\n'
    '    def helper(self):\n        pass\n\n'
    '@HOOKS.register_module()\nclass AtBoth(AtTest):\n'
    '    def before_test(self, runner):\n        pass\n'
    '    def before_run(self, runner):\n        pass\n\n'
    '@HOOKS.register_module()\nclass Silent:\n    pass\n'
    '@HOOKS.register_module()\nclass MyEMA(EMAHook):\n'
    + AT_TEST
    + '@HOOKS.register_module()\nclass ByName(mmengine.hooks.Hook):\n'
    + AT_TEST
    + '@HOOKS.register_module()\nclass Two(Hook, EMAHook):\n'
    + AT_TEST
    + '@HOOKS.register_module()\nclass FromSly(Sly):\n'
    + AT_TEST
    + '@HOOKS.register_module()\nclass Grandchild(AtTest):\n'
    + AT_TEST
    + '@HOOKS.register_module()\nclass Assigned(Hook):\n    after_train_iter = print\n'
    + AT_TEST
    + '@HOOKS.register_module()\nclass Shared(Hook):\n'
    '    def _before_epoch(self, runner, mode):\n        pass\n' + AT_TEST,
    'sub/__init__.py': 'from .inner import Inner\n',
    'sub/inner.py': REGISTRY + '@MODELS.register_module()\nclass Inner:\n    pass\n',
    'all.py': REGISTRY + 'from .sub import Inner\n\n@MODELS.register_module()\nclass Outer:\n    pass\n',
}
numbers = itertools.count()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A plugin package under a name that no test before has used."""
    name = f'somebodys_plugins_{next(numbers)}'
    for file, text in FILES.items():
        path = tmp_path / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace('{package}', name))
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return tmp_path / name


def reached(package, *types, modules=('losses.near', 'losses.far')):
    code = PluginCode(f'{package.name}.{module}' for module in modules)
    found = code.modules_reached(dict(a=[dict(type=kind) for kind in types]))
    return {module.partition('.')[2]: digest for module, digest in found.items()}


def test_types_are_found_at_any_depth_and_in_parts_by_dotted_path():
    part = {
        'model.type': 'A',
        'model.data_preprocessor.type': 'B',
        'head': dict(type='C', losses=[dict(type='D', x=(dict(type='E'),))]),
        'no.typed': 'F',
        'map': {0: 'G', 'type': dict(type='H')},
    }
    assert types_in(part) == {'A', 'B', 'C', 'D', 'E', 'H'}


def test_a_type_reaches_its_module_and_what_that_imports(package):
    assert reached(package, 'NearLoss').keys() == {'losses.near', 'losses.maps', 'numbers', ''}
    assert reached(package, 'FarLoss').keys() == reached(package, 'Two').keys() == {'losses.far'}
    assert reached(package, 'CrossEntropyLoss') == {}


def test_a_module_without_registrations_counts_as_reached_by_all(package):
    assert reached(package, 'CrossEntropyLoss', modules=('losses.near', 'plain')).keys() == {'plain'}


def test_imports_of_a_package_are_followed(package):
    assert reached(package, modules=('sub',)).keys() == {'sub', 'sub.inner'}


def test_a_type_that_an_imported_module_registers_is_known(package):
    assert reached(package, 'Inner', modules=('all',)).keys() == {'sub.inner'}
    assert reached(package, 'Outer', modules=('all',)).keys() == {'all', 'sub', 'sub.inner'}


def test_reading_source_imports_nothing(package):
    reached(package, 'NearLoss', 'FarLoss')
    assert not [name for name in sys.modules if name.startswith(f'{package.name}.')]


def test_planning_imports_neither_torch_nor_mmseg(package):
    modules = [f'{package.name}.losses.near', 'plugins.heads.cbam_fcn_head', 'plugins.hooks.inference']
    types = [dict(type='NearLoss'), dict(type='CBAMFCNHead'), dict(type='InferenceHook')]
    script = (
        f'import sys; sys.path.insert(0, {str(package.parent)!r})\n'
        f'from benchmarks.stacks.plugin_code import PluginCode\n'
        f'print(len(PluginCode({modules}).modules_reached({types})))\n'
        f'print([name for name in ("torch", "mmseg", "mmcv") if name in sys.modules])\n'
    )
    ran = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True, check=True)
    count, loaded = ran.stdout.splitlines()
    assert int(count) >= 6 and loaded == '[]'


@pytest.mark.parametrize(
    'file, old, new, changed',
    [
        ('losses/maps.py', '"""Docs."""', '"""Other docs."""', set()),
        ('losses/maps.py', '"""Maps."""', '', set()),
        ('losses/maps.py', '  # here', '  # there', set()),
        ('losses/maps.py', '    return', '\n    return', set()),
        ('losses/maps.py', 'numbers.ONE', 'numbers.ONE + 1', {'losses.maps'}),
        ('numbers.py', '1', '2', {'numbers'}),
        ('losses/near.py', 'pass', 'x = 1', {'losses.near'}),
        ('losses/far.py', 'pass', 'x = 1', set()),
        ('unused.py', '1', '2', set()),
    ],
)
def test_code_enters_without_comments_and_docstrings(package, file, old, new, changed):
    before = reached(package, 'NearLoss')
    path = package / file
    path.write_text(path.read_text().replace(old, new, 1))
    after = reached(package, 'NearLoss')
    assert before.keys() == after.keys()
    assert {module for module in before if before[module] != after[module]} == changed


def test_a_docstring_alone_in_a_body_may_change_too(package):
    path = package / 'losses' / 'far.py'
    path.write_text(path.read_text().replace('pass', '"""One."""'))
    before = reached(package, 'FarLoss')
    path.write_text(path.read_text().replace('One.', 'Another.'))
    assert reached(package, 'FarLoss') == before


@pytest.mark.parametrize(
    'hook, expected',
    [
        ('AtTest', True),
        ('ByName', True),
        ('AtBoth', False),
        ('Silent', False),
        ('EMAHook', False),
        ('MyEMA', False),
        ('Two', False),
        ('FromSly', False),
        ('Grandchild', False),
        ('Assigned', False),
        ('Shared', False),
    ],
)
def test_hooks_of_the_test_loop_alone(package, hook, expected):
    assert PluginCode([f'{package.name}.hooks']).acts_in_test_only(hook) is expected


@pytest.mark.parametrize('module', ['{package}.losses.neer', '{package}.nowhere.near', 'no_such_package.a', 'sys', ''])
def test_a_module_without_source_is_refused(package, module):
    with pytest.raises(BadInput, match='check its spelling'):
        PluginCode([module.format(package=package.name)])


def test_a_module_that_does_not_parse_is_named(package):
    (package / 'losses' / 'far.py').write_text('def (')
    with pytest.raises(BadInput, match='far.py does not parse'):
        reached(package, 'FarLoss')


def write(folder, **files):
    """Modules with these texts, under names that no test before has used; returns the names by the given ones."""
    names = {name: f'{name}_{next(numbers)}' for name in files}
    for name, text in files.items():
        for given, written in names.items():
            text = text.replace(f'{{{given}}}', written)
        (folder / f'{names[name]}.py').write_text(text)
    importlib.invalidate_caches()
    return names


def test_a_types_own_module_is_reached_without_custom_imports(package):
    found = PluginCode([]).modules_reached(dict(type=f'{package.name}.losses.near.NearLoss'))
    assert f'{package.name}.numbers' in found


def test_a_class_that_code_builds_by_its_registered_name_is_reached(package):
    (package / 'builder.py').write_text(
        REGISTRY + 'PART = MODELS.build(dict(type="Inner"))\n@MODELS.register_module()\nclass Built:\n    pass\n'
    )
    assert reached(package, 'Built', modules=('builder', 'sub.inner')).keys() == {'builder', 'sub.inner'}


def test_a_class_that_a_call_registers_is_known(package):
    (package / 'call.py').write_text(REGISTRY + 'class A:\n    pass\n\nMODELS.register_module(module=A)\n')
    (package / 'caller.py').write_text(
        REGISTRY + f'import {package.name}.call\n@MODELS.register_module()\nclass B:\n    pass\n'
    )
    assert reached(package, 'A', modules=('caller',)).keys() == {'call'}


def test_code_of_a_package_runs_before_its_modules(package):
    """A package that only names its modules does not enter: a plugin that it imports as well would rerun all others."""
    (package / 'sub' / '__init__.py').write_text('"""Parts."""\nfrom .inner import Inner\nfrom . import setup\n')
    (package / 'sub' / 'setup.py').write_text('X = 1\n')
    (package / 'sub' / 'other.py').write_text(REGISTRY + '@MODELS.register_module()\nclass Other:\n    pass\n')
    assert reached(package, 'Other', modules=('sub.other',)).keys() == {'sub.other', 'sub.setup'}
    (package / 'sub' / '__init__.py').write_text('from .inner import Inner\nInner.x = 1\n')
    assert reached(package, 'Other', modules=('sub.other',)).keys() == {'sub.other', 'sub'}


def test_installed_distributions_are_not_followed(package):
    (package / 'plain.py').write_text('import json, numpy, torch.nn, mmseg.models, scipy.ndimage\n')
    assert reached(package, modules=('plain',)).keys() == {'plain'}


def test_a_module_of_a_namespace_package_is_followed(package):
    space = package.parent / f'space_{next(numbers)}'
    space.mkdir()
    (space / 'scales.py').write_text('X = 1\n')
    (package / 'plain.py').write_text(f'from {space.name} import scales\n')
    found = PluginCode([f'{package.name}.plain']).modules_reached({})
    assert f'{space.name}.scales' in found


@pytest.mark.parametrize(
    'line, said',
    [
        ('import importlib\nimportlib.import_module("a." + name)', 'line 2, imports a module whose name is computed'),
        ('__import__(name)', r'line 1, imports a module whose name is computed \(__import__\)'),
        ('def f(x):\n    exec(x)', r'line 2, runs code from a text or a file \(exec\)'),
        ('TABLE = __file__ + ".csv"', 'line 1, may read files beside it'),
        ('import importlib\nimportlib.import_module("json")', None),
        ('query.exec(1)', None),
    ],
)
def test_what_cannot_be_followed_is_said_with_its_line(tmp_path, monkeypatch, line, said):
    monkeypatch.syspath_prepend(tmp_path)
    names = write(tmp_path, lab=line, own='import {lab}\n')
    notes = PluginCode([names['own']]).notes
    if said is None:
        assert notes == []
    else:
        (note,) = notes
        assert names['lab'] in note and re.search(said, note) and 'change a line of the module' in note


def test_a_compiled_extension_enters_by_its_content_and_is_said(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    names = write(tmp_path, own='import {fast}\n', fast='')
    (tmp_path / f'{names["fast"]}.py').rename(tmp_path / f'{names["fast"]}.abi3.so')
    code = PluginCode([names['own']])
    assert code.modules_reached({}).keys() == set(names.values())
    assert f'{names["fast"]} is a compiled extension' in code.notes[0]


def test_the_shipped_plugins_can_be_followed_whole():
    folder = Path(__file__).parents[3] / 'plugins'
    modules = [path.relative_to(folder.parent).with_suffix('') for path in folder.rglob('*.py')]
    assert PluginCode('.'.join(module.parts) for module in modules if module.name != '__init__').notes == []
