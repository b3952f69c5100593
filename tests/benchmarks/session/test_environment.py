import getpass
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest

from benchmarks.session import environment as module
from benchmarks.session.environment import environment


def git(folder, *arguments):
    identity = ['-c', 'user.name=a', '-c', 'user.email=a@b.c', '-c', 'commit.gpgsign=false']
    return subprocess.run(
        ['git', *identity, '-C', folder, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_versions_and_hardware():
    facts = environment()
    assert facts['python'] == platform.python_version()
    assert facts['packages']['numpy'] == importlib.metadata.version('numpy')
    assert any(name in facts['packages'] for name in ('onedl-mmcv', 'mmcv', 'mmcv-lite'))
    assert facts['cpu']['cores'] >= facts['cpu']['usable_cores'] >= 1
    assert facts['memory_gib'] is None or facts['memory_gib'] > 0.1
    assert isinstance(facts['gpus'], list)
    assert json.loads(json.dumps(facts)) == facts


def test_no_user_host_or_path():
    text = json.dumps(environment())
    assert '/home' not in text and str(module.ROOT) not in text and os.sep + 'root' not in text
    assert os.path.expanduser('~') not in text
    assert f'"{platform.node()}"' not in text and f'"{getpass.getuser()}"' not in text


def test_nothing_heavy_is_imported():
    code = (
        'import sys; from benchmarks.session.environment import environment; environment()\n'
        'sys.exit(any(name in sys.modules for name in ("torch", "numpy", "mmengine")))'
    )
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0


def test_git_commit_and_dirty_flag(tmp_path):
    git(tmp_path, 'init', '-q')
    assert module._git(tmp_path) == dict(commit=None, dirty=False)
    (tmp_path / 'plugin.py').write_text('a = 1')
    assert module._git(tmp_path) == dict(commit=None, dirty=True)
    git(tmp_path, 'add', '.')
    git(tmp_path, 'commit', '-qm', 'first')
    commit = git(tmp_path, 'rev-parse', 'HEAD')
    assert module._git(tmp_path) == dict(commit=commit, dirty=False)
    for folder in ('results', 'other/results'):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / 'results' / 'grid.json').touch()
    assert module._git(tmp_path) == dict(commit=commit, dirty=False)  # a run that goes on has records there
    (tmp_path / 'other' / 'results' / 'plugin.py').touch()
    assert module._git(tmp_path) == dict(commit=commit, dirty=True)
    (tmp_path / 'other' / 'results' / 'plugin.py').unlink()
    (tmp_path / 'plugin.py').write_text('a = 2')
    assert module._git(tmp_path) == dict(commit=commit, dirty=True)


def test_git_variables_of_a_calling_hook_do_not_mislead(tmp_path, monkeypatch):
    for name in ('one', 'other'):
        (tmp_path / name).mkdir()
        git(tmp_path / name, 'init', '-q')
    (tmp_path / 'other' / 'new').touch()
    monkeypatch.setenv('GIT_DIR', str(tmp_path / 'other' / '.git'))
    monkeypatch.setenv('GIT_WORK_TREE', str(tmp_path / 'other'))
    assert module._git(tmp_path / 'one') == dict(commit=None, dirty=False)


def test_outside_a_checkout_there_is_no_git_state(tmp_path):
    assert module._git(tmp_path) is None
    git(tmp_path, 'init', '-q')
    (tmp_path / 'site-packages').mkdir()
    assert module._git(tmp_path / 'site-packages') is None  # somebody else's checkout


def test_a_missing_git_is_no_error(monkeypatch, tmp_path):
    monkeypatch.setenv('PATH', str(tmp_path))
    facts = environment()
    assert facts['git'] is None and facts['python']


@pytest.mark.parametrize('started, expected', [(True, ['Card 0', 'Card 1']), (False, ['Listed'])])
def test_gpu_names_come_from_torch_only_where_cuda_has_started(monkeypatch, started, expected):
    cuda = SimpleNamespace(is_initialized=lambda: started, device_count=lambda: 2, get_device_name='Card {}'.format)
    monkeypatch.setitem(sys.modules, 'torch', SimpleNamespace(cuda=cuda))
    monkeypatch.setattr(module, '_output', lambda *command: 'Listed' if command[0] == 'nvidia-smi' else None)
    assert module.gpus() == expected
