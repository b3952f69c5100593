"""Check baselines, and results on the techniques that are selected: all of them are found first, several at once."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

from benchmarks.check.command import CheckSettings, TechniqueChecker, files_to_check

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / 'configs'
CORES = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def make_bench(folder: Path, *baselines: str, with_breaks: bool = True) -> TechniqueChecker:
    """A bench with these baselines, prepared once for all that stand beside the folder; none means all baselines.

    Without the graph breaks of the first one where no check needs them: counting them takes seconds.
    """
    folder.mkdir(exist_ok=True)
    bench = TechniqueChecker(folder, CheckSettings(CONFIGS, jobs=CORES, cache=folder.parent / 'prepared'), baselines)
    bench.prepare(with_breaks=with_breaks)
    return bench


def selected(request, argument: str) -> list:
    """The values of a parametrised argument that the selected tests of a module need."""
    return list(
        dict.fromkeys(
            item.callspec.params[argument]
            for item in request.session.items
            if item.path == request.path and argument in getattr(item, 'callspec', _NONE).params
        )
    )


class _NONE:
    params: dict = {}


@pytest.fixture(scope='session')
def benches(tmp_path_factory) -> Path:
    """A folder for benches, which the processes of pytest-xdist share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if 'PYTEST_XDIST_WORKER' in os.environ else base) / 'benches'
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope='session')
def on_unet(benches) -> TechniqueChecker:
    """The U-Net alone."""
    return make_bench(Path(tempfile.mkdtemp(prefix='unet_', dir=benches)), 'unet_small_icbm152')


def files(names) -> list[Path]:
    """The files of techniques by name."""
    return files_to_check(CONFIGS / 'techniques', list(names))


def causes(result) -> str:
    """What is wrong, for the message of an assertion."""
    return '\n'.join([result.reason, *(f'{one.check} on {one.baseline}: {one.note}' for one in result.broken)])


@pytest.fixture(scope='session')
def contract():
    """This module, for its functions."""
    return sys.modules[__name__]
