"""How much is fuzzed, and what is kept: see the section on tests in CONTRIBUTING.md."""

import os
import random
import time
from itertools import count
from pathlib import Path

import pytest

CORPUS = Path(__file__).with_name('corpus')
INPUTS = 10_000 if os.environ.get('THOROUGH') else 300
FROM = os.environ.get('FUZZ_FROM')  # the number of the first input of the search
SEARCH_S = 10  # for each test


class Inputs:
    """The numbered inputs of a test, each the same in each run, so that a failure comes again.

    Args:
        folder: The folder of the kept inputs, below ``corpus``.
        found: Where an input is written before it is tried.

    Attributes:
        number: The number of the last input.
    """

    def __init__(self, folder: str, found: Path) -> None:
        self.kept = {path.name: path.read_bytes() for path in sorted((CORPUS / folder).glob('*'))}
        self.found, self.number = found, -1

    def numbered(self):
        """A source of randomness for each input."""
        for self.number in range(INPUTS):
            yield self.number, random.Random(self.number)
        if FROM is None:
            return
        end = time.monotonic() + SEARCH_S
        for self.number in count(int(FROM)):
            yield self.number, random.Random(self.number)
            if time.monotonic() > end:
                return

    def keep(self, name: str, data: bytes) -> Path:
        """Write an input to a file; if the test then fails, that is the file to add to the corpus."""
        path = self.found / name
        path.write_bytes(data)
        return path


@pytest.fixture
def inputs(request, tmp_path):
    """The inputs of the folder that the test's module names as ``FOLDER``."""
    tried = Inputs(request.module.FOLDER, tmp_path)
    yield tried
    print(f'The last input had the number {tried.number}; FUZZ_FROM={tried.number} tries it.')  # shown of a failure
