"""Puts stand-ins in the place of the stages, in processes that have this folder on their path: none trains anything.

A stand-in writes what its config and its parents say, so that results can be compared. It takes ``seconds`` of the
config, and an entry ``fails`` makes it fail.
"""

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
# The server of a launcher would import torch and mmseg.
sys.modules['benchmarks.run.preloaded'] = types.ModuleType('benchmarks.run.preloaded')
