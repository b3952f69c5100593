"""Stacks × seeds → a DAG of stages with keys: what there is to compute, each distinct thing once."""
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.code_fingerprint import PluginCode
from benchmarks.designs import Comparison
from benchmarks.keys import (STAGE_VERSIONS, config_parts, digest, refuse_addresses, stage_key, with_weights_by_content,
                             without_data_paths)
from benchmarks.protocol import with_seed
from benchmarks.record import cell_name, stack_name
from benchmarks.technique import Stack


@dataclass(frozen=True)
class Stage:
    """A unit of work whose result is kept under its key.

    Args:
        kind: ``train``, ``predict``, ``refine`` or ``profile``.
        key: Hash of ``ingredients``.
        label: The first cell (or, for a profile, the stack) that asks for it.
        config: The resolved config it runs.
        parents: (kind, key) of the stages whose results it reads.
        ingredients: What the key is made of, by name.
    """
    kind: str
    key: str
    label: str
    config: dict = field(repr=False)
    parents: tuple[tuple[str, str], ...]
    ingredients: dict[str, str] = field(repr=False)


@dataclass(frozen=True)
class Cell:
    """One stack × one seed, and the keys of its stages; ``refine`` is None for a stack that refines nothing."""
    stack: Stack
    seed: int
    config: dict = field(repr=False)
    train: str
    predict: str
    refine: str | None

    @property
    def name(self) -> str:
        """Its name in files and tables."""
        return cell_name(stack_name(self.stack), self.seed)

    def stages(self) -> list[tuple[str, str]]:
        """(kind, key) of its stages, in the order in which they run."""
        kinds = [('train', self.train), ('predict', self.predict), ('refine', self.refine)]
        return [(kind, key) for kind, key in kinds if key]


@dataclass(frozen=True)
class Plan:
    """All cells of a grid, and the distinct stages that they need."""
    cells: list[Cell]
    stages: dict[str, Stage]
    profiles: dict[Stack, str]
    comparisons: list[Comparison]

    def count(self, kind: str) -> int:
        """How many distinct stages of this kind there are."""
        return sum(stage.kind == kind for stage in self.stages.values())


@dataclass(frozen=True)
class Surroundings:
    """What enters keys beside the config.

    Args:
        code: The plugin modules' source.
        fingerprint: From a data set's config to a digest of its content.
        names: From a data set's config to a digest of what facts call its images and groups.
        versions: major.minor of the libraries that compute (torch, mmseg).
        device_type: ``cpu`` or ``cuda``.
        hardware: What latencies depend on: the processor's or GPU's name.
    """
    code: PluginCode
    fingerprint: Callable[[dict], str]
    names: Callable[[dict], str]
    versions: dict[str, str]
    device_type: str
    hardware: str


def make_plan(configs: dict[Stack, dict], comparisons: list[Comparison], seeds: Iterable[int],
              around: Surroundings) -> Plan:
    """The plan of a grid.

    Args:
        configs: Each stack's resolved config, in table order.
        comparisons: What to compare.
        seeds: The seeds of each stack.
        around: What enters the keys beside the configs.
    """
    seeds = list(seeds)
    stages: dict[str, Stage] = {}
    cells, profiles = [], {}
    for stack, config in configs.items():
        recipe = _Recipe(config, around)
        for seed in seeds:
            cell, own = recipe.cell(stack, seed)
            cells.append(cell)
            for stage in own:
                stages.setdefault(stage.key, stage)
        profile = recipe.profile(stack, next(cell for cell in cells if cell.stack == stack))
        stages.setdefault(profile.key, profile)
        profiles[stack] = profile.key
    return Plan(cells, stages, profiles, comparisons)


class _Recipe:
    """The ingredients of one stack's stages; only the seed differs between its cells."""

    def __init__(self, config: dict, around: Surroundings) -> None:
        self.config, self.around = config, around
        refuse_addresses(config)
        parts = config_parts(with_weights_by_content(config), around.code.acts_in_test_only)
        data = dict(train=config['train_dataloader'], predict=config['test_dataloader'])
        self.refines = bool(config['inference'].get('refine'))
        self.base = {}
        for kind, part in parts.items():
            self.base[kind] = {
                **{f'config {path}': digest(without_data_paths(value)) for path, value in part.items()},
                **{f'code {module}': code for module, code in around.code.modules_reached(part).items()},
                'stage version': str(STAGE_VERSIONS[kind]),
                'device': around.device_type}
        for kind, loader in data.items():
            self.base[kind][f'data {kind}'] = around.fingerprint(loader['dataset'])
        self.base['train'].update(around.versions)
        self.names = around.names(data['predict']['dataset'])

    def cell(self, stack: Stack, seed: int) -> tuple[Cell, list[Stage]]:
        """One cell and its stages."""
        config = with_seed(self.config, seed)
        label = cell_name(stack_name(stack), seed)
        train = _stage('train', label, config, (), {
            **self.base['train'], 'config randomness': digest(config['randomness'])
        })
        # Facts are stored by name; a latency has none, so that the profile does without.
        predict = _stage('predict', label, config, (train,), {**self.base['predict'], 'names predict': self.names})
        refine = _stage('refine', label, config, (predict, train), self.base['refine']) if self.refines else None
        stages = [stage for stage in (train, predict, refine) if stage]
        return Cell(stack, seed, config, train.key, predict.key, refine.key if refine else None), stages

    def profile(self, stack: Stack, cell: Cell) -> Stage:
        """The stage that measures this stack's complete inference, with the weights of ``cell``."""
        ingredients = {**self.base['predict'], **self.base['refine'], 'hardware': self.around.hardware,
                       'stage version': str(STAGE_VERSIONS['profile']), 'parent train': cell.train}
        return Stage('profile', stage_key({**ingredients, 'kind': 'profile'}), stack_name(stack), cell.config,
                     (('train', cell.train),), ingredients)


def _stage(kind: str, label: str, config: dict, parents: tuple[Stage, ...], ingredients: dict[str, Any]) -> Stage:
    ingredients = {**ingredients, **{f'parent {parent.kind}': parent.key for parent in parents}}
    key = stage_key({**ingredients, 'kind': kind})
    return Stage(kind, key, label, config, tuple((parent.kind, parent.key) for parent in parents), ingredients)


def what_changed(stored: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """Names of the ingredients that differ between a stored result and the one that is wanted."""
    return sorted(name for name in stored.keys() | wanted.keys() if stored.get(name) != wanted.get(name))
