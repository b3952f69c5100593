"""Every command explains itself: the first line of its module, and a line for each argument."""

import importlib
from pathlib import Path

import pytest

TOOLS = sorted(path.stem for path in (Path(__file__).resolve().parents[3] / 'plugins' / 'tools').glob('[!_]*.py'))


@pytest.mark.parametrize('name', TOOLS)
def test_help_names_the_command_its_purpose_and_its_arguments(name, capsys):
    tool = importlib.import_module(f'plugins.tools.{name}')
    with pytest.raises(SystemExit) as ended:
        tool.main(['--help'])
    words = ' '.join(capsys.readouterr().out.split())
    assert ended.value.code == 0 and f'python -m plugins.tools.{name}' in words
    assert ' '.join(tool.__doc__.split('\n')[0].split()) in words
    assert f'python -m plugins.tools.{name} ' in tool.__doc__  # an example


@pytest.mark.parametrize('name', TOOLS)
def test_a_command_without_arguments_is_refused_with_its_usage(name, capsys):
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f'plugins.tools.{name}').main([])
    assert ended.value.code == 2 and 'usage: python -m plugins.tools.' in ' '.join(capsys.readouterr().err.split())
