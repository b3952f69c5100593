"""Programs and packages that some tests need and that not every machine has."""

import os
from typing import NoReturn

import pytest


def missing(text: str) -> NoReturn:
    """Skip the test; in CI, which installs all of them, fail it.

    Args:
        text: What is missing, and the command that installs it.
    """
    if os.environ.get('CI'):
        pytest.fail(f'{text}; in CI this test must not be left out', pytrace=False)
    pytest.skip(text)
