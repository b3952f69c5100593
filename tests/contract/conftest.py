"""Check baselines, and results on the techniques that are selected: all of them are found first, several at once."""

import os
import sys
from pathlib import Path

import pytest

from benchmarks.check.command import CheckSettings, TechniqueChecker, files_to_check

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / 'configs'
CORES = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def make_bench(folder: Path, *baselines: str, configs: Path = CONFIGS) -> TechniqueChecker:
    """A prepared bench with these baselines; none means all."""
    bench = TechniqueChecker(folder, CheckSettings(configs, jobs=CORES), baselines)
    bench.prepare()
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
def on_unet(tmp_path_factory) -> TechniqueChecker:
    """The U-Net alone."""
    return make_bench(tmp_path_factory.mktemp('bench') / 'unet', 'unet_small_icbm152')


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
