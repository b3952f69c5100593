import importlib
import itertools
import subprocess
import sys

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
