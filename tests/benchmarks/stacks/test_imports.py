"""Modules that are nowhere or fail: the technique, the module, the line and close matches."""

import logging

import pytest

from benchmarks.errors import BadInput
from benchmarks.stacks.imports import import_modules, quieten_mmengine, refuse_unknown_modules
from benchmarks.stacks.technique import Technique

FAILS = {
    'x = 1\nimport nowhere_at_all\n': "which fails in line 2: ModuleNotFoundError: No module named 'nowhere_at_all'",
    'raise\n': 'which fails in line 1: RuntimeError',
}


def techniques(*imports):
    return {name: Technique(name, '', '', {}, imports=[module]) for name, module in zip('abcdef', imports)}


def refused(call, *arguments):
    with pytest.raises(BadInput) as error:
        call(*arguments)
    return error.value.args


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_modules_that_are_nowhere_are_named_at_once_with_close_matches(folder):
    (folder / 'tempered_losses.py').touch()
    mine = techniques('tempered_losss', '.relative', '', 'plugins.losses.dise')
    first, second, third, fourth = refused(
        refuse_unknown_modules, mine, dict(custom_imports=dict(imports=['plugins.losses.dice'])), [folder]
    )
    assert first.startswith("technique 'a' imports 'tempered_losss', and no such module is on the path")
    assert "did you mean 'tempered_losses'?" in first
    assert second.startswith("technique 'b' imports '.relative', which is no full name of a module")
    assert third.startswith("technique 'c' imports '', which is no full name")
    assert "technique 'd' imports" in fourth and "did you mean 'plugins.losses.dice'" in fourth
    (only,) = refused(refuse_unknown_modules, {}, dict(custom_imports=dict(imports='plugins.lossses.dice')), [folder])
    assert only.startswith("the config imports 'plugins.lossses.dice'") and "did you mean 'plugins.losses'" in only


@pytest.mark.parametrize('content', FAILS)
def test_a_module_that_fails_is_named_with_the_line(folder, content):
    name = f'fails_{len(content)}'
    (folder / f'{name}.py').write_text(content)
    (mistake,) = refused(import_modules, techniques(name), {})
    assert mistake.startswith(f"technique 'a' imports '{name}', {FAILS[content]}")


def test_a_name_that_is_taken_is_the_fault_of_the_module_that_takes_it_again(folder):
    (folder / 'takes_a_name.py').write_text(
        'from mmseg.registry import MODELS\nfrom torch import nn\n\n\n'
        '@MODELS.register_module()\nclass CrossEntropyLoss(nn.Module):\n    pass\n'
    )
    (mistake,) = refused(
        import_modules, techniques('takes_a_name'), dict(custom_imports=dict(imports=['plugins.hooks.inference']))
    )
    assert mistake.startswith("technique 'a' imports 'takes_a_name', which fails in line ")
    assert 'already registered in model at mmseg.models.losses.cross_entropy_loss' in mistake
    assert mistake.endswith("give the class another name, or register it by one: register_module(name='...')")


def test_a_name_of_the_data_in_metainfo_is_no_news(monkeypatch):
    """mmengine takes each text in ``metainfo`` for the name of a file, and warns that there is none."""
    from mmengine.logging import MMLogger
    from mmseg.datasets import BaseSegDataset

    monkeypatch.setattr(MMLogger, '_instance_dict', type(MMLogger._instance_dict)())
    quieten_mmengine()
    logger, told = MMLogger.get_current_instance(), []
    keeps = logging.Handler()
    keeps.emit = lambda record: told.append(record.getMessage())
    logger.addHandler(keeps)
    BaseSegDataset._load_metainfo(dict(dataset_name='Nuclei of mine', classes=('a', 'b')))
    logger.warning('another warning')
    assert told == ['another warning']
