"""A copy of the project's code, whose files a test may change."""

import shutil
from collections.abc import Iterable
from pathlib import Path

PARTS = ('run_ablation.py', 'benchmarks', 'plugins', 'configs')
# What is compiled comes along, numba's loops above all: the sources keep their stamps, so it stays valid, and each copy
# would otherwise spend seconds to compile it anew. Unfinished files of other processes may vanish at any moment.
UNFINISHED = shutil.ignore_patterns('*.pyc.*', '*.tmp.*')


def copy_project(source: Path, target: Path, parts: Iterable[str] = PARTS) -> None:
    """Copy files and folders of a checkout to the same places below a folder."""
    for part in parts:
        if (source / part).is_file():
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / part, target / part)
        else:
            shutil.copytree(source / part, target / part, ignore=UNFINISHED)
