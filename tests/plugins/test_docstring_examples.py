"""The examples in docstrings of plugins give the results that they show."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WITH_EXAMPLES = sorted(
    '.'.join(path.relative_to(ROOT).with_suffix('').parts)
    for path in (ROOT / 'plugins').rglob('*.py')
    if '>>> ' in path.read_text()
)


@pytest.mark.parametrize('module', WITH_EXAMPLES)
def test_examples_are_true(module):
    failed, attempted = doctest.testmod(importlib.import_module(module))
    assert attempted > 0 and failed == 0
