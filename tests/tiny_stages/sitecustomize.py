"""Puts stand-ins in the place of the stages, in processes that have this folder on their path: none trains anything.

A stand-in writes what its config and its parents say, so that results can be compared. It takes ``seconds`` of the
config, and an entry ``fails`` makes it fail.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys
import time
import types
from pathlib import Path

PLACES = ('train', 'predict', 'refine', 'profile')


def run(config: dict, folder: Path, parents: dict[str, Path], device: str, bytes_allowed: int | None = None) -> dict:
    """Write a file that depends on the config and on what the parents have written."""
    time.sleep(config.get('seconds', 0))
    if config.get('fails'):
        raise ValueError(config['fails'])
    read = [parents[role].joinpath('facts.csv').read_text() for role in sorted(parents)]
    (folder / 'facts.csv').write_text(f'{config["name"]}({", ".join(read)})')
    (folder / 'maps').mkdir()
    return dict(seconds=config.get('seconds', 0) + 0.001)


def run_together(
    configs: list[dict],
    folders: list[Path],
    parents: list[dict[str, Path]],
    device: str,
    bytes_allowed: list | None = None,
) -> list[dict]:
    """The same for stages that share a pass."""
    return [run(*each, device) for each in zip(configs, folders, parents, strict=True)]


for place in PLACES:
    module = types.ModuleType(f'benchmarks.stages.{place}')
    module.run, module.run_together = run, run_together
    sys.modules[module.__name__] = module


class Light(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands for what the server of a launcher imports: without torch and mmseg."""

    def find_spec(self, fullname, path=None, target=None):
        return importlib.machinery.ModuleSpec(fullname, self) if fullname == 'benchmarks.run.preloaded' else None

    def exec_module(self, module):
        for name in ('benchmarks.stages.together', 'benchmarks.run.launcher'):
            importlib.import_module(name)


sys.meta_path.insert(0, Light())
