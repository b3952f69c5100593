"""The examples in docstrings are run, and give what they say."""

import doctest
import importlib
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(
    '.'.join(path.relative_to(ROOT).with_suffix('').parts)
    for package in ('benchmarks', 'plugins')
    for path in (ROOT / package).rglob('*.py')
    if '>>> ' in path.read_text()
)


def test_there_are_examples():
    assert len(MODULES) >= 5


@pytest.mark.parametrize('name', MODULES)
def test_the_examples_of_a_module_are_true(name):
    attempted, failed = examples(importlib.import_module(name))
    assert attempted > 0
    assert failed == 0


def test_a_wrong_example_is_seen(tmp_path):
    path = tmp_path / 'planted.py'
    path.write_text('def double(x):\n    """Twice.\n\n    >>> double(2)\n    5\n    """\n    return 2 * x\n')
    spec = importlib.util.spec_from_file_location('planted', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert examples(module) == (1, 1)


def examples(module):
    """Number of the statements in examples, and of those that fail; pytest shows what they printed instead."""
    result = doctest.testmod(module)
    return result.attempted, result.failed
