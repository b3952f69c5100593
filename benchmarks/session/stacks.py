"""The stacks of a grid: which ones its designs compare, their techniques, and their resolved configs."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.errors import BadInput, Mistakes, did_you_mean
from benchmarks.plan.designs import lay_out
from benchmarks.plan.grid import Grid
from benchmarks.plan.layout import Layout
from benchmarks.plan.question import question_of
from benchmarks.record import stack_name
from benchmarks.session.baseline import Baseline
from benchmarks.session.environment import library_versions
from benchmarks.session.settings import Settings, trials_asked
from benchmarks.session.tuning import add_tuned_rows, number_of_trials, with_searches
from benchmarks.stacks.compose import compose_all
from benchmarks.stacks.feature_levels import remembered_levels
from benchmarks.stacks.imports import refuse_unknown_modules
from benchmarks.stacks.own_modules import refuse_shadowed
from benchmarks.stacks.plugin_code import PluginCode
from benchmarks.stacks.protocol import pair_training_data, refuse_lost_hooks
from benchmarks.stacks.references import Levels
from benchmarks.stacks.several_networks import each_training
from benchmarks.stacks.shorter import THIRD_OF_STEPS, third_of_steps
from benchmarks.stacks.siblings import SiblingOf
from benchmarks.stacks.technique import Stack, Technique, load_techniques
from benchmarks.stacks.variants import same_overlay, varied

# Stack names are names of files, with a seed and a suffix behind them; file systems allow 255 bytes.
LONGEST_STACK_NAME = 200


@dataclass(frozen=True)
class Rows:
    """The rows of the table before any config is composed.

    Args:
        layout: The stacks and comparisons of all designs.
        techniques: The techniques of these stacks, by name.
        called: Variant of a sweep → its technique, for variants with the technique's own values: both are one row.
        sibling_of: Reads the sibling of a technique; gives None for a technique without one.
        module_folders: The folders whose modules configs and techniques import.
        trials: The number of trials of each tuned technique; 0 where none is tuned.
    """

    layout: Layout
    techniques: dict[str, Technique] = field(repr=False)
    called: dict[str, str] = field(repr=False)
    sibling_of: SiblingOf = field(repr=False)
    module_folders: list[Path] = field(repr=False)
    trials: int = 0


@dataclass(frozen=True)
class Stacks:
    """The stacks of a grid with their resolved configs.

    Args:
        layout: The stacks in table order, and their comparisons.
        techniques: The techniques of these stacks, by name.
        called: As in :class:`Rows`.
        unpaired: Each stack's config before its training data are paired.
        paired: Each stack's config with paired training data, before it gets a seed.
        code: The source of the plugin modules that the configs import.
        levels: Measures the feature maps that reach the heads of a config.
        sibling_of: Reads the sibling of a technique; gives None for a technique without one.
        trials: As in :class:`Rows`.
    """

    layout: Layout
    techniques: dict[str, Technique] = field(repr=False)
    called: dict[str, str] = field(repr=False)
    unpaired: dict[Stack, dict] = field(repr=False)
    paired: dict[Stack, dict] = field(repr=False)
    code: PluginCode
    levels: Callable[[Mapping[str, Any]], Levels] = field(repr=False)
    sibling_of: SiblingOf = field(repr=False)
    trials: int = 0


def read_rows(grid: Grid, settings: Settings) -> Rows:
    """Lay out the designs of a grid, and read the techniques that they name.

    Raises:
        BadInput: A design or a technique is unknown, a stack's name is too long for a file, the grid publishes a value
            for a stack that it does not have, ``primary`` names what the grid does not compare, a technique needs a
            GPU and the grid runs on the CPU, or none has a search and tuned rows are
            asked for.
    """
    layout, trials, mistakes = lay_out(grid.designs), 0, Mistakes()
    shipped, own = settings.configs / 'techniques', list(map(Path, grid.technique_folders))
    with mistakes.noted():
        files = _techniques_named(layout)
        _refuse_unknown_variants(files, layout)
        loaded = load_techniques(shipped, files, own)
        _refuse_missing_device(loaded, settings.device)
        techniques, called = _with_variants(loaded, layout)
        layout = layout.renamed(called)
        tune = trials_asked(grid, settings)
        if tune is not None:
            layout, techniques = add_tuned_rows(layout, techniques)
            trials = number_of_trials(tune, techniques, layout)
    with mistakes.noted():
        _refuse_long_names(layout)
    with mistakes.noted():
        _refuse_unknown_published(grid, layout)
    with mistakes.noted():
        question_of(grid, layout)
    mistakes.refuse()
    names = {name for stack in layout.stacks for name in stack}
    techniques = {name: row for name, row in sorted(techniques.items()) if name in names}
    return Rows(layout, techniques, called, partial(_sibling, shipped=shipped, own=own), grid.module_folders, trials)


def _techniques_named(layout: Layout) -> list[str]:
    """The techniques whose files a grid needs; a variant needs that of its technique."""
    names = {name for stack in layout.stacks if stack not in layout.again_of for name in stack}
    variants = layout.variants
    return sorted({variants[name].technique if name in variants else name for name in names - {THIRD_OF_STEPS}})


def refuse_misfits(grid: Grid, baseline: Baseline, settings: Settings) -> None:
    """Refuse techniques that do not fit the baseline, each alone; those that cannot be read are passed over.

    It serves a grid that is refused already, so that all its mistakes are told at once.

    Raises:
        BadInput: A module is nowhere, a key is dead, or a technique changes nothing.
    """
    shipped, own = settings.configs / 'techniques', list(map(Path, grid.technique_folders))
    techniques: dict[str, Technique] = {}
    for name in _techniques_named(lay_out(grid.designs)):
        with suppress(BadInput):
            techniques |= load_techniques(shipped, [name], own)
    mistakes, base = Mistakes(), baseline.with_protocol
    with mistakes.noted():
        refuse_unknown_modules(techniques, base, grid.module_folders)
    with mistakes.noted():
        levels = remembered_levels(settings.cache, library_versions())
        compose_all(base, [(name,) for name in techniques], techniques, levels)
    mistakes.refuse()


def _with_variants(techniques: dict[str, Technique], layout: Layout) -> tuple[dict[str, Technique], dict[str, str]]:
    """The techniques and the variants of sweeps, and the names of variants with the technique's own values.

    Raises:
        BadInput: A sweep names a key that its technique's overlay lacks.
    """
    mistakes, varieties, called = Mistakes(), {}, {}
    for name, variant in layout.variants.items():
        with mistakes.noted():
            varieties[name] = varied(techniques[variant.technique], variant)
            if same_overlay(varieties[name], techniques[variant.technique]):
                called[name] = variant.technique
    mistakes.refuse()
    return techniques | varieties, called


def _sibling(technique: Technique, shipped: Path, own: list[Path]) -> Technique | None:
    """The sibling of a technique; None without one, and for a sibling that cannot be read."""
    if technique.sibling:
        with suppress(BadInput):
            return load_techniques(shipped, [technique.sibling], own)[technique.sibling]
    return None


def compose_stacks(rows: Rows, baseline: Baseline, settings: Settings) -> Stacks:
    """Resolve the config of every stack.

    Raises:
        BadInput: Two techniques clash, a key is dead, or a technique changes nothing.
    """
    base, techniques, layout = baseline.with_protocol, rows.techniques, rows.layout
    mistakes = Mistakes()
    with mistakes.noted():
        refuse_unknown_modules(techniques, base, rows.module_folders)
    if any(THIRD_OF_STEPS in stack for stack in layout.stacks):
        techniques = {**techniques, THIRD_OF_STEPS: third_of_steps(base)}
    levels = remembered_levels(settings.cache, library_versions())
    same_config = {**layout.again_of, **layout.tuned_of}
    distinct = [stack for stack in layout.stacks if stack not in same_config]
    with mistakes.noted():
        composed = compose_all(base, distinct, techniques, levels, rows.sibling_of)
        refuse_lost_hooks(composed, techniques, baseline.protocol)
    mistakes.refuse()
    unpaired = {stack: composed[same_config.get(stack, stack)] for stack in layout.stacks}
    if layout.tuned_of:
        unpaired = with_searches(unpaired, layout, techniques, rows.trials, baseline)
    paired = {
        stack: each_training(config, lambda network: pair_training_data(network, baseline.protocol))
        for stack, config in unpaired.items()
    }
    modules = {module for config in paired.values() for module in config['custom_imports']['imports']}
    refuse_shadowed(modules, rows.module_folders)
    code = PluginCode(modules)
    return Stacks(layout, techniques, rows.called, unpaired, paired, code, levels, rows.sibling_of, rows.trials)


def _refuse_unknown_variants(names: list[str], layout: Layout) -> None:
    """Refuse names such as ``focal[gamma=3]`` that no sweep of the grid has as a row."""
    mistakes = [
        f"'{name}' is a row of no sweep of this grid{did_you_mean(name, layout.variants)}; give the value to a sweep, "
        f"dict(type='sweep', technique='{name.partition('[')[0]}', over=...)"
        for name in names
        if '[' in name
    ]
    if mistakes:
        raise BadInput(*mistakes)


def _refuse_long_names(layout: Layout) -> None:
    for stack in layout.stacks:
        name = stack_name(stack)
        size = len(name.encode())
        if size > LONGEST_STACK_NAME:
            raise BadInput(
                f"the stack '{name}' has a name of {size} bytes, and files are called by it; give its "
                f'techniques shorter names (of their files in configs/techniques), so that together '
                f'they have at most {LONGEST_STACK_NAME}'
            )


def _refuse_unknown_published(grid: Grid, layout: Layout) -> None:
    known = [stack_name(stack) for stack in layout.stacks]
    unknown = [name for name in grid.published_dice if name not in known]
    if unknown:
        stacks = ', '.join(f"'{name}'" for name in unknown)
        raise BadInput(
            f'published_dice of the grid names the stack{"s" * (len(unknown) > 1)} {stacks}, which no design has '
            f'(stacks: {", ".join(known)})'
        )


def _refuse_missing_device(techniques: dict[str, Technique], device: str) -> None:
    if device.startswith('cuda'):
        return
    mistakes = [
        f"technique '{technique.name}' needs a GPU, but the grid runs on the CPU; "
        f'take it out of the grid, or run with --device cuda'
        for technique in techniques.values()
        if technique.device == 'cuda'
    ]
    if mistakes:
        raise BadInput(*mistakes)
